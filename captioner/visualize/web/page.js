// The page of captions: every photo becomes a view.

for (const section of document.querySelectorAll(".item")) {
  new View(section.querySelector(".view"), JSON.parse(section.querySelector("script[type='application/json']").textContent));
  const frame = section.querySelector(".frame"); // a panorama starts in the middle
  frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2;
  if (frame.scrollWidth > frame.clientWidth) frame.tabIndex = 0;
}
