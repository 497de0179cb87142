// The page of captions: every photo becomes a view.

const items = [...document.querySelectorAll(".item")].map((section) => [section, JSON.parse(section.querySelector("script[type='application/json']").textContent)]);
Object.assign(look, JSON.parse(document.getElementById("look").textContent));
document.querySelector(".look").append(...lookOf());
for (const [section, data] of items) {
  new View(section.querySelector(".view"), data);
  const frame = section.querySelector(".frame"); // a panorama starts in the middle
  frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2;
}
