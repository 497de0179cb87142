// A radio group for screen readers and keyboards: arrows move and choose, Escape clears the choice.

/** Turns a group of buttons into a radio group.
 *  choose(index): called with the choice; -1 is none, which a touch of the chosen button gives too.
 *  preview(index): called with the button under the mouse; -1 when it has left. */
function asChoice(group, buttons, choose, preview = null) {
  const clearable = preview !== null; // words; of the other choices one is always made
  group.setAttribute("role", "radiogroup");
  buttons.forEach((button, index) => {
    button.type = "button";
    button.setAttribute("role", "radio");
    button.addEventListener("click", (event) => {
      const again = event.pointerType === "touch" && button.getAttribute("aria-checked") === "true" && clearable;
      choose(again ? -1 : index);
    });
    button.addEventListener("focus", () => button.matches(":focus-visible") && choose(index));
    button.addEventListener("pointerenter", (event) => event.pointerType === "touch" || preview?.(index));
  });
  group.addEventListener("pointerleave", () => preview?.(-1));
  group.addEventListener("keydown", (event) => {
    const next = afterKey(event, buttons, buttons.indexOf(document.activeElement), getComputedStyle(group).direction);
    if (next === null) return;
    event.preventDefault();
    if (next >= 0) buttons[next].focus();
    choose(next);
  });
}

/** The index of the button that a key moves to; -1: none; null: the key is not handled. */
function afterKey(event, buttons, now, direction) {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  const forward = direction === "rtl" ? -1 : 1;
  const steps = { ArrowRight: forward, ArrowLeft: -forward, ArrowDown: 1, ArrowUp: -1 };
  const last = buttons.length - 1;
  if (event.key in steps) return (now + steps[event.key] + buttons.length) % buttons.length;
  return { Home: 0, End: last, Escape: -1 }[event.key] ?? null;
}

/** Shows which button is chosen; the Tab key moves to that one, or to the first. */
function showChoice(buttons, chosen) {
  buttons.forEach((button, index) => {
    button.setAttribute("aria-checked", String(index === chosen));
    button.tabIndex = index === Math.max(0, chosen) ? 0 : -1;
  });
}
