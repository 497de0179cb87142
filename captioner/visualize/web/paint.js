"use strict";
// Weights over regions as pixels over the photo, in the styles of captioner/visualize/painters.py: reveal, cells and ratio.
// Coordinates of regions are in pixels of the original photo; width and height are a canvas's.

const drawing = JSON.parse(document.getElementById("drawing").textContent);
const colours = bytesOf(drawing.colours); // red, green, blue of each of the 256 colours
const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** Whether the page is dark: as the notebook around it, which sets the colour scheme, or else as the system. */
function isDark() {
  const scheme = document.documentElement.style.colorScheme;
  return scheme ? scheme === "dark" : dark.matches;
}

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Row number `index` of packed maps (rows x regions), as weights. Steps are shares of the square root of the largest weight. */
function weightsOf(maps, index, numRegions) {
  if (!maps.unpacked) {
    const bytes = bytesOf(maps.bytes);
    maps.unpacked = maps.levels > 255 ? new Uint16Array(bytes.buffer) : bytes;
  }
  const row = maps.unpacked.subarray(index * numRegions, (index + 1) * numRegions);
  return Float32Array.from(row, (step) => maps.top * (step / maps.levels) ** 2);
}

function numRegionsOf(regions) {
  return regions.boxes ? regions.boxes.length : regions.rows * regions.columns;
}

/** The edges of a region on the photo: left, top, right, bottom. */
function edgesOf({ view, boxes, rows, columns }, region) {
  if (boxes) return boxes[region];
  const [width, height] = [(view[2] - view[0]) / columns, (view[3] - view[1]) / rows];
  const [left, top] = [view[0] + (region % columns) * width, view[1] + Math.floor(region / columns) * height];
  return [left, top, left + width, top + height];
}

/** Whether a part of the photo lies in a region: not on the bars of a letterbox. */
function isOnPhoto(regions, region) {
  const [left, top, right, bottom] = edgesOf(regions, region);
  const overlaps = (first, last, size) => Math.min(last, size) - Math.max(first, 0) > 1e-6 * (last - first); // more than rounding
  return overlaps(left, right, regions.photoSize[0]) && overlaps(top, bottom, regions.photoSize[1]);
}

/** The region at a point of the photo; the smallest of several boxes; -1 for none. */
function regionAt(regions, x, y) {
  if (!regions.boxes) {
    const [column] = inCells([x], regions.view[0], regions.view[2], regions.columns).map(Math.floor);
    const [row] = inCells([y], regions.view[1], regions.view[3], regions.rows).map(Math.floor);
    const inside = column >= 0 && column < regions.columns && row >= 0 && row < regions.rows;
    return inside ? row * regions.columns + column : -1;
  }
  const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);
  const around = regions.boxes.filter(([left, top, right, bottom]) => left <= x && x < right && top <= y && y < bottom);
  return regions.boxes.indexOf(around.sort((a, b) => area(a) - area(b))[0]);
}

/** Positions of the centres of pixels on the photo, along one axis. */
function centres(photoLength, length) {
  return Float64Array.from({ length }, (_, index) => ((index + 0.5) * photoLength) / length);
}

/** The weight at each pixel's centre (width * height); NaN outside the network's view. */
function weightsOnPhoto(weights, regions, width, height, smooth) {
  const [x, y] = [centres(regions.photoSize[0], width), centres(regions.photoSize[1], height)];
  if (regions.boxes) return drawBoxes(weights, regions, x, y);
  return smooth ? drawSmooth(weights, regions, x, y) : drawCells(weights, regions, x, y);
}

/** Weights (width * height) as multiples of a uniform map's; NaN also where no box lies. */
function multiplesOf(drawn, regions, width, height, smooth) {
  const numRegions = numRegionsOf(regions);
  if (!regions.boxes) return drawn.map((weight) => weight * numRegions);
  const uniform = weightsOnPhoto(new Float32Array(numRegions).fill(1 / numRegions), regions, width, height, smooth);
  return drawn.map((weight, pixel) => (uniform[pixel] > 0 ? weight / uniform[pixel] : NaN));
}

/** Positions in cells along one axis, from 0 to the number of cells inside the view. */
function inCells(points, low, high, cells) {
  return points.map((point) => ((point - low) / (high - low)) * cells);
}

function drawCells(weights, { view, rows, columns }, x, y) {
  const column = inCells(x, view[0], view[2], columns).map(Math.floor);
  const row = inCells(y, view[1], view[3], rows).map(Math.floor);
  return eachPixel(x, y, (i, j) =>
    column[i] < 0 || column[i] >= columns || row[j] < 0 || row[j] >= rows ? NaN : weights[row[j] * columns + column[i]],
  );
}

/** Linear interpolation between the centres of neighbouring cells, constant beyond the outermost centres. */
function drawSmooth(weights, { view, rows, columns }, x, y) {
  const across = neighbours(inCells(x, view[0], view[2], columns), columns);
  const down = neighbours(inCells(y, view[1], view[3], rows), rows);
  return eachPixel(x, y, (i, j) => {
    if (!across.inView[i] || !down.inView[j]) return NaN;
    const [left, right, share] = [across.below[i], across.above[i], across.share[i]];
    const [top, bottom] = [down.below[j] * columns, down.above[j] * columns];
    const upper = weights[top + left] + share * (weights[top + right] - weights[top + left]);
    const lower = weights[bottom + left] + share * (weights[bottom + right] - weights[bottom + left]);
    return upper + down.share[j] * (lower - upper);
  });
}

function neighbours(positions, cells) {
  const clamped = positions.map((position) => Math.min(Math.max(position - 0.5, 0), cells - 1));
  const below = clamped.map(Math.floor);
  return {
    below,
    above: below.map((cell) => Math.min(cell + 1, cells - 1)),
    share: clamped.map((position, index) => position - below[index]),
    inView: Array.from(positions, (position) => position >= 0 && position < cells),
  };
}

function drawBoxes(weights, { view, boxes }, x, y) {
  const drawn = new Float32Array(x.length * y.length);
  boxes.forEach(([left, top, right, bottom], box) => {
    const [columns, rows] = [covered(x, left, right), covered(y, top, bottom)];
    for (let j = rows[0]; j < rows[1]; j++)
      for (let i = columns[0]; i < columns[1]; i++) drawn[j * x.length + i] += weights[box];
  });
  const [columns, rows] = [covered(x, view[0], view[2]), covered(y, view[1], view[3])];
  return eachPixel(x, y, (i, j) =>
    i < columns[0] || i >= columns[1] || j < rows[0] || j >= rows[1] ? NaN : drawn[j * x.length + i],
  );
}

/** Indices of the first point in [low, high) and of the first one after it; points are ascending. */
function covered(points, low, high) {
  let first = 0;
  while (first < points.length && points[first] < low) first++;
  let last = first;
  while (last < points.length && points[last] < high) last++;
  return [first, last];
}

function eachPixel(x, y, weightAt) {
  const drawn = new Float32Array(x.length * y.length);
  for (let j = 0; j < y.length; j++) for (let i = 0; i < x.length; i++) drawn[j * x.length + i] = weightAt(i, j);
  return drawn;
}
