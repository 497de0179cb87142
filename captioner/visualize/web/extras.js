// The parts around a view: the look of maps, the scale, accounts, heads, and the candidates of decoding.

/** Switches for the look of all maps of the page. */
function lookOf() {
  const names = Object.keys(styles);
  const buttons = names.map((name) => make("button", "part", { title: styles[name].meaning }, styles[name].name));
  const group = make("div", "parts", { "aria-label": "style of maps" }, ...buttons);
  const choose = (index) => {
    look.style = names[Math.max(0, index)];
    showChoice(buttons, names.indexOf(look.style));
    repaint();
  };
  asChoice(group, buttons, choose);
  showChoice(buttons, names.indexOf(look.style));
  const slider = make("input", "", { type: "range", min: 0, max: 100, value: 100 * look.opacity });
  slider.addEventListener("input", () => {
    look.opacity = slider.value / 100;
    repaint();
  });
  const smooth = make("input", "", { type: "checkbox" });
  smooth.checked = look.smooth;
  smooth.addEventListener("change", () => {
    look.smooth = smooth.checked;
    repaint();
  });
  return [group, make("label", "switch", {}, "opacity", slider), make("label", "switch", {}, smooth, "interpolate between cells")];
}

/** Notes on all words: the scale, and which state attended. */
function notesOn(view) {
  const { caption, compact } = view;
  if (!caption.maps) return caption.words.length && !compact ? [make("p", "faint", {}, "This decoder has no attention.")] : [];
  const scale = make("div", "scale");
  view.drawScale = () => drawScale(view, scale);
  if (compact) return [scale];
  const left = caption.words.filter((_, position) => caption.content && !caption.content.includes(position)).length;
  const quiet = left ? " · words in grey name nothing that one could see" : "";
  const convention = `Attention: the decoder attended ${caption.attend} reading the previous word · ${caption.regions.inWords}${quiet}`;
  return [make("div", "row", {}, scale, tellOf(view)), make("p", "faint", {}, convention)];
}

/** The scale of the current style, with marks below it. */
function drawScale(view, scale) {
  const { caption, top } = view;
  const numRegions = numRegionsOf(caption.regions);
  const key = [look.style, top, isDark(), seesAll(caption.regions)].join();
  if (scale.dataset.key === key) return;
  scale.dataset.key = key;
  const { title, marks, values } = scalesOf[look.style](top, numRegions);
  const [width, height] = [values.length, 10];
  const bar = make("canvas", "", { width, height, "aria-hidden": "true" });
  const across = Float32Array.from({ length: width * height }, (_, pixel) => values[pixel % width]);
  const grey = new Uint8ClampedArray(4 * width * height).fill(150);
  for (let pixel = 0; pixel < width * height; pixel++) grey[4 * pixel + 3] = 255;
  paint(bar, grey, { weights: across, multiples: across, top, numRegions, line: 1 }, look.style);
  const texts = marks.map(([share, text]) => make("span", "", { style: `left:${(100 * share).toFixed(1)}%` }, text));
  const unseen = seesAll(caption.regions) ? [] : [make("span", "key", {}, make("span", look.style === "reveal" ? "unlit" : "hatched"), "not seen by the network")];
  scale.replaceChildren(make("span", "", {}, title), make("span", "bar", {}, bar, ...texts), ...unseen);
}

/** A multiple above 1, with as many digits as set it apart from 1. */
function aboveOne(multiple) {
  const [text] = times(multiple).split(" ");
  return Number(text) > 1 ? text : `${Number(multiple.toFixed(4))}`;
}

/** For each style: what its scale shows, marks at shares of its length, and 160 values along it. */
const scalesOf = {
  reveal(top, numRegions) {
    const most = Math.max(1, Math.round(1e4 * top * numRegions) / 1e4);
    const values = Array.from({ length: 160 }, (_, index) => {
      const share = index / 159;
      return share <= 1 / 3 || most === 1 ? share * (most > 1 ? 3 : 1) : most ** ((share - 1 / 3) * 1.5);
    });
    const { contour } = drawing.reveal;
    const marks = most > 1 ? [[0, "0"], [1 / 3, "1"], [1, aboveOne(most)]] : [[0, "0"], [1, "1"]];
    const outlined = most > contour ? `, outlined from ${contour}` : "";
    return { title: `weight, x uniform${outlined}`, marks, values };
  },
  cells(top) {
    return { title: "weight", marks: [[0, "0"], [1, number(top)]], values: Array.from({ length: 160 }, (_, index) => (top * index) / 159) };
  },
  ratio() {
    const { ends } = drawing.ratio;
    const values = Array.from({ length: 160 }, (_, index) => 2 ** (ends * ((2 * index) / 159 - 1)));
    return { title: "weight, x uniform", marks: [[0, `1/${2 ** ends}`], [0.5, "1"], [1, `${2 ** ends}`]], values };
  },
};

function seesAll({ view: [left, top, right, bottom], photoSize: [width, height] }) {
  return left < 0.5 && top < 0.5 && right > width - 0.5 && bottom > height - 0.5;
}

/** A button that shows word after word. */
function tellOf(view) {
  const button = make("button", "plain", { type: "button" }, "play");
  let timer = 0;
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    button.textContent = "play";
  };
  const steps = view.caption.content ?? view.words.map((_, position) => position);
  const next = () => {
    const position = steps.find((step) => step > view.word);
    if (position === undefined) return stop();
    view.choose(position);
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    view.choose(steps[0]);
    timer = setInterval(next, 1200);
    button.textContent = "stop";
  });
  view.tell = { stop };
  for (const kind of ["pointerdown", "keydown"]) view.root.addEventListener(kind, (event) => event.target === button || stop());
  return button;
}

const BEST_ALONE = "This candidate has no other account of its words than attention: the others were computed for the model's caption alone.";
const ABOUT_HEADS = "A head's map is where this head attended. It is not the head's share in the word, which also depends on what it read there.";

/** A switch between accounts of the words, such as attention and gradients, or all of them side by side. */
function accountsOf(view) {
  const { accounts, maps } = view.caption;
  if (!maps || view.compact) return [];
  if (accounts.length < 2) return view.data.captions.some((other) => other.accounts?.length > 1) ? [make("p", "faint", {}, BEST_ALONE)] : [];
  const names = [...accounts.map(({ name }) => name), "side by side"];
  const buttons = names.map((name) => make("button", "part", {}, name));
  const group = make("div", "parts", { "aria-label": "account of the words" }, ...buttons);
  const note = make("p", "faint");
  const say = () => {
    const shown = view.together ? accounts : [accounts[view.account]];
    note.replaceChildren(...shown.map(({ name, note }) => make("span", "line", {}, make("b", "", {}, name), `: ${note}`)));
  };
  asChoice(group, buttons, (index) => {
    index = Math.max(0, index);
    view.together = index === accounts.length;
    view.account = view.together ? 0 : index;
    view.region = -1;
    view.head = -1;
    showChoice(buttons, index);
    view.showHeads();
    view.spread();
    view.shown();
    say();
  });
  showChoice(buttons, view.account);
  say();
  return [group, note];
}

/** A small map for the mean of the heads and for each head of the account that is shown, to compare and to select. */
function headsOf(view) {
  view.drawHeads = null;
  if (!view.caption.maps) return [];
  const { name, heads, numHeads, maps } = view.caption.accounts[view.account];
  if (!heads) return [];
  const names = ["mean", ...Array.from({ length: numHeads }, (_, head) => `head ${head + 1}`)];
  const canvases = names.map(() => make("canvas", "", { "aria-hidden": "true" }));
  const buttons = names.map((name, index) => make("button", "head", {}, canvases[index], name));
  const group = make("div", "heads", { "aria-label": "attention heads" }, ...buttons);
  const choose = (index) => {
    view.head = Math.max(0, index) - 1;
    showChoice(buttons, view.head + 1);
    view.shown();
  };
  asChoice(group, buttons, choose);
  showChoice(buttons, 0);
  const of = (position, index) => {
    const numRegions = numRegionsOf(view.caption.regions);
    return index ? weightsOf(heads, position * numHeads + index - 1, numRegions) : weightsOf(maps, position, numRegions);
  };
  view.drawHeads = () => canvases.forEach((canvas, index) => drawSmall(view, canvas, index, of));
  const scales = `all heads share one scale, up to ${number(view.data.headTop)}; their mean has its own, up to ${number(view.data.top)}`;
  return [make("h3", "", {}, `heads of ${name}`), group, make("p", "faint", {}, `${ABOUT_HEADS} In \"cells\", ${scales}.`)];
}

function drawSmall(view, canvas, index, weightsOfHead) {
  const { clientWidth, clientHeight } = view.stages[0].element;
  const [width, height] = [canvas.clientWidth, Math.round((canvas.clientWidth * clientHeight) / clientWidth)];
  if (!width || !height) return;
  canvas.style.height = `${height}px`;
  if (view.shownWord >= 0) return paintOn(canvas, view.image, width, height, weightsOfHead(view.shownWord, index), view.caption.regions, index ? view.data.headTop : view.data.top);
  [canvas.width, canvas.height, canvas.pixels] = [width, height, null];
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
  const group = make("div", "candidates", captions.length > 1 ? { "aria-label": "candidates" } : {}, ...rows);
  if (captions.length > 1) {
    asChoice(group, rows, (index) => index >= 0 && index !== view.index && view.show(index));
    view.showCandidate = () => showChoice(rows, view.index);
  }
  return [make("h3", "", {}, "candidates in the order of decoding, with probabilities"), group];
}
