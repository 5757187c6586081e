// The part of the page that needs no server: generators, warp and encoder, in the browser.
// MODEL.networks and MODEL.encoder describe the layers; MODEL.weights has their float16 numbers,
// as base64.
"use strict";

// Pixels of the image with the grid for a pixel of the model, cells of the grid, and how it looks.
const GRID_SIDE = 256, CELLS = 8, COLOUR = [255, 225, 60], OPACITY = 0.85, HALF_WIDTH = 0.75;
const LEAST_SLOPE = 0.25;

function decodeWeights(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => {
    const bits = view.getUint16(2 * i, true);
    const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
  });
}

const numbers = decodeWeights(MODEL.weights);

// A dense layer is a transposed convolution of a 1x1 map with a 4x4 kernel: one loop does both.
function transposedConvolution(map, size, layer) {
  const { kernel, stride, inputs, outputs, start, biases, relu } = layer;
  const side = size * stride, before = Math.max(0, (kernel - stride) >> 1);
  const made = new Float32Array(side * side * outputs);
  const first = start + kernel * kernel * inputs * outputs;
  for (let i = 0; i < made.length; i++) made[i] = numbers[first + (i % biases)];
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
    for (let c = 0; c < inputs; c++) {
      const value = map[(y * size + x) * inputs + c];
      if (!value) continue;
      for (let ky = 0; ky < kernel; ky++) {
        const row = y * stride + ky - before;
        if (row < 0 || row >= side) continue;
        for (let kx = 0; kx < kernel; kx++) {
          const column = x * stride + kx - before;
          if (column < 0 || column >= side) continue;
          const to = (row * side + column) * outputs;
          const from = start + ((ky * kernel + kx) * inputs + c) * outputs;
          for (let o = 0; o < outputs; o++) made[to + o] += value * numbers[from + o];
        }
      }
    }
  }
  if (relu) for (let i = 0; i < made.length; i++) made[i] = Math.max(0, made[i]);
  return made;
}

// Keras' padding "same"; a stride as wide as the kernel has none.
function convolution(map, size, layer) {
  const { kernel, stride, inputs, outputs, start, relu } = layer;
  const side = size / stride, before = (kernel - stride) >> 1;
  const made = new Float32Array(side * side * outputs);
  const first = start + kernel * kernel * inputs * outputs;
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
    const to = (y * side + x) * outputs;
    for (let o = 0; o < outputs; o++) made[to + o] = numbers[first + o];
    for (let ky = 0; ky < kernel; ky++) for (let kx = 0; kx < kernel; kx++) {
      const row = y * stride + ky - before, column = x * stride + kx - before;
      if (row < 0 || row >= size || column < 0 || column >= size) continue;
      for (let c = 0; c < inputs; c++) {
        const value = map[(row * size + column) * inputs + c];
        const from = start + ((ky * kernel + kx) * inputs + c) * outputs;
        if (value) for (let o = 0; o < outputs; o++) made[to + o] += value * numbers[from + o];
      }
    }
    if (relu) for (let o = 0; o < outputs; o++) made[to + o] = Math.max(0, made[to + o]);
  }
  return made;
}

// The latents that the encoder guesses of an image in [-1, 1].
function guess(picture) {
  let map = picture, size = MODEL.side;
  for (const layer of MODEL.encoder.layers) {
    map = convolution(map, size, layer);
    size /= layer.stride;
  }
  const latents = {};
  let from = 0;
  for (const [group, dim] of Object.entries(MODEL.encoder.dims)) {
    latents[group] = Array.from(map.slice(from, from + dim));
    from += dim;
  }
  return latents;
}

function decode(network, z) {
  let map = Float32Array.from(z), size = 1;
  for (const layer of network.layers) {
    map = transposedConvolution(map, size, layer);
    size *= layer.stride;
  }
  return map.map(Math.tanh);
}

// A Gaussian filter along both axes, cut and weighted up at the border.
function smooth(field, side, std) {
  const weights = Array.from({ length: side }, (_, i) => {
    const row = Float64Array.from({ length: side }, (_, j) => Math.exp(-0.5 * ((i - j) / std) ** 2));
    const total = row.reduce((a, b) => a + b);
    return row.map((value) => value / total);
  });
  // `step` from a value to the next along the axis, `other` along the other axis.
  const along = (values, step, other) => {
    const made = new Float32Array(values.length);
    for (let i = 0; i < side; i++) for (let j = 0; j < side; j++) for (let c = 0; c < 2; c++) {
      let sum = 0;
      for (let k = 0; k < side; k++) sum += weights[i][k] * values[k * step + j * other + c];
      made[i * step + j * other + c] = sum;
    }
    return made;
  };
  return along(along(field, 2 * side, 2), 2, 2 * side);
}

// The displacement (dx, dy) in pixels.
function displacement(z) {
  const network = MODEL.networks.geometry;
  const field = decode(network, z).map((value) => network.maxPixels * value);
  return network.smoothing ? smooth(field, MODEL.side, network.smoothing) : field;
}

// The value of a map [side, side, channels] between its pixels; what lies outside is its border,
// or with zeros 0.
function sample(map, side, channels, x, y, channel, zeros = false) {
  if (!zeros) {
    x = Math.min(Math.max(x, 0), side - 1);
    y = Math.min(Math.max(y, 0), side - 1);
  }
  const left = Math.floor(x), top = Math.floor(y), a = x - left, b = y - top;
  const at = (column, row) => (column < 0 || row < 0 || column >= side || row >= side
    ? 0 : map[(row * side + column) * channels + channel]);
  const upper = (1 - a) * at(left, top) + a * at(left + 1, top);
  return (1 - b) * upper + b * ((1 - a) * at(left, top + 1) + a * at(left + 1, top + 1));
}

// output(x, y) = image(x + dx, y + dy)
function warp(picture, field) {
  const { side, channels } = MODEL, zeros = MODEL.border === "zeros";
  return Float32Array.from(picture, (_, i) => {
    const pixel = Math.floor(i / channels), x = pixel % side, y = Math.floor(pixel / side);
    const from = [x + field[2 * pixel], y + field[2 * pixel + 1]];
    return sample(picture, side, channels, ...from, i % channels, zeros);
  });
}

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
  const { picture, canonical, field } = compute(latents);
  // Lets the browser paint before the next drawing.
  await new Promise((resolve) => requestAnimationFrame(resolve));
  const shown = { picture: asCanvas(picture, MODEL.side) };
  return field ? { ...shown, grid: withGrid(picture, field),
    canonical: asCanvas(canonical, MODEL.side) } : shown;
}

// The center square of a photograph, as a canvas and as values in [-1, 1].
function centerSquare(image) {
  const { side, channels } = MODEL, edge = Math.min(image.width, image.height);
  const canvas = make("canvas", { width: side, height: side });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  // What is transparent stands on white, as in the program.
  context.fillStyle = "white";
  context.fillRect(0, 0, side, side);
  context.drawImage(image, (image.width - edge) / 2, (image.height - edge) / 2, edge, edge,
    0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  const values = Float32Array.from({ length: side * side * channels }, (_, i) => {
    const from = 4 * Math.floor(i / channels);
    const [red, green, blue] = data.slice(from, from + 3);
    // Gray as Pillow has it.
    const level = channels === 1 ? 0.299 * red + 0.587 * green + 0.114 * blue : data[from + i % 3];
    return level / 127.5 - 1;
  });
  return { canvas, values };
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

// Takes a photograph apart here: it leaves the page for nowhere.
async function takePhotograph(file) {
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is no image that this browser can read.`);
  }
  const { canvas, values } = centerSquare(image);
  const latents = guess(values), { picture } = compute(latents);
  const error = values.reduce((sum, value, i) => sum + (value - picture[i]) ** 2 / 4, 0);
  const item = { name: file.name, latents, photograph: canvas };
  await addItem(item);
  await choose(item);
  say(`${file.name}: squared error ${error.toFixed(1)}. The sliders now move it.`);
}

if (MODEL.encoder) {
  byId("drop").querySelector("span").append(" They stay on this device.");
  offerPhotographs((files) => readFiles(files, takePhotograph));
}
startPage();
