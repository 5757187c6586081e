// What every part of the page shares: the latents that are shown, and the images of them.
// MODEL comes from model.js. backend.js, loaded last, gives
//   draw(latents): a promise of what to show on each canvas of the strip, by its id,
//   paintMany(list): a promise of canvases, the images of a list of latents,
// both as something that drawImage takes, and calls startPage with what else it can do.
"use strict";

const REACH = 3, SHOWN = 384, LARGE = 768;
const byId = (id) => document.getElementById(id);

// z of a group is start + the sum of amount * scale * axis over its directions. The source is what
// they start from: null for the mean, else an item {name, latents, ...}.
const state = { start: {}, amounts: {}, source: null, view: "picture" };
// What was drawn last on each canvas of the strip.
const drawn = {};
let drawing = false, stale = false;
// Whether what was before is shown instead.
let holding = false;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function say(message, bad = false) {
  byId("status").textContent = message;
  byId("status").classList.toggle("bad", bad);
}

// Latents with other amounts of the directions than the sliders have.
function latentsAt(amounts) {
  const latents = {};
  for (const group of MODEL.groups) {
    const z = Array.from(state.start[group.name]);
    group.directions.forEach(({ scale, axis }, k) => {
      const step = scale * amounts[group.name][k];
      if (step) axis.forEach((value, i) => { z[i] += step * value; });
    });
    latents[group.name] = z;
  }
  return latents;
}

const latentsNow = () => latentsAt(state.amounts);

const meanLatents = () => Object.fromEntries(MODEL.groups.map(({ name, start }) => [name, start]));

const noAmounts = () => Object.fromEntries(
  MODEL.groups.map(({ name, directions }) => [name, directions.map(() => 0)]));

// One drawing at a time; what moved meanwhile is drawn once, afterwards.
async function refresh() {
  stale = true;
  if (drawing) return;
  drawing = true;
  try {
    while (stale) {
      stale = false;
      const shown = await draw(latentsNow());
      for (const [id, picture] of Object.entries(shown)) showPart(id, picture);
      if (byId("status").classList.contains("bad")) say("");
    }
  } catch (error) {
    say(error.message, true);
  } finally {
    drawing = false;
  }
  // For whoever waits until all is drawn.
  document.body.dataset.drawn = 1 + Number(document.body.dataset.drawn || 0);
}

function show(canvas, picture, side = SHOWN) {
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, side, side);
}

// Shows a part on its canvas of the strip, and large if it is the one that was chosen.
function showPart(id, picture) {
  drawn[id] = picture;
  show(byId(id), picture);
  if (id === state.view && !holding) show(byId("large"), picture, LARGE);
}

function chooseView(view) {
  stopPlaying();
  state.view = view;
  for (const button of document.querySelectorAll("#strip button")) {
    button.setAttribute("aria-pressed", String(button.dataset.view === view));
  }
  if (drawn[view]) show(byId("large"), drawn[view], LARGE);
  writeAddress();
}

// ---- what the sliders start from

// Puts the sliders to amounts, by default to the middle, around latents, by default the means.
function begin(latents = null, amounts = null) {
  stopPlaying();
  for (const group of MODEL.groups) {
    const { name, directions, start } = group;
    state.start[name] = latents ? latents[name] : start;
    state.amounts[name] = amounts ? [...amounts[name]] : directions.map(() => 0);
    directions.forEach((_, k) => tell(name, k));
    showClass(group);
  }
  return refresh();
}

// Starts from an item, or null for the mean; what was before can be had back.
async function choose(item, amounts = null) {
  chooseSource(item);
  await begin(item && item.latents, amounts);
  settled();
}

function chooseSource(source) {
  state.source = source;
  const photograph = source && source.photograph;
  byId("original").hidden = !photograph;
  if (photograph) showPart("photograph", photograph);
  else if (state.view === "photograph") chooseView("picture");
  byId("unlike").hidden = !(source && source.unlike);
  document.dispatchEvent(new CustomEvent("source"));
}

// After a change that is complete, unlike those under way while a slider moves.
function settled() {
  remember();
  writeAddress();
  document.dispatchEvent(new CustomEvent("settled"));
}

// ---- before and after

async function hold() {
  if (holding) return;
  holding = true;
  stopPlaying();
  const { source } = state;
  const picture = source && source.photograph
    ? source.photograph : (await paintMany([latentsAt(noAmounts())]))[0];
  if (!holding) return;
  byId("badge").textContent = source && source.photograph ? "Photograph" : "Before";
  byId("badge").hidden = false;
  show(byId("large"), picture, LARGE);
}

function release() {
  if (!holding) return;
  holding = false;
  byId("badge").hidden = true;
  if (drawn[state.view]) show(byId("large"), drawn[state.view], LARGE);
}

// Where the space bar has no meaning of its own.
const spaceIsFree = ({ target }) => !target.closest("button, select, summary, textarea") &&
  !(target.matches("input") && target.type !== "range");

function offerBefore() {
  const button = byId("before");
  button.addEventListener("pointerdown", () => guarded(hold)());
  for (const name of ["pointerup", "pointercancel", "blur"]) {
    window.addEventListener(name, release);
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || !(spaceIsFree(event) || event.target === button)) return;
    event.preventDefault();
    guarded(hold)();
  });
  document.addEventListener("keyup", (event) => { if (event.key === " ") release(); });
  // After a click the space bar would press the button again.
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("button, summary");
    if (event.detail && pressed) pressed.blur();
  });
}

// ---- files

function download(blob, name) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function saveLatents() {
  const arrays = Object.entries(latentsNow()).map(([name, z]) => [`z_${name}`, z]);
  const text = JSON.stringify({ model: MODEL.name, ...Object.fromEntries(arrays) }, null, 1);
  download(new Blob([text], { type: "application/json" }), "latents.json");
}

// Latents of this model by group, of numbers by group; an error says what is wrong.
function checkedLatents(found, of) {
  for (const { name, start } of MODEL.groups) {
    const z = found[name];
    if (!Array.isArray(z) || z.length !== start.length || !z.every(Number.isFinite)) {
      throw new Error(`${of} has no ${start.length} latents of ${name}, as this model has.`);
    }
  }
  return Object.fromEntries(MODEL.groups.map(({ name }) => [name, found[name]]));
}

async function readLatents(file) {
  let found;
  try {
    found = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is not JSON.`);
  }
  const named = MODEL.groups.map(({ name }) => [name, found && found[`z_${name}`]]);
  return checkedLatents(Object.fromEntries(named), file.name);
}

// An action that may fail, whose button, if there is one, is off meanwhile.
function guarded(action, button = null) {
  return async () => {
    if (button) button.disabled = true;
    try {
      await action();
    } catch (error) {
      say(error.message, true);
    } finally {
      if (button) button.disabled = false;
    }
  };
}

// Shows the box for photographs; `use` is given the files that are chosen or dropped.
function offerPhotographs(use) {
  const drop = byId("drop"), file = byId("file");
  byId("photographs").hidden = false;
  file.addEventListener("change", () => use([...file.files]));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (!file.disabled) use([...event.dataTransfer.files]);
  });
}

// Begins the page, with what the backend can do: `rename(group, k, name)`, a promise of the title;
// `sample(seed, count, source)`, a promise of a list of latents; `gif(list)`, a promise of a file.
function startPage(can = {}) {
  byId("title").textContent = MODEL.name;
  byId("about").textContent = `deformable generator, ${MODEL.side} × ${MODEL.side} pixels`;
  document.title = `${MODEL.name} · deformable generator`;
  document.querySelectorAll("[data-deforms]").forEach((box) => { box.hidden = !MODEL.deforms; });
  for (const button of document.querySelectorAll("#strip button")) {
    button.addEventListener("click", () => chooseView(button.dataset.view));
  }
  addGroups(can.rename);
  offerItems(can.sample);
  offerMotion(can.gif);
  offerBefore();
  offerHistory();
  byId("reset").addEventListener("click", () => choose(state.source));
  byId("save-picture").addEventListener("click", () => {
    byId("large").toBlob((blob) => download(blob, `${state.view}.png`));
  });
  byId("save-latents").addEventListener("click", saveLatents);
  return beginFromAddress();
}
