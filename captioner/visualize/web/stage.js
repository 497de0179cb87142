// A photo under a map, and the region of it that is pointed at.

/** How maps look, on the whole page. */
const look = { style: "reveal", opacity: 1, smooth: false };
const repaints = new Set(); // called when the look of maps changes, or the page turns dark or light
dark.addEventListener("change", repaint);
window.addEventListener("themed", repaint); // sent by the notebook around the page

function repaint() {
  repaints.forEach((paintAgain) => paintAgain());
}

/** An element with a class, attributes and children; text is always text. */
function make(name, className = "", attributes = {}, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

class Stage {
  /** element holds the photo's image, or nothing. point(region): called when a region is pointed at; -1 when none is. */
  constructor(element, point) {
    Object.assign(this, { element, point, region: -1, regions: null });
    this.image = element.querySelector("img");
    this.canvas = make("canvas", "map", { "aria-hidden": "true" });
    this.frame = make("span", "region", { hidden: "" });
    this.probe = make("button", "probe", { type: "button", "aria-label": "regions of the photo: arrow keys move from one to the next" });
    element.append(this.canvas, this.frame, this.probe);
    this.image?.classList.toggle("crisp", this.image.src.startsWith("data:image/png")); // tiny photos are stored as PNG
    this.listen();
  }

  listen() {
    const { probe } = this;
    const at = ({ clientX, clientY }) => {
      const box = probe.getBoundingClientRect();
      const [width, height] = this.regions.photoSize;
      return regionAt(this.regions, ((clientX - box.left) / box.width) * width, ((clientY - box.top) / box.height) * height);
    };
    probe.addEventListener("pointermove", (event) => event.pointerType === "touch" || this.point(at(event)));
    probe.addEventListener("pointerleave", (event) => event.pointerType === "touch" || this.point(-1));
    probe.addEventListener("click", (event) => {
      if (event.pointerType === "touch") this.point(at(event) === this.region ? -1 : at(event));
    });
    probe.addEventListener("focus", () => probe.matches(":focus-visible") && this.point(this.middle()));
    probe.addEventListener("blur", () => this.point(-1));
    probe.addEventListener("keydown", (event) => {
      const next = this.after(event);
      if (next === null) return;
      event.preventDefault();
      this.point(next);
    });
  }

  middle() {
    const { rows, columns } = this.regions;
    return this.regions.boxes ? 0 : Math.floor(rows / 2) * columns + Math.floor(columns / 2);
  }

  /** The region that a key moves to; -1: none; null: the key is not handled. */
  after({ key, ctrlKey, altKey, metaKey }) {
    const { boxes, rows, columns } = this.regions;
    const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    if (ctrlKey || altKey || metaKey) return null;
    if (key === "Escape") return -1;
    if (!(key in steps)) return null;
    const [down, right] = steps[key];
    if (this.region < 0) return this.middle();
    if (boxes) return (this.region + down + right + boxes.length) % boxes.length;
    const row = Math.min(rows - 1, Math.max(0, Math.floor(this.region / columns) + down));
    const next = row * columns + Math.min(columns - 1, Math.max(0, (this.region % columns) + right));
    return isOnPhoto(this.regions, next) ? next : this.region;
  }

  /** Allows pointing at these regions; null: there are none. */
  offer(regions) {
    this.regions = regions;
    this.probe.hidden = !regions || !this.image;
  }

  outline(region) {
    this.region = region;
    this.frame.hidden = region < 0;
    if (region < 0) return;
    const [width, height] = this.regions.photoSize;
    const [left, top, right, bottom] = edgesOf(this.regions, region);
    const lengths = [left / width, top / height, (right - left) / width, (bottom - top) / height];
    ["left", "top", "width", "height"].forEach((side, index) => (this.frame.style[side] = `${100 * lengths[index]}%`));
  }

  /** Shows the photo under a map; null: the photo alone. */
  draw(weights, top) {
    this.canvas.hidden = !weights || !this.element.clientWidth;
    if (!this.canvas.hidden) paintOn(this.canvas, this.image, this.element.clientWidth, this.element.clientHeight, weights, this.regions, top);
    this.canvas.style.opacity = look.opacity;
  }
}

/** Paints a photo under a map on a canvas that is shown at this size. */
function paintOn(canvas, image, width, height, weights, regions, top) {
  const sharpness = Math.min(window.devicePixelRatio, 1600 / Math.max(width, height));
  const [across, down] = [width, height].map((length) => Math.max(1, Math.round(length * sharpness)));
  if (canvas.width !== across || canvas.height !== down || !canvas.pixels || canvas.photo !== image?.naturalWidth) {
    [canvas.width, canvas.height, canvas.photo] = [across, down, image?.naturalWidth];
    canvas.pixels = pixelsOf(image, across, down);
  }
  const drawn = weightsOnPhoto(weights, regions, across, down, look.smooth);
  const multiples = multiplesOf(drawn, regions, across, down, look.smooth);
  const [rows, columns] = regions.boxes ? [1, 1] : [regions.rows, regions.columns];
  const [side, flattest] = [Math.max(across, down), Math.min(across / columns, down / rows)];
  const line = Math.max(1, Math.round(Math.min(2 * sharpness, side / Math.max(rows, columns) / 12, flattest / 8)));
  paint(canvas, canvas.pixels, { weights: drawn, multiples, top, numRegions: numRegionsOf(regions), line }, look.style);
}

/** Paints the part of the photo with the most weight: a square of two cells or a third of the view's shorter side. */
function paintPiece(canvas, image, weights, regions) {
  if (!image?.naturalWidth) return;
  canvas.hidden = weights.every((weight) => weight === 0);
  if (canvas.hidden) return;
  const side = Math.round(48 * Math.min(3, window.devicePixelRatio));
  [canvas.width, canvas.height] = [side, side];
  const [left, top, right, bottom] = regions.view;
  const length = Math.min(right - left, bottom - top) * (regions.boxes ? 0.4 : Math.max(0.34, 2 / Math.max(regions.rows, regions.columns)));
  const middles = Array.from(weights, (_, region) => {
    const edges = edgesOf(regions, region);
    return [(edges[0] + edges[2]) / 2, (edges[1] + edges[3]) / 2];
  });
  const nearness = ([x, y], [u, v]) => Math.max(0, 1 - Math.max(Math.abs(u - x), Math.abs(v - y)) / length);
  const sums = middles.map((middle) => middles.reduce((sum, other, region) => sum + nearness(middle, other) * weights[region], 0));
  const scale = image.naturalWidth / regions.photoSize[0];
  const start = middles[sums.indexOf(Math.max(...sums))].map((middle, axis) => {
    const [low, high] = [Math.max(0, regions.view[axis]), Math.min(regions.photoSize[axis], regions.view[axis + 2])];
    return Math.max(low, Math.min(high - length, middle - length / 2)) * scale;
  });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, ...start, length * scale, length * scale, 0, 0, side, side);
}
