// The page without a server: what networks.js computes, as pictures; photographs and samples.
"use strict";

// Pixels of the image with the grid for a pixel of the model, cells of the grid, and how it looks.
const GRID_SIDE = 256, CELLS = 8, COLOUR = [255, 225, 60], OPACITY = 0.85, HALF_WIDTH = 0.75;
const LEAST_SLOPE = 0.25;

// Values in [-1, 1] as a canvas.
function asCanvas(map, side) {
  const canvas = make("canvas", { width: side, height: side });
  const context = canvas.getContext("2d"), image = context.createImageData(side, side);
  const { channels } = MODEL;
  for (let pixel = 0; pixel < side * side; pixel++) {
    for (let c = 0; c < 3; c++) {
      const value = map[pixel * channels + (channels === 1 ? 0 : c)];
      image.data[4 * pixel + c] = Math.round((value + 1) * 127.5);
    }
    image.data[4 * pixel + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// The image with the level sets of the canonical coordinates, as dgn_tf/visualize/grids.py.
function withGrid(picture, field) {
  const { side } = MODEL, scale = Math.max(1, Math.round(GRID_SIDE / side)), size = scale * side;
  const canvas = make("canvas", { width: size, height: size });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(asCanvas(picture, side), 0, 0, size, size);
  const image = context.getImageData(0, 0, size, size);
  const spacing = side / CELLS, coordinates = [0, 1].map((axis) => {
    const made = new Float32Array(size * size);
    for (let i = 0; i < made.length; i++) {
      const x = (i % size + 0.5) / scale - 0.5, y = (Math.floor(i / size) + 0.5) / scale - 0.5;
      made[i] = (axis ? y : x) + sample(field, side, 2, x, y, axis);
    }
    return made;
  });
  for (let i = 0; i < size * size; i++) {
    const x = i % size, y = Math.floor(i / size);
    let covered = 0;
    for (const values of coordinates) {
      const right = Math.min(x + 1, size - 1), left = Math.max(x - 1, 0);
      const below = Math.min(y + 1, size - 1), above = Math.max(y - 1, 0);
      const slope = Math.hypot(
        (values[y * size + right] - values[y * size + left]) / (right - left),
        (values[below * size + x] - values[above * size + x]) / (below - above)) * scale;
      const line = Math.min(Math.max(Math.round((values[i] + 0.5) / spacing), 0), CELLS);
      const distance = Math.abs(values[i] + 0.5 - line * spacing) * scale;
      covered = Math.max(covered, HALF_WIDTH + 0.5 - distance / Math.max(slope, LEAST_SLOPE));
    }
    const opacity = OPACITY * Math.min(covered, 1);
    for (let c = 0; c < 3 && opacity > 0; c++) {
      image.data[4 * i + c] += opacity * (COLOUR[c] - image.data[4 * i + c]);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// What was made last of each group: a slider of the one leaves the other as it is.
const cached = {};

function once(group, z, work) {
  const key = z.join();
  if (!cached[group] || cached[group].key !== key) cached[group] = { key, made: work(z) };
  return cached[group].made;
}

// The image, canonical image and field of latents, as arrays of floats.
function compute(latents) {
  const canonical = once("appearance", latents.appearance,
    (z) => decode(MODEL.networks.appearance, z));
  if (!MODEL.deforms) return { picture: canonical };
  const field = once("geometry", latents.geometry, displacement);
  return { picture: warp(canonical, field), canonical, field };
}

async function draw(latents) {
  // What the camera sees is drawn with its next frame.
  if (live.stream) return {};
  const { picture, canonical, field } = compute(latents);
  // Lets the browser paint before the next drawing.
  await new Promise((resolve) => requestAnimationFrame(resolve));
  const shown = { picture: asCanvas(picture, MODEL.side) };
  return field ? { ...shown, grid: withGrid(picture, field),
    canonical: asCanvas(canonical, MODEL.side) } : shown;
}

// The canvases that squares are cut on, by their side: new ones for every frame would be slow.
const cutting = {};

// The center square of a photograph or a video as a canvas, its RGBA data, and values in [-1, 1];
// or a square that is `zoom` times as small.
function square(image, width, height, options = {}) {
  const { side = MODEL.side, zoom = 1, mirrored = false } = options;
  const { channels } = MODEL, edge = Math.min(width, height) / zoom;
  const canvas = cutting[side] = cutting[side] || make("canvas", { width: side, height: side });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  // What is transparent stands on white, as in the program.
  context.fillStyle = "white";
  context.fillRect(0, 0, side, side);
  if (mirrored) context.setTransform(-1, 0, 0, 1, side, 0);
  context.drawImage(image, (width - edge) / 2, (height - edge) / 2, edge, edge, 0, 0, side, side);
  context.resetTransform();
  const data = context.getImageData(0, 0, side, side), bytes = data.data;
  const values = new Float32Array(side * side * channels);
  for (let i = 0, from = 0; i < values.length; from += 4) {
    if (channels === 1) {
      // Gray as Pillow has it.
      const gray = 0.299 * bytes[from] + 0.587 * bytes[from + 1] + 0.114 * bytes[from + 2];
      values[i++] = gray / 127.5 - 1;
    } else {
      for (let c = 0; c < 3; c++) values[i++] = bytes[from + c] / 127.5 - 1;
    }
  }
  return { canvas, data, values };
}

// The images of latents; as soon as they are not `wanted` any more, no more are painted.
async function paintMany(list, wanted = () => true) {
  const painted = [];
  for (const latents of list) {
    if (!wanted()) break;
    painted.push(asCanvas(compute(latents).picture, MODEL.side));
    // Lets the page answer between two of them.
    await new Promise((resolve) => setTimeout(resolve));
  }
  return painted;
}

// Random numbers in [0, 1), the same for the same seed (mulberry32).
function randomNumbers(seed) {
  let held = seed >>> 0;
  return () => {
    held = (held + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(held ^ held >>> 15, held | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}

// Latents as those of the training images are spread: along every direction as far as it is strong.
function drawLatents(seed) {
  const random = randomNumbers(seed), latents = {};
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  for (const { name, start, directions, classes } of MODEL.groups) {
    const z = Array.from(start), chosen = Math.floor(random() * classes.length);
    for (const { scale, axis } of directions) {
      const far = scale * normal();
      axis.forEach((value, i) => { z[i] += far * value; });
    }
    latents[name] = classes.length ? z.map((_, k) => Number(k === chosen)) : z;
  }
  return latents;
}

// What the encoder guesses of a square, and the squared error of the image that it makes.
function takenApart(values) {
  const latents = guess(values), { picture } = compute(latents);
  const error = values.reduce((sum, value, i) => sum + (value - picture[i]) ** 2 / 4, 0);
  return { latents, error };
}

// The latents of a square are an item that the sliders start from.
async function takeApart(name, canvas, values) {
  const photograph = make("canvas", { width: MODEL.side, height: MODEL.side });
  photograph.getContext("2d").drawImage(canvas, 0, 0);
  const { latents, error } = takenApart(values);
  const item = { name, latents, photograph };
  await addItem(item);
  await choose(item);
  say(`${name}: squared error ${error.toFixed(1)}. The sliders now move it.`);
}

async function takePhotograph(file) {
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is no image that this browser can read.`);
  }
  const { canvas, values } = square(image, image.width, image.height);
  await takeApart(file.name, canvas, values);
}

if (MODEL.encoder) {
  byId("drop").querySelector("span").append(" They stay on this device.");
  offerPhotographs((files) => readFiles(files, takePhotograph));
}
startPage({
  gif: gifOf,
  sample: async (seed, count) => Array.from({ length: count }, (_, k) => drawLatents(seed + k)),
});
