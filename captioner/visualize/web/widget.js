// A page in a frame of its own, as high as what it holds; the word that is pointed at becomes the widget's `item` and `word`.

function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.title = "captions with their maps";
  frame.style.cssText = "width: 100%; height: 480px; border: 0";
  frame.addEventListener("load", () => follow(frame, model));
  frame.srcdoc = model.get("page");
  el.append(frame);
}

function follow(frame, model) {
  const page = frame.contentDocument;
  const main = page.querySelector("main");
  const fit = () => (frame.style.height = `${Math.ceil(main.getBoundingClientRect().bottom) + 16}px`);
  new frame.contentWindow.ResizeObserver(fit).observe(main);
  page.querySelectorAll(".stage").forEach((stage, item) => {
    new frame.contentWindow.MutationObserver(() => {
      model.set("item", item);
      model.set("word", stage.dataset.word ? Number(stage.dataset.word) : -1);
      model.save_changes();
    }).observe(stage, { attributes: true, attributeFilter: ["data-word"] });
  });
}

export default { render };
