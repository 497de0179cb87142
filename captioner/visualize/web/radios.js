// One choice of several, as screen readers and keyboards know it: arrows move and choose, Escape takes the choice back.

/** Makes a group of buttons one choice.
 *  choose(index, by): the choice; -1 is none. preview(index): what the mouse is on; -1 when it has left. */
function asChoice(group, buttons, choose, preview = () => {}) {
  group.setAttribute("role", "radiogroup");
  buttons.forEach((button, index) => {
    button.type = "button";
    button.setAttribute("role", "radio");
    button.addEventListener("click", () => choose(index));
    button.addEventListener("focus", () => button.matches(":focus-visible") && choose(index));
    button.addEventListener("pointerenter", (event) => event.pointerType === "touch" || preview(index));
  });
  group.addEventListener("pointerleave", () => preview(-1));
  group.addEventListener("keydown", (event) => {
    const next = afterKey(event, buttons, buttons.indexOf(document.activeElement), getComputedStyle(group).direction);
    if (next === null) return;
    event.preventDefault();
    if (next >= 0) buttons[next].focus();
    choose(next);
  });
}

/** The button that a key leads to; -1: none; null: the key is not for us. */
function afterKey(event, buttons, now, direction) {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  const forward = direction === "rtl" ? -1 : 1;
  const steps = { ArrowRight: forward, ArrowLeft: -forward, ArrowDown: 1, ArrowUp: -1 };
  const last = buttons.length - 1;
  if (event.key in steps) return (now + steps[event.key] + buttons.length) % buttons.length;
  return { Home: 0, End: last, Escape: -1 }[event.key] ?? null;
}

/** Shows which button is chosen; the Tab key comes to that one, or to the first. */
function showChoice(buttons, chosen) {
  buttons.forEach((button, index) => {
    button.setAttribute("aria-checked", String(index === chosen));
    button.tabIndex = index === Math.max(0, chosen) ? 0 : -1;
  });
}
