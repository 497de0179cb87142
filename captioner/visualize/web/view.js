// A photo, its caption as words to point at, and the map of the selected word.

/** An element with a class, attributes and children; text is always text. */
function make(name, className = "", attributes = {}, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const repaints = new Set(); // called when the page turns dark or light
dark.addEventListener("change", () => repaints.forEach((repaint) => repaint()));

/** Formats a share: two decimals, as in 0.93, and two significant digits for small ones. */
function number(value) {
  if (value >= 0.0995) return value.toFixed(2);
  return value >= 0.001 ? value.toPrecision(2) : value > 0 ? value.toExponential(1) : "0";
}

class View {
  /** root contains .stage with its image, and .sentence; the view takes both over. */
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
    const details = make("div", "details", {}, this.sentence, this.readout, this.live, this.notes, this.heads, candidates);
    root.querySelector("p.sentence").replaceWith(details);
    this.image?.classList.toggle("crisp", this.image.src.startsWith("data:image/png")); // tiny photos are stored as PNG
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
    this.words = this.caption.words.map((word, position) => this.wordButton(word, this.caption.probabilities[position]));
    const sentence = make("div", "sentence", { "aria-label": "words of the caption", lang: "", dir: "auto" });
    sentence.append(...(this.words.length ? this.words : [make("span", "faint", { lang: "en" }, "(a caption without words)")]));
    this.sentence.replaceWith(sentence);
    this.sentence = sentence;
    if (this.words.length)
      asChoice(this.sentence, this.words, (position) => this.choose(position), (position) => this.preview(position));
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

  choose(position) {
    this.word = position;
    this.hovered = -1;
    this.update();
    this.live.textContent = position < 0 ? "the photo alone" : this.factsOf(position).map((fact) => fact.join(" ")).join("; ");
  }

  preview(position) {
    if (position === this.hovered) return;
    this.hovered = position;
    this.update();
  }

  get shownWord() {
    return this.hovered >= 0 ? this.hovered : this.word;
  }

  update() {
    showChoice(this.words, this.word);
    this.words.forEach((button, position) => button.classList.toggle("shown", position === this.shownWord));
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
    if (!this.compact) facts.unshift(["caption's probability", number(Math.exp(caption.logProb)), "the product of all words' probabilities and the end mark's"]);
    if (!caption.ended) facts.push(["cut at", `${caption.words.length} words`, "the decoder did not end the caption"]);
    return facts;
  }

  factsOf(position) {
    const { caption } = this;
    const facts = [[caption.words[position], number(caption.probabilities[position]), "the word's probability"]];
    if (caption.maps) facts.push(["largest weight at", this.peakOf(position), "the region with the largest weight, and its weight"]);
    if (caption.sentinel) facts.push(["sentinel", number(caption.sentinel[position]), "share given to the language model"]);
    if (caption.gate) facts.push(["gate", number(caption.gate[position]), "mean of the gate on the context"]);
    return facts;
  }

  peakOf(position) {
    const { regions } = this.caption;
    const weights = this.weightsOf(position, this.head);
    const peak = weights.indexOf(weights.reduce((largest, weight) => Math.max(largest, weight), 0));
    const where = regions.boxes
      ? `box ${peak + 1} of ${regions.boxes.length}`
      : `row ${Math.floor(peak / regions.columns) + 1}, column ${(peak % regions.columns) + 1}`;
    return `${where} (${number(weights[peak])})`;
  }

  /** One word's weights, of one head or (-1) of their mean. */
  weightsOf(position, head) {
    const { maps, headMaps, numHeads, regions } = this.caption;
    const numRegions = numRegionsOf(regions);
    return head < 0 ? weightsOf(maps, position, numRegions) : weightsOf(headMaps, position * numHeads + head, numRegions);
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

  paintOn(canvas, width, height, position, head, top) {
    const sharpness = Math.min(window.devicePixelRatio, 1600 / Math.max(width, height));
    const [across, down] = [width, height].map((length) => Math.max(1, Math.round(length * sharpness)));
    if (canvas.width !== across || canvas.height !== down || !canvas.grey || canvas.photo !== this.image?.naturalWidth) {
      [canvas.width, canvas.height, canvas.photo] = [across, down, this.image?.naturalWidth];
      canvas.grey = greyOf(this.image, across, down);
    }
    const weights = weightsOnPhoto(this.weightsOf(position, head), this.caption.regions, across, down, this.smooth);
    paint(canvas, canvas.grey, weights, top);
  }
}
