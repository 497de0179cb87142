// The report: photos are loaded when they come near the screen, sorted by any score, and filtered by words.

const list = document.querySelector(".entries");
const articles = [...list.children];
const dataOf = new Map(); // parsed on first use
const [sort, descending, filter, count] = ["sort", "descending", "filter", "count"].map((id) => document.getElementById(id));

function unpacked(article) {
  if (!dataOf.has(article)) {
    const stored = article.querySelector("script");
    dataOf.set(article, JSON.parse(stored.textContent));
    stored.remove();
  }
  return dataOf.get(article);
}

function bring(article) {
  const data = unpacked(article);
  const stage = article.querySelector(".stage");
  if (data.photo) {
    const image = make("img", "", { alt: `photo ${article.querySelector("h2").textContent}`, decoding: "async", src: data.photo });
    stage.style.setProperty("--aspect", data.aspect);
    stage.append(image);
  } else {
    stage.classList.add("without");
    stage.append(make("span", "faint", {}, "no photo"));
  }
  if (data.captions.length) new View(article.querySelector(".view"), data, { compact: true }); // otherwise there is only the text
}

document.querySelector(".look")?.append(...lookOf());
const near = new IntersectionObserver(
  (entries) => {
    for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
      near.unobserve(target);
      bring(target);
    }
  },
  { rootMargin: "800px 0px" },
);
articles.forEach((article) => near.observe(article));

/** The value by which an article is sorted; articles without it come last. */
function keyOf(article) {
  if (sort.value === "name") return article.querySelector("h2").textContent;
  return unpacked(article).sort[sort.selectedIndex];
}

function arrange() {
  const keys = new Map(articles.map((article) => [article, keyOf(article)]));
  const direction = descending.checked ? -1 : 1;
  articles.sort((left, right) => {
    const [a, b] = [keys.get(left), keys.get(right)];
    if (a === null || b === null) return (a === null) - (b === null);
    return direction * (typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
  });
  list.append(...articles);
}

const texts = new Map();
function textOf(article) {
  if (!texts.has(article)) {
    const [name, references] = [article.querySelector("h2"), article.querySelector(".references")];
    const parts = [name, unpackedSentence(article), ...references.children].map((part) => part.textContent ?? part);
    texts.set(article, parts.join("\n").toLowerCase());
  }
  return texts.get(article);
}

function unpackedSentence(article) {
  return article.querySelector("p.sentence") ?? { textContent: unpacked(article).captions[0].text };
}

/** Shows the photos whose name, caption or references contain every word of the filter. */
function sift() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const article of articles) {
    article.hidden = !words.every((word) => textOf(article).includes(word));
    shown += !article.hidden;
  }
  count.textContent = words.length ? `${shown.toLocaleString("en")} of ${count.dataset.among}` : count.dataset.among;
}

sort.addEventListener("change", arrange);
descending.addEventListener("change", arrange);
filter.addEventListener("input", sift);
