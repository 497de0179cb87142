// One cursor for the views of one photo with the captions of several models.

function asPeers(views) {
  for (const view of views) view.peers = views.filter((other) => other !== view);
}

/** Lets a view show what another one shows: the same word, if its caption has it, and the same place. */
function follow(view, other) {
  const shown = other.shownWord;
  [view.word, view.hovered] = [positionOf(view, other, other.word), positionOf(view, other, other.hovered)];
  view.missing = shown >= 0 && positionOf(view, other, shown) < 0 ? other.caption.words[shown] : "";
  [view.region, view.pointed] = [placeOf(view, other), 0];
  view.tell?.stop();
  view.root.dataset.follows = "";
  view.update();
}

/** Where this caption has the same word as the other one; -1 if it has not. A repeated word is matched by its count: second with second. */
function positionOf(view, other, position) {
  const { words } = other.caption;
  const same = view.caption.words.flatMap((word, index) => (word === words[position] ? [index] : []));
  const before = words.slice(0, Math.max(0, position)).filter((word) => word === words[position]).length;
  return same[Math.min(before, same.length - 1)] ?? -1;
}

/** The region at the middle of the one that is pointed at in another view. */
function placeOf(view, other) {
  if (other.region < 0 || !view.caption.maps) return -1;
  const [left, top, right, bottom] = edgesOf(other.caption.regions, other.region);
  return regionAt(view.caption.regions, (left + right) / 2, (top + bottom) / 2);
}
