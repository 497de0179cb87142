// A page in a frame of about its content's height; the word that is pointed at becomes the widget's `item` and `word`.

function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.title = "captions with their maps";
  frame.style.cssText = "width: 100%; height: 560px; border: 0";
  let undress = () => {};
  frame.addEventListener("load", () => {
    follow(frame, model);
    undress();
    undress = dress(frame);
  });
  frame.srcdoc = model.get("page");
  el.append(frame);
  return () => undress(); // anywidget calls it when the output is removed
}

function follow(frame, model) {
  const page = frame.contentDocument;
  const needed = page.querySelector("main").getBoundingClientRect().bottom;
  frame.style.height = `${Math.min(800, Math.ceil(needed))}px`; // only once: the photos' height depends on the frame's
  page.querySelectorAll(".view").forEach((view, item) => {
    new frame.contentWindow.MutationObserver(() => {
      if ("follows" in view.dataset) return; // this view only follows the one that the user points at
      model.set("item", item);
      model.set("word", view.dataset.word ? Number(view.dataset.word) : -1);
      model.save_changes();
    }).observe(view, { attributes: true, attributeFilter: ["data-word"] });
  });
}

/**
 * Dark or light as JupyterLab's theme, whatever the system is; as the system in notebooks that do not say.
 * Returns a function that stops following the theme.
 */
function dress(frame) {
  const page = frame.contentDocument;
  const rules = [...page.styleSheets].flatMap((sheet) => [...sheet.cssRules]);
  const forDark = rules.filter((rule) => rule.media?.mediaText.includes("prefers-color-scheme"));
  const change = () => {
    const light = document.body.dataset.jpThemeLight;
    if (light === undefined) return;
    for (const rule of forDark) rule.media.mediaText = light === "true" ? "not all" : "all";
    page.documentElement.style.colorScheme = light === "true" ? "light" : "dark";
    frame.contentWindow.dispatchEvent(new Event("themed"));
  };
  change();
  const observer = new MutationObserver(change);
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  return () => observer.disconnect();
}

export default { render };
