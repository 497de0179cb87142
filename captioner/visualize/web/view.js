// A photo, its sentence as words to point at, and the map of the word that is pointed at.

/** An element with a class, attributes and children; text is always text. */
function make(name, className = "", attributes = {}, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const repaints = new Set(); // what is drawn again when the page turns dark or light
dark.addEventListener("change", () => repaints.forEach((repaint) => repaint()));

/** A share as people read it: 0.93, and smaller ones with their first two digits. */
function number(value) {
  if (value >= 0.0995) return value.toFixed(2);
  return value >= 0.001 ? value.toPrecision(2) : value > 0 ? value.toExponential(1) : "0";
}

class View {
  /** root holds .stage with its image, and .sentence; both are taken over. */
  constructor(root, data, { compact = false } = {}) {
    Object.assign(this, { root, data, compact, word: -1, hovered: -1, head: -1, covered: true, smooth: data.smooth });
    this.stage = root.querySelector(".stage");
    this.image = this.stage.querySelector("img");
    this.canvas = make("canvas", "map", { "aria-hidden": "true" });
    this.stage.append(this.canvas);
    this.sentence = make("div", "sentence", { "aria-label": "words of the caption", lang: "", dir: "auto" });
    this.readout = make("div", "readout");
    this.live = make("p", "unseen", { "aria-live": "polite" });
    this.notes = make("div", "notes");
    this.heads = make("div");
    const candidates = make("div", "", {}, ...(compact ? [] : candidatesOf(this)));
    const told = make("div", "told", {}, this.sentence, this.readout, this.live, this.notes, this.heads, candidates);
    root.querySelector("p.sentence").replaceWith(told);
    this.image?.classList.toggle("crisp", this.image.src.startsWith("data:image/png")); // tiny ones come as PNG
    this.show(data.shown ?? 0);
    new ResizeObserver(() => this.draw()).observe(this.stage);
    this.image?.addEventListener("load", () => this.draw());
    repaints.add(() => this.draw());
  }

  /** Shows another of the captions. */
  show(index) {
    this.index = index;
    this.caption = this.data.captions[index];
    this.word = this.hovered = this.head = -1;
    this.words = this.caption.words.map((word, place) => this.wordButton(word, this.caption.probabilities[place]));
    const sentence = make("div", "sentence", { "aria-label": "words of the caption", lang: "", dir: "auto" });
    sentence.append(...(this.words.length ? this.words : [make("span", "faint", { lang: "en" }, "(a caption without words)")]));
    this.sentence.replaceWith(sentence);
    this.sentence = sentence;
    if (this.words.length)
      asChoice(this.sentence, this.words, (place) => this.choose(place), (place) => this.preview(place));
    this.notes.replaceChildren(...notesOn(this));
    this.heads.replaceChildren(...(this.compact ? [] : headsOf(this)));
    this.showCandidate?.();
    this.update();
  }

  wordButton(word, probability) {
    const shown = this.compact ? [] : [make("small", "", { "aria-hidden": "true", dir: "ltr" }, number(probability))];
    const button = make("button", "word", { "aria-label": `${word}, probability ${number(probability)}` }, make("span", "", {}, word), ...shown);
    button.style.setProperty("--probability", probability);
    return button;
  }

  choose(place) {
    this.word = place;
    this.hovered = -1;
    this.update();
    this.live.textContent = place < 0 ? "the photo alone" : this.factsOf(place).map((fact) => fact.join(" ")).join("; ");
  }

  preview(place) {
    if (place === this.hovered) return;
    this.hovered = place;
    this.update();
  }

  get shownWord() {
    return this.hovered >= 0 ? this.hovered : this.word;
  }

  update() {
    showChoice(this.words, this.word);
    this.words.forEach((button, place) => button.classList.toggle("shown", place === this.shownWord));
    const facts = this.shownWord < 0 ? this.factsOfAll() : this.factsOf(this.shownWord);
    this.readout.replaceChildren(
      ...facts.map(([name, value, note]) => make("span", "fact", note ? { title: note } : {}, make("bdi", "", {}, name), " ", make("b", "", {}, value))),
    );
    this.draw();
  }

  factsOfAll() {
    const { caption } = this;
    const facts = [];
    if (this.words.length) facts.push(["confidence", number(caption.confidence), "the geometric mean of the words' probabilities"]);
    if (!this.compact) facts.unshift(["caption's probability", number(Math.exp(caption.logProb)), "all words' and the end mark's, multiplied"]);
    if (!caption.ended) facts.push(["cut at", `${caption.words.length} words`, "the decoder had not ended the caption"]);
    return facts;
  }

  factsOf(place) {
    const { caption } = this;
    const facts = [[caption.words[place], number(caption.probabilities[place]), "the word's probability"]];
    if (caption.maps) facts.push(["looked most at", this.peakOf(place), "the region with the largest weight, and the weight"]);
    if (caption.sentinel) facts.push(["sentinel", number(caption.sentinel[place]), "share given to the language model"]);
    if (caption.gate) facts.push(["gate", number(caption.gate[place]), "mean of the gate on the context"]);
    return facts;
  }

  peakOf(place) {
    const { regions } = this.caption;
    const weights = this.weightsOf(place, this.head);
    const peak = weights.indexOf(weights.reduce((most, weight) => Math.max(most, weight), 0));
    const where = regions.boxes
      ? `box ${peak + 1} of ${regions.boxes.length}`
      : `row ${Math.floor(peak / regions.columns) + 1}, column ${(peak % regions.columns) + 1}`;
    return `${where} (${number(weights[peak])})`;
  }

  /** One word's weights, of one head or (-1) of their mean. */
  weightsOf(place, head) {
    const { maps, headMaps, numHeads, regions } = this.caption;
    const numRegions = numRegionsOf(regions);
    return head < 0 ? weightsOf(maps, place, numRegions) : weightsOf(headMaps, place * numHeads + head, numRegions);
  }

  get top() {
    return this.head < 0 ? this.data.top : this.data.headTop;
  }

  draw() {
    const drawn = this.caption.maps && this.covered && this.shownWord >= 0 && this.stage.clientWidth > 0;
    this.canvas.hidden = !drawn;
    this.stage.dataset.word = drawn ? this.shownWord : "";
    this.drawHeads?.();
    if (this.topLabel) this.topLabel.textContent = number(this.top);
    if (!drawn) return;
    this.paintOn(this.canvas, this.stage.clientWidth, this.stage.clientHeight, this.shownWord, this.head, this.top);
  }

  paintOn(canvas, width, height, place, head, top) {
    const sharpness = Math.min(window.devicePixelRatio, 1600 / Math.max(width, height));
    const [across, down] = [width, height].map((length) => Math.max(1, Math.round(length * sharpness)));
    if (canvas.width !== across || canvas.height !== down || !canvas.grey || canvas.photo !== this.image?.naturalWidth) {
      [canvas.width, canvas.height, canvas.photo] = [across, down, this.image?.naturalWidth];
      canvas.grey = greyOf(this.image, across, down);
    }
    const weights = weightsOnPhoto(this.weightsOf(place, head), this.caption.regions, across, down, this.smooth);
    paint(canvas, canvas.grey, weights, top);
  }
}
