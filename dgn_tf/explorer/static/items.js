// What the sliders can start from: the mean, photographs, samples, what was kept; and the board of
// all appearances in all geometries.
"use strict";

const MOST_ITEMS = 8, SAMPLES = 6;
// Each {name, latents, picture, photograph, unlike}: both images as canvases, the latter two perhaps
// missing.
const items = [];
// The mean, as an item is.
const average = { name: "Average", picture: null };

const recombined = (looks, shape) => ({ ...looks.latents, geometry: shape.latents.geometry });

function requireRoom() {
  if (items.length >= MOST_ITEMS) {
    throw new Error(`At most ${MOST_ITEMS} at a time: remove one first.`);
  }
}

// Adds an item to start from, and to recombine.
async function addItem(item) {
  requireRoom();
  item.picture = item.photograph || (await paintMany([item.latents]))[0];
  items.push(item);
  showItems();
  nameMotion();
  await updateBoard();
}

async function removeItem(item) {
  items.splice(items.indexOf(item), 1);
  nameMotion();
  if (state.source === item) await choose(null);
  else showItems();
  await updateBoard();
}

// A copy: a canvas stands at one place of the page.
function copied(picture) {
  const canvas = make("canvas", { "aria-hidden": "true" });
  show(canvas, picture, 2 * MODEL.side);
  return canvas;
}

function showItems() {
  const pressed = (item) => String(state.source === item);
  const mean = make("button", { type: "button", "aria-pressed": pressed(null) },
    ...(average.picture ? [copied(average.picture)] : []), make("span", {}, average.name));
  mean.addEventListener("click", () => choose(null));
  const list = items.map((item) => {
    const button = make("button", { type: "button", title: item.name,
      "aria-pressed": pressed(item) }, copied(item.picture), make("span", {}, item.name));
    button.addEventListener("click", () => choose(item));
    const away = make("button", { type: "button", className: "away" }, "×");
    away.setAttribute("aria-label", `Remove ${item.name}`);
    away.addEventListener("click", () => guarded(() => removeItem(item))());
    return make("li", {}, button, away);
  });
  byId("loaded").replaceChildren(make("li", {}, mean), ...list);
  for (const button of document.querySelectorAll("#board-table td button, #drawn button")) {
    button.setAttribute("aria-pressed", pressed(button.item));
  }
}

// What is shown now in words, for an item that is kept.
function nameNow() {
  const parts = [state.source ? state.source.name : "average"];
  for (const group of MODEL.groups) {
    state.amounts[group.name].forEach((amount, k) => {
      if (amount) parts.push(`${shortTitle(group, k)} ${signed(amount)}`);
    });
  }
  return parts.join(", ");
}

async function keepItem() {
  const name = nameNow();
  await addItem({ name, latents: latentsNow() });
  say(`Kept: ${name}.`);
}

async function loadLatents(file) {
  const item = { name: file.name, latents: await readLatents(file) };
  await addItem(item);
  await choose(item);
  say(`${file.name}: the sliders now move it.`);
}

// Reads files one after the other: what is wrong with one stops no other.
async function readFiles(files, take) {
  const wrong = [];
  byId("file").disabled = true;
  for (const file of files) {
    try {
      requireRoom();
      await (/\.json$/i.test(file.name) ? loadLatents(file) : take(file));
    } catch (error) {
      wrong.push(error.message.includes(file.name) ? error.message : `${file.name}: ${error.message}`);
    }
  }
  byId("file").disabled = false;
  byId("file").value = "";
  if (wrong.length) say(wrong.join(" "), true);
}

// ---- samples

const SAID = { training: "like the training images", prior: "from the prior N(0, I)" };

function offerSamples(sample) {
  const source = byId("sample-source"), seed = byId("seed");
  for (const name of MODEL.samples) source.append(make("option", { value: name }, SAID[name]));
  byId("samples").hidden = false;
  const draw = async () => {
    const first = Math.min(Number(seed.max), Math.max(0, Math.floor(Number(seed.value)) || 0));
    seed.value = first;
    const list = await sample(first, SAMPLES, source.value);
    const pictures = await paintMany(list);
    byId("drawn").replaceChildren(...list.map((latents, k) => {
      const prior = source.value === "prior" ? ", prior" : "";
      const item = { name: `seed ${first + k}${prior}`, latents };
      const title = `seed ${first + k}, ${SAID[source.value]}`;
      const button = make("button", { type: "button", title, "aria-pressed": "false" },
        copied(pictures[k]), make("span", {}, String(first + k)));
      button.setAttribute("aria-label", title);
      button.item = item;
      button.addEventListener("click", () => choose(item));
      return button;
    }));
    showItems();
  };
  const again = guarded(draw);
  source.addEventListener("change", again);
  seed.addEventListener("change", again);
  byId("draw-samples").addEventListener("click", () => {
    seed.value = Number(seed.value) + SAMPLES;
    again();
  });
  return again;
}

// ---- recombinations

async function updateBoard() {
  const shown = MODEL.deforms && !MODEL.given.length && items.length > 1;
  byId("board").hidden = !shown;
  if (!shown) return;
  const all = [...items];
  const cells = await paintMany(all.flatMap((looks) => all.map((shape) => recombined(looks, shape))));
  const head = (item, scope) => {
    const canvas = copied(item.picture);
    canvas.removeAttribute("aria-hidden");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", item.name);
    return make("th", { scope, title: item.name }, canvas);
  };
  const corner = make("td", { className: "corner" },
    make("span", {}, "geometry of →"), make("span", {}, "appearance of ↓"));
  const rows = all.map((looks, i) => make("tr", {}, head(looks, "row"), ...all.map((shape, j) =>
    make("td", {}, boardCell(looks, shape, cells[i * all.length + j])))));
  byId("board-table").replaceChildren(
    make("tr", {}, corner, ...all.map((item) => head(item, "col"))), ...rows);
  showItems();
}

function boardCell(looks, shape, picture) {
  const name = `${looks.name} in the geometry of ${shape.name}`;
  const button = make("button", { type: "button", title: name }, copied(picture));
  button.setAttribute("aria-label", name);
  button.item = looks === shape ? looks : { name, latents: recombined(looks, shape) };
  button.addEventListener("click", async () => {
    await choose(button.item);
    byId("stage").scrollIntoView({ block: "nearest" });
  });
  return button;
}

function saveBoard() {
  const size = 128, gap = 4, rows = [...byId("board-table").rows];
  const side = rows.length * (size + gap) + gap;
  const canvas = make("canvas", { width: side, height: side });
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, side, side);
  context.imageSmoothingQuality = "high";
  rows.forEach((row, i) => [...row.cells].forEach((cell, j) => {
    const image = cell.querySelector("canvas");
    if (image) context.drawImage(image, gap + j * (size + gap), gap + i * (size + gap), size, size);
  }));
  context.fillStyle = "#282828";
  context.font = "14px sans-serif";
  context.textAlign = "right";
  context.fillText("geometry of →", gap + size - 2, 26);
  context.textAlign = "center";
  context.fillText("appearance of ↓", gap + size / 2, size - 4);
  canvas.toBlob((blob) => download(blob, "board.png"));
}

async function paintAverage() {
  [average.picture] = await paintMany([meanLatents()]);
  showItems();
}

function offerItems(sample) {
  document.addEventListener("source", showItems);
  byId("keep").addEventListener("click", guarded(keepItem, byId("keep")));
  byId("save-board").addEventListener("click", saveBoard);
  guarded(paintAverage)();
  if (sample && MODEL.samples) offerSamples(sample)();
}
