// The parts around a view: the colour scale, switches, heads, and the candidates of decoding.

/** Notes on all words: the scale, switches, and which state attended. */
function notesOn(view) {
  const { caption, compact } = view;
  if (!caption.maps) return caption.words.length && !compact ? [make("p", "faint", {}, "This decoder has no attention.")] : [];
  if (compact) return [make("div", "row", {}, scaleOf(view), ...hatchKeyOf(caption.regions))];
  const convention = `The decoder attended ${caption.attend} reading the previous word · ${caption.regions.inWords}`;
  const hint = "Point at a word, tap it, or use the arrow keys to see where the decoder attended for it.";
  return [
    make("p", "faint", {}, hint),
    make("div", "row", {}, scaleOf(view), ...hatchKeyOf(caption.regions), ...switchesOf(view)),
    make("p", "faint", {}, convention),
  ];
}

/** The colours on mid-grey, between their numbers. */
function scaleOf(view) {
  const bar = make("canvas", "scale", { "aria-hidden": "true", width: 128, height: 1 });
  paint(bar, new Float32Array(128).fill(128), Float32Array.from({ length: 128 }, (_, index) => index / 127), 1);
  view.topLabel = make("span", "", {}, number(view.top));
  return make("span", "key", {}, "weight 0", bar, view.topLabel);
}

function hatchKeyOf({ view: [left, top, right, bottom], photoSize: [width, height] }) {
  const seesAll = left < 0.5 && top < 0.5 && right > width - 0.5 && bottom > height - 0.5;
  return seesAll ? [] : [make("span", "key", {}, make("span", "hatched"), "not seen by the network")];
}

function switchesOf(view) {
  const switches = [switchOf("map", view.covered, (on) => (view.covered = on), view)];
  if (!view.caption.regions.boxes)
    switches.push(switchOf("interpolate between cells", view.smooth, (on) => (view.smooth = on), view));
  return switches;
}

function switchOf(name, on, set, view) {
  const box = make("input", "", { type: "checkbox" });
  box.checked = on;
  box.addEventListener("change", () => {
    set(box.checked);
    view.draw();
  });
  return make("label", "switch", {}, box, name);
}

/** A small map for the mean of the heads and for each head, to compare and to select. */
function headsOf(view) {
  const { numHeads } = view.caption;
  view.drawHeads = null;
  if (!numHeads) return [];
  const names = ["mean", ...Array.from({ length: numHeads }, (_, head) => `head ${head + 1}`)];
  const canvases = names.map(() => make("canvas", "", { "aria-hidden": "true" }));
  const buttons = names.map((name, index) => make("button", "head", {}, canvases[index], name));
  const group = make("div", "heads", { "aria-label": "attention heads" }, ...buttons);
  const choose = (index) => {
    view.head = Math.max(0, index) - 1;
    showChoice(buttons, view.head + 1);
    view.update();
  };
  asChoice(group, buttons, choose);
  showChoice(buttons, 0);
  view.drawHeads = () => canvases.forEach((canvas, index) => drawSmall(view, canvas, index - 1));
  const scales = `all heads share one scale, up to ${number(view.data.headTop)}; their mean has its own, up to ${number(view.data.top)}`;
  return [make("h3", "", {}, "heads"), group, make("p", "faint", {}, scales)];
}

function drawSmall(view, canvas, head) {
  const [width, height] = [canvas.clientWidth, Math.round((canvas.clientWidth * view.stage.clientHeight) / view.stage.clientWidth)];
  if (!width || !height) return;
  canvas.style.height = `${height}px`;
  if (view.shownWord >= 0) return view.paintOn(canvas, width, height, view.shownWord, head, head < 0 ? view.data.top : view.data.headTop);
  [canvas.width, canvas.height, canvas.grey] = [width, height, null];
  if (view.image?.naturalWidth) canvas.getContext("2d").drawImage(view.image, 0, 0, width, height);
}

/** The candidates of decoding, best first; those with maps can be selected. */
function candidatesOf(view) {
  const { captions, listed } = view.data;
  const candidates = captions.length > 1 ? captions.map(({ text, logProb }) => [text, logProb]) : (listed ?? []);
  if (candidates.length < 2) return [];
  const largest = Math.max(...candidates.map(([, logProb]) => Math.exp(logProb))) || 1;
  const kind = captions.length > 1 ? "button" : "div";
  const rows = candidates.map(([text, logProb], index) => {
    const probability = Math.exp(logProb);
    const words = make("span", "", { lang: "", dir: "auto" }, text || "(a caption without words)");
    const row = make(kind, "candidate", {}, make("span", "faint", {}, `${index + 1}`), words, make("span", "digits", {}, number(probability)));
    row.style.setProperty("--probability", probability / largest);
    return row;
  });
  const group = make("div", "candidates", { "aria-label": "candidates" }, ...rows);
  if (captions.length > 1) {
    asChoice(group, rows, (index) => index >= 0 && index !== view.index && view.show(index));
    view.showCandidate = () => showChoice(rows, view.index);
  }
  return [make("h3", "", {}, "candidates in the order of decoding, with probabilities"), group];
}
