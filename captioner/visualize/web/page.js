// The page of captions: every photo becomes a view.

for (const section of document.querySelectorAll(".item"))
  new View(section.querySelector(".view"), JSON.parse(section.querySelector("script[type='application/json']").textContent));
