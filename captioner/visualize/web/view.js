// A photo, its caption as words to point at, and the map of the word that is shown.

/** Formats a share: two decimals, as in 0.93, and two significant digits for small ones. */
function number(value) {
  if (value >= 0.0995) return value.toFixed(2);
  return value >= 0.001 ? value.toPrecision(2) : value > 0 ? value.toExponential(1) : "0";
}

/** Formats a multiple of the uniform weight. */
function times(multiple) {
  return `${multiple >= 9.95 ? multiple.toFixed(0) : multiple.toFixed(1)} x uniform`;
}

const EVERYWHERE = 0.9; // of all regions, effectively; as in captioner/visualize/legend.py

class View {
  /** root contains .stage with its image, and .sentence; the view takes both over. */
  constructor(root, data, { compact = false } = {}) {
    Object.assign(this, { root, data, compact, word: -1, hovered: -1, region: -1, head: -1, pointed: 0, together: false });
    Object.assign(this, { missing: "", peers: [] }); // peers: views of the same photo with the captions of other models
    this.stages = [new Stage(root.querySelector(".stage"), (region) => this.probe(region, 0))];
    this.sentence = make("div");
    this.readout = make("div", "readout");
    this.live = make("p", "unseen", { "aria-live": "polite" });
    [this.accounts, this.notes, this.heads] = [make("div"), make("div", "notes"), make("div")];
    const candidates = make("div", "", {}, ...(compact ? [] : candidatesOf(this)));
    const details = make("div", "details", {}, this.sentence, this.readout, this.live, this.accounts, this.notes, this.heads, candidates);
    root.querySelector("p.sentence").replaceWith(details);
    this.show(data.shown ?? 0);
    new ResizeObserver(() => this.draw()).observe(this.stages[0].element);
    this.image?.addEventListener("load", () => this.shown());
    repaints.add(() => this.draw());
  }

  get image() {
    return this.stages[0].image;
  }

  /** Shows another of the captions. */
  show(index) {
    this.index = index;
    this.caption = this.data.captions[index];
    Object.assign(this, { word: -1, hovered: -1, region: -1, head: -1, pointed: 0, together: false, missing: "" });
    this.account = this.caption.own ?? 0;
    this.tell?.stop();
    this.words = this.caption.words.map((word, position) => this.chip(word, position));
    const sentence = make("div", "sentence", { "aria-label": "words of the caption", lang: "", dir: "auto" });
    sentence.append(...(this.words.length ? this.words : [make("span", "faint", { lang: "en" }, "(a caption without words)")]));
    this.sentence.replaceWith(sentence);
    this.sentence = sentence;
    if (this.words.length) asChoice(sentence, this.words, (position) => this.choose(position), (position) => this.preview(position));
    this.accounts.replaceChildren(...accountsOf(this));
    this.notes.replaceChildren(...notesOn(this));
    this.showHeads();
    this.showCandidate?.();
    this.spread();
    this.shown();
    this.lead();
  }

  showHeads() {
    this.heads.replaceChildren(...(this.compact ? [] : headsOf(this)));
  }

  /** The views of other models follow this one. */
  lead() {
    this.missing = "";
    delete this.root.dataset.follows;
    for (const peer of this.peers) follow(peer, this);
  }

  /** A word with its probability, and the part of the photo where its map is largest. */
  chip(word, position) {
    const { caption, compact } = this;
    const probability = caption.probabilities[position];
    const content = !caption.content || caption.content.includes(position);
    const button = make("button", content ? "word" : "word quiet", { "aria-label": `${word}, probability ${number(probability)}` });
    if (!compact && caption.maps && content) button.append(make("canvas", "piece", { "aria-hidden": "true" }));
    button.append(make("span", "", {}, word));
    if (!compact) button.append(make("small", "", { "aria-hidden": "true", dir: "ltr" }));
    return button;
  }

  choose(position) {
    this.word = position;
    this.hovered = -1;
    this.lead();
    this.update();
    this.live.textContent = position < 0 ? "the photo alone" : this.factsOf(position).map((fact) => fact.slice(0, 2).join(" ")).join("; ");
  }

  preview(position) {
    if (position === this.hovered) return;
    this.hovered = position;
    this.lead();
    this.update();
  }

  /** Which words attended to a region? stage: the one that is pointed at. */
  probe(region, stage) {
    if (region === this.region && stage === this.pointed) return;
    [this.region, this.pointed] = [region, stage];
    this.lead();
    this.update();
    if (document.activeElement === this.stages[stage].probe) this.live.textContent = region < 0 ? "" : this.factsOfRegion().map((fact) => fact.slice(0, 2).join(" ")).join("; ");
  }

  get shownWord() {
    if (this.missing) return -1;
    return this.hovered >= 0 ? this.hovered : this.word;
  }

  /** The index of the account on a stage. */
  accountOn(stage) {
    return this.together ? stage : this.account;
  }

  /** One stage for each account, or a single one. */
  spread() {
    const count = this.together ? this.caption.accounts.length : 1;
    while (this.stages.length > count) this.stages.pop().element.parentElement.remove();
    while (this.stages.length < count) {
      const index = this.stages.length;
      const element = make("div", "stage", { style: `--aspect:${this.stages[0].element.style.getPropertyValue("--aspect")}` });
      if (this.image) element.append(this.image.cloneNode());
      this.stages[0].element.closest(".stages").append(make("figure", "", {}, element));
      this.stages.push(new Stage(element, (region) => this.probe(region, index)));
      element.querySelector("img")?.addEventListener("load", () => this.draw());
    }
    this.stages.forEach((stage, index) => {
      stage.offer(this.caption.maps ? this.caption.regions : null);
      stage.element.parentElement.querySelector("figcaption")?.remove();
      if (this.together) stage.element.before(make("figcaption", "faint", {}, this.caption.accounts[index].name));
    });
    this.root.classList.toggle("together", this.together);
  }

  /** After another caption or account: thumbnails and everything else. */
  shown() {
    this.words.forEach((button, position) => {
      const piece = button.querySelector(".piece");
      if (piece) paintPiece(piece, this.image, this.weightsOf(position), this.caption.regions);
    });
    this.update();
  }

  update() {
    const { shownWord, region, caption } = this;
    showChoice(this.words, this.word);
    const inRegion = region < 0 ? null : this.words.map((_, position) => this.multipleIn(region, position));
    const largest = inRegion && Math.max(...inRegion);
    this.words.forEach((button, position) => {
      button.classList.toggle("shown", position === shownWord);
      button.style.setProperty("--share", inRegion ? inRegion[position] / (largest || 1) : caption.probabilities[position]);
      const small = button.querySelector("small");
      if (small) small.textContent = inRegion ? `${inRegion[position].toFixed(1)}x` : number(caption.probabilities[position]);
    });
    this.sentence.classList.toggle("pointing", this.hovered >= 0);
    this.sentence.classList.toggle("inverse", region >= 0);
    const facts = region >= 0 ? this.factsOfRegion() : shownWord < 0 ? this.factsOfAll() : this.factsOf(shownWord);
    this.readout.replaceChildren(
      ...facts.map(([name, value, note]) => make("span", "fact", note ? { title: note } : {}, make("bdi", "", {}, name), " ", make("b", "", {}, value))),
    );
    this.draw();
  }

  factsOfAll() {
    const { caption } = this;
    if (this.missing) return [["not in this caption:", this.missing]];
    const facts = [];
    if (this.words.length) facts.push(["confidence", number(caption.confidence), "the geometric mean of the words' probabilities"]);
    if (!this.compact) facts.unshift(["caption's probability", number(Math.exp(caption.logProb)), "the product of all words' probabilities and the end token's"]);
    if (!caption.ended) facts.push(["cut at", `${caption.words.length} words`, "the decoder did not end the caption"]);
    return facts;
  }

  factsOf(position) {
    const { caption } = this;
    const facts = [[caption.words[position], number(caption.probabilities[position]), "the word's probability"]];
    if (caption.maps) facts.push(...this.factsOfMap(position));
    if (caption.sentinel) facts.push(["sentinel", number(caption.sentinel[position]), "share given to the language model"]);
    if (caption.gate) facts.push(["gate", number(caption.gate[position]), "mean of the gate on the context"]);
    return facts;
  }

  factsOfMap(position) {
    const weights = this.weightsOf(position);
    const numRegions = weights.length;
    if (weights.every((weight) => weight === 0)) return [["no region", "raised this word", "the map is 0 everywhere"]];
    const peak = weights.indexOf(weights.reduce((largest, weight) => Math.max(largest, weight), 0));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const effective = Math.exp(weights.reduce((total, weight) => (weight > 0 ? total - (weight / sum) * Math.log(weight / sum) : total), 0));
    const spread = `${effective.toFixed(0)} of ${numRegions} regions`;
    const how = effective >= EVERYWHERE * numRegions ? ["looked everywhere:", spread] : ["spread over", spread];
    const beside = weights.reduce((total, weight, region) => total + (isOnPhoto(this.caption.regions, region) ? 0 : weight), 0) / sum;
    return [
      ...(beside >= 0.005 ? [["beside the photo", `${Math.round(100 * beside)}%`, "the share of the weight on regions in which no part of the photo lies"]] : []),
      ["largest weight", `${times(weights[peak] * numRegions)} at ${this.nameOf(peak)}`, "the region with the largest weight, and its multiple of a uniform map's"],
      [...how, "the effective number of regions, exp(entropy)"],
    ];
  }

  factsOfRegion() {
    const ranked = this.words.map((_, position) => [this.multipleIn(this.region, position), position]).sort(([a], [b]) => b - a);
    const account = this.caption.accounts[this.accountOn(this.pointed)].name;
    const most = ranked.slice(0, this.compact ? 2 : 4).map(([multiple, position]) => [this.caption.words[position], times(multiple)]);
    return [[this.caption.accounts.length > 1 ? `${account} at` : "at", this.nameOf(this.region), "the region that is pointed at"], ...most];
  }

  nameOf(region) {
    const { boxes, columns } = this.caption.regions;
    if (boxes) return `box ${region + 1} of ${boxes.length}`;
    return `row ${Math.floor(region / columns) + 1}, column ${(region % columns) + 1}`;
  }

  multipleIn(region, position) {
    const weights = this.weightsOf(position, this.accountOn(this.pointed));
    return weights[region] * weights.length;
  }

  /** One word's weights in an account, or those of the chosen head. */
  weightsOf(position, account = this.account) {
    const { maps, heads, numHeads } = this.caption.accounts[account];
    const numRegions = numRegionsOf(this.caption.regions);
    if (this.head >= 0 && account === this.account) return weightsOf(heads, position * numHeads + this.head, numRegions);
    return weightsOf(maps, position, numRegions);
  }

  get top() {
    return this.head < 0 ? this.data.top : this.data.headTop;
  }

  draw() {
    const position = this.caption.maps ? this.shownWord : -1;
    this.root.dataset.word = position < 0 ? "" : position;
    this.stages.forEach((stage, index) => {
      const weights = position < 0 ? null : this.weightsOf(position, this.accountOn(index));
      stage.draw(weights, this.top);
      stage.outline(this.region);
    });
    this.drawHeads?.();
    this.drawScale?.();
  }
}
