"use strict";
// Weights over regions as pixels over the photo: the same cells, colours and hatching as in captioner/visualize/sheet.py.
// Coordinates of regions are in pixels of the original photo; width and height are a canvas's.

const drawing = JSON.parse(document.getElementById("drawing").textContent);
const colours = bytesOf(drawing.colours); // red, green, blue of each of the 256 colours
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Row number `index` of packed maps (rows x regions), as weights. */
function weightsOf(maps, index, numRegions) {
  maps.unpacked ??= bytesOf(maps.bytes);
  return Float32Array.from(maps.unpacked.subarray(index * numRegions, (index + 1) * numRegions), (step) => step * maps.unit);
}

function numRegionsOf(regions) {
  return regions.boxes ? regions.boxes.length : regions.rows * regions.columns;
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

/** The photo in grey (width * height), 0 to 255; mid-grey if there is no photo. */
function greyOf(image, width, height) {
  const grey = new Float32Array(width * height).fill(128);
  if (!image?.naturalWidth) return grey;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = image.naturalWidth > width || !image.classList.contains("crisp");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  return grey.map((_, pixel) => 0.299 * data[4 * pixel] + 0.587 * data[4 * pixel + 1] + 0.114 * data[4 * pixel + 2]);
}

/** Paints the grey photo under a map whose colours end at the weight `top`; a larger weight is also more opaque. */
function paint(canvas, grey, weights, top) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  const [low, high] = drawing.cover;
  const slant = Math.round(8 * Math.max(1, window.devicePixelRatio));
  for (let pixel = 0; pixel < width * height; pixel++) {
    const share = Math.min(1, Math.max(0, weights[pixel] / top));
    const step = 3 * Math.round(share * 255);
    const cover = low + (high - low) * Math.sqrt(share);
    const base = drawing.ground[0] + drawing.ground[1] * grey[pixel];
    const hatched = Number.isNaN(share) ? hatch(grey[pixel], ((pixel % width) + Math.floor(pixel / width)) % slant < slant / 8) : 0;
    for (let part = 0; part < 3; part++)
      picture.data[4 * pixel + part] = Number.isNaN(share) ? hatched : base + cover * (colours[step + part] - base);
    picture.data[4 * pixel + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

/** The grey of a pixel that the network did not see: faded towards the page, with slanted lines. */
function hatch(grey, onLine) {
  if (dark.matches) return 24 + 0.3 * grey + (onLine ? 50 : 0);
  return 255 - 0.3 * (255 - grey) - (onLine ? 60 : 0);
}
