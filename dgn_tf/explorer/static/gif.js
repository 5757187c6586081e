// Animated GIFs (GIF89a): one palette of 255 colors for all frames by median cut, LZW.
"use strict";

// Colors are told apart by 5 bits of each channel.
const BITS = 5, LEVELS = 1 << (3 * BITS), PALETTE = 255;

const binOf = (red, green, blue) => (red >> 3) << 10 | (green >> 3) << 5 | blue >> 3;
const channelOf = (bin, channel) => (bin >> (10 - 5 * channel)) & 31;

// Which of the palette's colors each bin is, and the palette's bytes.
function medianCut(frames) {
  const counts = new Uint32Array(LEVELS);
  for (const data of frames) {
    for (let i = 0; i < data.length; i += 4) counts[binOf(data[i], data[i + 1], data[i + 2])]++;
  }
  const used = [];
  for (let bin = 0; bin < LEVELS; bin++) if (counts[bin]) used.push(bin);
  const described = (bins) => {
    let total = 0, widest = 0, spread = -1;
    for (const bin of bins) total += counts[bin];
    for (let channel = 0; channel < 3; channel++) {
      let low = 31, high = 0;
      for (const bin of bins) {
        low = Math.min(low, channelOf(bin, channel));
        high = Math.max(high, channelOf(bin, channel));
      }
      if (high - low > spread) [spread, widest] = [high - low, channel];
    }
    return { bins, widest, weight: spread * Math.sqrt(total), total };
  };
  const boxes = [described(used)];
  while (boxes.length < PALETTE) {
    const next = boxes.reduce((best, box, k) => (box.weight > boxes[best].weight ? k : best), 0);
    const { bins, widest, weight, total } = boxes[next];
    if (!weight) break;
    bins.sort((a, b) => channelOf(a, widest) - channelOf(b, widest));
    let cut = 0, passed = 0;
    while (cut < bins.length - 1 && (cut === 0 || passed < total / 2)) passed += counts[bins[cut++]];
    boxes.splice(next, 1, described(bins.slice(0, cut)), described(bins.slice(cut)));
  }
  const palette = new Uint8Array(3 * 256), index = new Uint8Array(LEVELS);
  boxes.forEach(({ bins, total }, k) => {
    for (let channel = 0; channel < 3; channel++) {
      let sum = 0;
      for (const bin of bins) sum += counts[bin] * (8 * channelOf(bin, channel) + 4);
      palette[3 * k + channel] = sum / total;
    }
    for (const bin of bins) index[bin] = k;
  });
  return { palette, index };
}

// Codes of growing length, least bit first, in blocks of at most 255 bytes.
function compress(pixels) {
  const CLEAR = 256, END = 257, known = new Int16Array(4096 * 256);
  const bytes = [];
  let held = 0, bits = 0, length = 9, next = END + 1;
  const put = (code) => {
    held |= code << bits;
    bits += length;
    for (; bits >= 8; bits -= 8, held >>>= 8) bytes.push(held & 255);
  };
  put(CLEAR);
  let before = pixels[0];
  for (let i = 1; i < pixels.length; i++) {
    const key = before * 256 + pixels[i];
    if (known[key]) {
      before = known[key];
      continue;
    }
    put(before);
    if (next < 4096) {
      if (next === 1 << length) length++;
      known[key] = next++;
    } else {
      put(CLEAR);
      known.fill(0);
      [length, next] = [9, END + 1];
    }
    before = pixels[i];
  }
  put(before);
  if (next === 1 << length && length < 12) length++;
  put(END);
  if (bits) bytes.push(held & 255);
  const blocks = [];
  for (let from = 0; from < bytes.length; from += 255) {
    const block = bytes.slice(from, from + 255);
    blocks.push(block.length, ...block);
  }
  return Uint8Array.from([8, ...blocks, 0]);
}

// Frames are RGBA bytes of canvases, width x height; each stays for `delay` hundredths of a
// second, and the last is followed by the first.
function encodeGif(frames, width, height, delay) {
  const { palette, index } = medianCut(frames);
  const two = (value) => [value & 255, value >> 8];
  const text = (letters) => [...letters].map((letter) => letter.charCodeAt(0));
  const parts = [
    [...text("GIF89a"), ...two(width), ...two(height), 0xf7, 0, 0], palette,
    [0x21, 0xff, 11, ...text("NETSCAPE2.0"), 3, 1, 0, 0, 0],
  ];
  for (const data of frames) {
    const pixels = new Uint8Array(width * height);
    for (let i = 0; i < pixels.length; i++) {
      pixels[i] = index[binOf(data[4 * i], data[4 * i + 1], data[4 * i + 2])];
    }
    parts.push([0x21, 0xf9, 4, 0, ...two(delay), 0, 0],
      [0x2c, 0, 0, 0, 0, ...two(width), ...two(height), 0], compress(pixels));
  }
  parts.push([0x3b]);
  return new Blob(parts.map((part) => Uint8Array.from(part)), { type: "image/gif" });
}
