// Generators, warp and encoder, in the browser.
// MODEL.networks and MODEL.encoder describe the layers; MODEL.weights has their float16 numbers,
// as base64.
"use strict";

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

// The Gaussian filter along one axis as a matrix, cut and weighted up at the border.
function gaussianMatrix(side, std) {
  const matrix = new Float32Array(side * side);
  for (let i = 0; i < side; i++) {
    const row = matrix.subarray(i * side, (i + 1) * side);
    let total = 0;
    for (let j = 0; j < side; j++) total += row[j] = Math.exp(-0.5 * ((i - j) / std) ** 2);
    for (let j = 0; j < side; j++) row[j] /= total;
  }
  return matrix;
}

let filter = null;

// A field [side, side, 2] filtered along both axes.
function smooth(field, side, std) {
  filter = filter || gaussianMatrix(side, std);
  const width = 2 * side, rows = new Float32Array(field.length);
  const made = new Float32Array(field.length);
  for (let i = 0; i < side; i++) for (let k = 0; k < side; k++) {
    const weight = filter[i * side + k], to = i * width, from = k * width;
    for (let c = 0; c < width; c++) rows[to + c] += weight * field[from + c];
  }
  for (let y = 0; y < field.length; y += width) for (let k = 0; k < side; k++) {
    const dx = rows[y + 2 * k], dy = rows[y + 2 * k + 1];
    // The matrix of a column is that of a row, whose weights stand below each other.
    for (let i = 0, to = y, at = k; i < side; i++, to += 2, at += side) {
      made[to] += filter[at] * dx;
      made[to + 1] += filter[at] * dy;
    }
  }
  return made;
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
