// The part of the page that needs no server: sliders, panels, files to save.
// MODEL comes from model.js. backend.js gives draw(latents): a promise of what to show on each
// canvas, by its id, as something that drawImage takes.
"use strict";

const REACH = 3, FIRST = 8, SHOWN = 384;
const byId = (id) => document.getElementById(id);

// z of a group is start + the sum of amount * scale * axis over its directions.
const state = { start: {}, amounts: {}, source: null };
const sliders = {}, selects = {};
let drawing = false, stale = false;

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

function latentsNow() {
  const latents = {};
  for (const group of MODEL.groups) {
    const z = Array.from(state.start[group.name]);
    group.directions.forEach(({ scale, axis }, k) => {
      const step = scale * state.amounts[group.name][k];
      if (step) axis.forEach((value, i) => { z[i] += step * value; });
    });
    latents[group.name] = z;
  }
  return latents;
}

// One drawing at a time; what moved meanwhile is drawn once, afterwards.
async function refresh() {
  stale = true;
  if (drawing) return;
  drawing = true;
  try {
    while (stale) {
      stale = false;
      const shown = await draw(latentsNow());
      for (const [id, picture] of Object.entries(shown)) show(byId(id), picture);
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

function show(canvas, picture) {
  canvas.width = canvas.height = SHOWN;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, SHOWN, SHOWN);
}

// What an amount is called on screen, and by a screen reader.
function tell(group, k) {
  const amount = state.amounts[group][k], { input, output } = sliders[group][k];
  const text = (amount < 0 ? "−" : amount > 0 ? "+" : "") + Math.abs(amount).toFixed(1);
  input.value = amount;
  input.setAttribute("aria-valuetext", `${text} standard deviations`);
  output.textContent = text;
}

function addSlider(group, k) {
  const id = `${group.name}-${k + 1}`, { title } = group.directions[k];
  const input = make("input", { type: "range", id, min: -REACH, max: REACH, step: 0.1 });
  const output = make("output", { htmlFor: id });
  sliders[group.name][k] = { input, output };
  input.addEventListener("input", () => {
    state.amounts[group.name][k] = Number(input.value);
    tell(group.name, k);
    refresh();
  });
  const label = title.startsWith(group.name) ? title.replace(group.name, "direction") : title;
  return make("div", { className: "slider" }, make("label", { htmlFor: id }, label), input, output);
}

function addGroup(group) {
  const box = make("fieldset", {}, make("legend", {}, group.name));
  sliders[group.name] = [];
  if (group.classes.length) {
    const id = `${group.name}-class`;
    const select = make("select", { id });
    group.classes.forEach((name, k) => select.append(make("option", { value: k }, name)));
    select.addEventListener("change", () => {
      state.start[group.name] = group.classes.map((_, k) => Number(k === select.selectedIndex));
      refresh();
    });
    selects[group.name] = select;
    box.append(make("div", { className: "class" }, make("label", { htmlFor: id }, "Class"), select));
  }
  const rest = make("details", {}, make("summary", {}, "Weaker directions"));
  group.directions.forEach((_, k) => (k < FIRST ? box : rest).append(addSlider(group, k)));
  if (group.directions.length > FIRST) box.append(rest);
  byId("groups").append(box);
}

// Puts the sliders to amounts, by default to the middle, around latents, by default the means.
function begin(latents = null, amounts = null) {
  for (const group of MODEL.groups) {
    const { name, directions, start } = group;
    state.start[name] = latents ? latents[name] : start;
    state.amounts[name] = amounts ? amounts[name] : directions.map(() => 0);
    directions.forEach((_, k) => tell(name, k));
    if (selects[name]) {
      selects[name].selectedIndex = state.start[name].indexOf(Math.max(...state.start[name]));
    }
  }
  return refresh();
}

function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

function randomDraw() {
  const amounts = {}, latents = {};
  for (const { name, directions, start, classes } of MODEL.groups) {
    amounts[name] = directions.map(() => Math.max(-REACH, Math.min(REACH, normal())));
    const chosen = Math.floor(Math.random() * classes.length);
    latents[name] = classes.length ? start.map((_, k) => Number(k === chosen)) : start;
  }
  chooseSource(null);
  return begin(latents, amounts);
}

// Marks what the sliders start from: null is the mean, else an item {latents, ...}.
function chooseSource(source) {
  state.source = source;
  document.dispatchEvent(new CustomEvent("source"));
}

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

// Shows the box for photographs; `use` is given the files that are chosen or dropped on it.
function offerPhotographs(use) {
  const drop = byId("drop"), file = byId("file");
  byId("photographs").hidden = false;
  file.addEventListener("change", () => use([...file.files]));
  // A file that is dropped beside the box must not replace the page.
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => event.preventDefault());
  }
  drop.addEventListener("dragover", () => drop.classList.add("over"));
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    if (!file.disabled) use([...event.dataTransfer.files]);
  });
}

function startPage() {
  byId("about").textContent = `${MODEL.name}, ${MODEL.side} × ${MODEL.side} pixels`;
  document.title = `${MODEL.name} · deformable generator`;
  document.querySelectorAll("[data-deforms]").forEach((box) => { box.hidden = !MODEL.deforms; });
  // Geometry first: it is what moves.
  [...MODEL.groups].reverse().forEach(addGroup);
  byId("reset").addEventListener("click", () => begin(state.source && state.source.latents));
  byId("random").addEventListener("click", randomDraw);
  byId("save-picture").addEventListener("click", () => {
    byId("picture").toBlob((blob) => download(blob, "image.png"));
  });
  byId("save-latents").addEventListener("click", saveLatents);
  return begin();
}
