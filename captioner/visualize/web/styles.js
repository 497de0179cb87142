// The styles of maps: each paints the photo's pixels (red, green, blue, opacity) under a map.
// A map: weights and multiples (width * height), NaN outside the view; top, the end of the scale of weights; numRegions; line, in pixels.

const styles = {
  reveal: { name: "reveal", meaning: "darker: less weight than in a uniform map; outlined: at least 1.5 times", paint: paintReveal },
  cells: { name: "cells", meaning: "colours from 0 to the largest weight, over the photo in grey", paint: paintCells },
  ratio: { name: "ratio", meaning: "orange: more than in a uniform map; purple: less", paint: paintRatio },
};

/** The photo's pixels at a size; mid-grey if there is no photo. */
function pixelsOf(image, width, height) {
  const canvas = make("canvas", "", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "rgb(128 128 128)";
  context.fillRect(0, 0, width, height);
  if (image?.naturalWidth) {
    context.imageSmoothingEnabled = image.naturalWidth > width || !image.classList.contains("crisp");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, width, height);
  }
  return context.getImageData(0, 0, width, height).data;
}

/** Paints the photo's pixels under a map in a style onto a canvas of their size. */
function paint(canvas, pixels, map, style) {
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  picture.data.set(pixels);
  styles[style].paint(picture.data, map, canvas.width, canvas.height);
  context.putImageData(picture, 0, 0);
}

function greyAt(data, at) {
  return 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
}

/** Moves a pixel by a share of the way towards a colour. */
function mix(data, at, colour, share) {
  for (let part = 0; part < 3; part++) data[at + part] += share * (colour[part] - data[at + part]);
}

function paintReveal(data, map, width, height) {
  const { shade, light, unseen } = drawing.reveal;
  let [last, share] = [NaN, 0];
  for (let pixel = 0; pixel < width * height; pixel++) {
    const multiple = map.multiples[pixel];
    if (Number.isNaN(multiple)) {
      data.fill(unseen * greyAt(data, 4 * pixel), 4 * pixel, 4 * pixel + 3);
      continue;
    }
    if (multiple !== last) [last, share] = [multiple, changeOf(multiple, map.numRegions)];
    mix(data, 4 * pixel, multiple > 1 ? light : shade, share);
  }
  if (map.line) outline(data, map, width, height);
}

/** How far a pixel goes towards the light above the uniform weight, and towards the shade below it. */
function changeOf(multiple, numRegions) {
  const { least, gamma, most } = drawing.reveal;
  if (multiple > 1) return (most * Math.log(multiple)) / Math.log(Math.max(2, numRegions));
  return 1 - least - (1 - least) * Math.max(0, multiple) ** gamma;
}

/** A light line with a dark one inside it around the regions of large weight, and a thin one around the network's view. */
function outline(data, map, width, height) {
  const { contour, edge } = drawing.reveal;
  const seen = Uint8Array.from(map.multiples, (multiple) => !Number.isNaN(multiple));
  const unseen = seen.map((value) => 1 - value);
  const away = shrunk(unseen, width, height, Math.max(1, map.line >> 1), 1);
  const inside = Uint8Array.from(map.multiples, (multiple) => multiple >= contour);
  const core = shrunk(inside, width, height, map.line, 0);
  const centre = shrunk(inside, width, height, map.line + Math.max(1, map.line >> 1), 0);
  for (let pixel = 0; pixel < width * height; pixel++) {
    if (unseen[pixel] && !away[pixel]) edge.forEach((value, part) => (data[4 * pixel + part] = value));
    if (inside[pixel] && !centre[pixel]) data.fill(core[pixel] ? 0 : 255, 4 * pixel, 4 * pixel + 3);
  }
}

/** A mask less the pixels within `by` pixels of what is not in it; `beyond` is its value outside the picture. */
function shrunk(mask, width, height, by, beyond) {
  const across = shrunkAlong(mask, height, width, width, 1, by, beyond);
  return shrunkAlong(across, width, height, 1, width, by, beyond);
}

function shrunkAlong(mask, lines, length, lineStep, step, by, beyond) {
  const kept = new Uint8Array(mask.length);
  for (let line = 0; line < lines; line++) {
    let run = beyond ? by : 0; // pixels of the mask in a row, up to this one
    for (let index = 0; index < length + by; index++) {
      const inside = index < length ? mask[line * lineStep + index * step] : beyond;
      run = inside ? run + 1 : 0;
      if (index >= by && run > 2 * by) kept[line * lineStep + (index - by) * step] = 1;
    }
  }
  return kept;
}

function paintCells(data, map, width, height) {
  const [low, high] = drawing.cover;
  overGrey(data, map.weights, width, height, (weight) => {
    const share = Math.min(1, Math.max(0, weight / map.top));
    const step = 3 * Math.round(share * 255);
    return [colours.subarray(step, step + 3), low + (high - low) * Math.sqrt(share)];
  });
}

function paintRatio(data, map, width, height) {
  const { above, below, ends } = drawing.ratio;
  overGrey(data, map.multiples, width, height, (multiple) => {
    const step = Math.min(1, Math.max(-1, Math.log2(multiple) / ends));
    const points = step > 0 ? above : below;
    const position = Math.abs(step) * (points.length - 1);
    const index = Math.min(Math.floor(position), points.length - 2);
    const colour = points[index].map((value, part) => value + (position - index) * (points[index + 1][part] - value));
    return [colour, drawing.cover[1] * Math.sqrt(Math.abs(step))];
  });
}

/** Covers the photo in light grey by the colour and opacity of each value, and hatches what has no value. */
function overGrey(data, values, width, height, coverOf) {
  const slant = Math.round(8 * Math.max(1, window.devicePixelRatio));
  let [last, cover] = [NaN, null];
  for (let pixel = 0; pixel < width * height; pixel++) {
    const [value, grey] = [values[pixel], greyAt(data, 4 * pixel)];
    if (Number.isNaN(value)) {
      const onLine = ((pixel % width) + Math.floor(pixel / width)) % slant < slant / 8;
      data.fill(hatch(grey, onLine), 4 * pixel, 4 * pixel + 3);
      continue;
    }
    if (value !== last) [last, cover] = [value, coverOf(value)];
    data.fill(drawing.ground[0] + drawing.ground[1] * grey, 4 * pixel, 4 * pixel + 3);
    mix(data, 4 * pixel, ...cover);
  }
}

/** The grey of a pixel that the network did not see: faded towards the page, with slanted lines. */
function hatch(grey, onLine) {
  if (isDark()) return 24 + 0.3 * grey + (onLine ? 50 : 0);
  return 255 - 0.3 * (255 - grey) - (onLine ? 60 : 0);
}
