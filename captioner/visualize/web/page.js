// The page of captions: every photo becomes a view.

const sections = [...document.querySelectorAll(".item")];
Object.assign(look, JSON.parse(document.getElementById("look").textContent));
document.querySelector(".look").append(...lookOf());
for (const section of sections) {
  const image = section.querySelector(".stage img"); // stored once for all models
  const views = [...section.querySelectorAll(".view")].map((root) => {
    const stage = root.querySelector(".stage");
    if (!stage.contains(image)) stage.append(image.cloneNode());
    return new View(root, JSON.parse(root.querySelector("script[type='application/json']").textContent));
  });
  asPeers(views);
  for (const frame of section.querySelectorAll(".frame")) frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2; // a panorama starts in the middle
}
