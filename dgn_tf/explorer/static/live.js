// The camera: an expression on a painted face, or the camera's own picture moved by the sliders.
// And recordings of what is shown.
"use strict";

// What is new in a frame counts so much; pixels of the camera's picture that the sliders move.
const NEWEST = 0.5, CAMERA_SIDE = 256;
const EXPRESSION = "expression", WARP = "warp";
const live = {
  video: make("video", { muted: true, playsInline: true }), stream: null, frames: 0,
  geometry: null, neutral: null, mean: null,
};
const moved = make("canvas", { width: CAMERA_SIDE, height: CAMERA_SIDE });

// A square of the camera's picture, as in a mirror.
function cameraSquare(side = MODEL.side) {
  const { videoWidth, videoHeight } = live.video, zoom = Number(byId("zoom").value);
  return square(live.video, videoWidth, videoHeight, { side, zoom, mirrored: true });
}

// The camera's picture, moved as the sliders move the mean geometry.
function warpedCamera() {
  const { side } = MODEL, scale = CAMERA_SIDE / side, last = CAMERA_SIDE - 1;
  live.mean = live.mean || displacement(meanLatents().geometry);
  const field = once("geometry", latentsNow().geometry, displacement);
  const moves = field.map((value, i) => value - live.mean[i]);
  const source = cameraSquare(CAMERA_SIDE).data.data;
  const context = moved.getContext("2d", { willReadFrequently: true });
  const image = context.createImageData(CAMERA_SIDE, CAMERA_SIDE);
  const shown = image.data;
  for (let y = 0, to = 0; y < CAMERA_SIDE; y++) for (let x = 0; x < CAMERA_SIDE; x++, to += 4) {
    const u = (x + 0.5) / scale - 0.5, v = (y + 0.5) / scale - 0.5;
    const fromX = Math.min(Math.max(x + scale * sample(moves, side, 2, u, v, 0), 0), last);
    const fromY = Math.min(Math.max(y + scale * sample(moves, side, 2, u, v, 1), 0), last);
    const left = Math.floor(fromX), top = Math.floor(fromY), a = fromX - left, b = fromY - top;
    const upper = 4 * (top * CAMERA_SIDE + left), right = left < last ? 4 : 0;
    const lower = top < last ? upper + 4 * CAMERA_SIDE : upper;
    for (let c = 0; c < 3; c++) {
      shown[to + c] = (1 - b) * ((1 - a) * source[upper + c] + a * source[upper + right + c])
        + b * ((1 - a) * source[lower + c] + a * source[lower + right + c]);
    }
    shown[to + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return moved;
}

// The painted face with the geometry of a frame; once a neutral face is known, the mean geometry
// with what differs from that face.
function followExpression(values) {
  const { geometry } = guess(values);
  live.geometry = (live.geometry || geometry)
    .map((value, i) => value + NEWEST * (geometry[i] - value));
  const home = meanLatents().geometry;
  state.start.geometry = live.neutral
    ? live.geometry.map((value, i) => home[i] + value - live.neutral[i]) : live.geometry;
  const { picture, canonical } = compute(latentsNow());
  showPart("picture", asCanvas(picture, MODEL.side));
  showPart("canonical", asCanvas(canonical, MODEL.side));
}

function step() {
  if (!live.stream) return;
  // Before the first frame there is nothing to see.
  if (live.video.videoWidth) {
    const { canvas, values } = cameraSquare();
    showPart("photograph", canvas);
    if (byId("mode").value === WARP) showPart("picture", warpedCamera());
    else followExpression(values);
    live.frames++;
  }
  requestAnimationFrame(step);
}

// ---- what the buttons do

async function startCamera() {
  if (!navigator.mediaDevices) throw new Error("This browser gives the page no camera.");
  try {
    live.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
    live.video.srcObject = live.stream;
    await live.video.play();
  } catch (error) {
    await stopCamera();
    throw new Error(`The camera cannot be used: ${error.message}.`);
  }
  chooseSource(null);
  setMode();
  say("Fill the square with your face, as the training images do: the smaller the error, the better.");
  requestAnimationFrame(step);
}

function stopCamera() {
  if (live.stream) live.stream.getTracks().forEach((track) => track.stop());
  live.stream = null;
  setButtons();
  return choose(state.source);
}

// What is seen while the camera is on.
function setButtons() {
  const on = Boolean(live.stream), expression = byId("mode").value === EXPRESSION;
  byId("camera").textContent = on ? "Stop the camera" : "Use the camera";
  byId("camera").setAttribute("aria-pressed", String(on));
  byId("camera-tools").hidden = !on;
  byId("expression-tools").hidden = !expression;
  byId("neutral").setAttribute("aria-pressed", String(Boolean(live.neutral)));
  byId("rate").textContent = "";
  // The camera stands where photographs do. A grid would be too slow for every frame.
  byId("original").hidden = !(on || (state.source && state.source.photograph));
  byId("original").querySelector("span").textContent = on ? "Camera" : "Photograph";
  byId("grid").closest("button").hidden = on;
  byId("canonical").closest("button").hidden = on && !expression;
}

function setMode() {
  live.geometry = live.neutral = null;
  chooseView("picture");
  if (byId("mode").value === EXPRESSION) anotherFace();
  else begin();
  setButtons();
}

// The appearance of a sample, for the geometry of the camera.
function anotherFace() {
  const { appearance } = drawLatents(2 ** 32 * Math.random());
  begin({ appearance, geometry: live.geometry || meanLatents().geometry });
}

function setNeutral() {
  live.neutral = live.neutral ? null : live.geometry;
  setButtons();
}

async function snap() {
  const { canvas, values } = cameraSquare();
  await stopCamera();
  await takeApart(`camera ${items.length + 1}`, canvas, values);
}

// ---- recordings

// Side, frames a second and at most.
const GIF_SIDE = 192, GIF_RATE = 10, MOST_FRAMES = 100;
const scratch = make("canvas", { width: GIF_SIDE, height: GIF_SIDE });
let recording = null;

function bytesOf(canvas) {
  const context = scratch.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, 0, 0, GIF_SIDE, GIF_SIDE);
  return context.getImageData(0, 0, GIF_SIDE, GIF_SIDE).data;
}

// The GIF of a list of latents, there and back without the ends twice.
async function gifOf(list) {
  const frames = (await paintMany(list)).map(bytesOf);
  return encodeGif([...frames, ...frames.slice(1, -1).reverse()], GIF_SIDE, GIF_SIDE, 4);
}

function record() {
  if (recording) return stopRecording();
  const frames = [];
  const timer = setInterval(() => {
    frames.push(bytesOf(byId("large")));
    if (frames.length >= MOST_FRAMES) stopRecording();
  }, 1000 / GIF_RATE);
  recording = { frames, timer };
  byId("record").textContent = "Stop and save GIF";
  byId("record").setAttribute("aria-pressed", "true");
  return say(`Recording what is shown large, for ${MOST_FRAMES / GIF_RATE} seconds at most.`);
}

function stopRecording() {
  const { frames, timer } = recording;
  clearInterval(timer);
  recording = null;
  byId("record").textContent = "Record GIF";
  byId("record").setAttribute("aria-pressed", "false");
  if (!frames.length) return;
  download(encodeGif(frames, GIF_SIDE, GIF_SIDE, 100 / GIF_RATE), "recording.gif");
  say(`Saved ${frames.length} frames as recording.gif.`);
}

// ---- on the page

function offerRecording() {
  const button = make("button", { type: "button", id: "record", "aria-pressed": "false" },
    "Record GIF");
  button.addEventListener("click", record);
  byId("save-latents").after(button);
}

function offerCamera() {
  const button = (id, text, action) => {
    const made = make("button", { type: "button", id }, text);
    made.addEventListener("click", guarded(async () => action()));
    return made;
  };
  const row = (attributes, ...children) => make("div", { className: "row", ...attributes },
    ...children);
  const mode = make("select", { id: "mode" });
  if (MODEL.encoder) {
    mode.append(make("option", { value: EXPRESSION }, "your expression on a painted face"));
  }
  mode.append(make("option", { value: WARP }, "your picture, moved by the sliders"));
  mode.addEventListener("change", () => { if (live.stream) setMode(); });
  const guessing = MODEL.encoder ? [button("snap", "Take photograph", snap)] : [];
  const expression = [button("another", "Another face", anotherFace),
    button("neutral", "This is my neutral face", setNeutral)];
  const zoom = make("input", { type: "range", id: "zoom", min: 1, max: 4, step: 0.05, value: 1 });
  byId("sources").after(make("section", { id: "live", "aria-labelledby": "live-title" },
    make("h2", { id: "live-title" }, "Camera"),
    row({}, button("camera", "Use the camera", () => (live.stream ? stopCamera() : startCamera())),
      make("label", { htmlFor: "mode" }, "for"), mode),
    make("p", { className: "note" }, "Its pictures stay on this device.",
      make("output", { id: "rate" })),
    make("div", { id: "camera-tools", hidden: true },
      row({}, make("label", { htmlFor: "zoom" }, "Zoom"), zoom, ...guessing),
      row({ id: "expression-tools" }, ...expression))));
  setInterval(tellRate, 1000);
}

// How fast it is, and by the error how well the model knows what the camera sees.
function tellRate() {
  const said = [];
  if (live.stream && live.video.videoWidth) {
    said.push(`${live.frames} frames a second`);
    if (MODEL.encoder) said.push(`squared error ${takenApart(cameraSquare().values).error.toFixed(0)}`);
  }
  byId("rate").textContent = said.join(", ");
  live.frames = 0;
}

offerRecording();
if (MODEL.deforms && !MODEL.given.length) offerCamera();
