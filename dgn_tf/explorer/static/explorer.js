// The part of the page that asks dgn_tf.explore: images, photographs, boards, animations.
"use strict";

const MOST_PHOTOGRAPHS = 8;
const photographs = [];

async function ask(path, body, type = "application/json") {
  let answer;
  try {
    answer = await fetch(path, body === undefined ? {} : {
      method: "POST", body, headers: { "Content-Type": type },
    });
  } catch {
    throw new Error("The program does not answer: is dgn_tf.explore still running?");
  }
  if (answer.headers.get("Content-Type") === "image/gif") return answer.blob();
  const found = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(found.error), { status: answer.status });
  return found;
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const png = (text) => `data:image/png;base64,${text}`;

async function load(source) {
  const image = make("img", { src: source });
  await image.decode();
  return image;
}

async function draw(latents) {
  const found = await ask("api/paint", JSON.stringify({ latents }));
  const images = await Promise.all(Object.values(found).map((text) => load(png(text))));
  return Object.fromEntries(Object.keys(found).map((id, k) => [id, images[k]]));
}

// An action that may fail, whose button is off meanwhile.
function guarded(button, action) {
  return async () => {
    button.disabled = true;
    try {
      await action();
    } catch (error) {
      say(error.message, true);
    } finally {
      button.disabled = false;
    }
  };
}

// ---- photographs

async function addFiles(files) {
  byId("file").disabled = true;
  for (const file of files) {
    try {
      if (photographs.length >= MOST_PHOTOGRAPHS) {
        throw new Error(`At most ${MOST_PHOTOGRAPHS} photographs at a time: remove one first.`);
      }
      await infer(file);
    } catch (error) {
      say(error.message, true);
      break;
    } finally {
      byId("job").hidden = true;
    }
  }
  byId("file").disabled = false;
  byId("file").value = "";
}

// The job of a file, once that of another page is over.
async function beginJob(path, file) {
  for (;;) {
    try {
      return await ask(path, file, "application/octet-stream");
    } catch (error) {
      if (error.status !== 409) throw error;
      await pause(500);
    }
  }
}

async function infer(file) {
  const labels = MODEL.given.map((group) => `&label=${selects[group].selectedIndex}`).join("");
  byId("job-title").textContent = `Inferring the latents of ${file.name}`;
  byId("progress").removeAttribute("value");
  byId("job").hidden = false;
  say("");
  const path = `api/infer?name=${encodeURIComponent(file.name)}${labels}`;
  const { job, photograph } = await beginJob(path, file);
  let found = { state: "running", total: 0 };
  while (found.state === "running") {
    if (found.total) byId("progress").value = found.done / found.total;
    await pause(200);
    found = await ask(`api/jobs/${job}`);
  }
  if (found.state === "failed") throw new Error(`${file.name}: ${found.error}`);
  const item = { name: file.name, photograph: png(photograph), latents: found.latents };
  photographs.push(item);
  await choose(item);
  say(`${file.name}: squared error ${found.msre.toFixed(1)}. The sliders now move it.`);
  await updateBoard();
}

async function choose(item) {
  chooseSource(item);
  if (item && item.photograph) show(byId("photograph"), await load(item.photograph));
  await begin(item && item.latents);
}

function remove(item) {
  photographs.splice(photographs.indexOf(item), 1);
  if (state.source === item) choose(null);
  else showLoaded();
  updateBoard();
}

function showLoaded() {
  const pressed = (item) => String(state.source === item);
  const mean = make("button", { type: "button", "aria-pressed": pressed(null) },
    make("span", { className: "blank", "aria-hidden": "true" }, "μ"), make("span", {}, "Average"));
  mean.addEventListener("click", () => choose(null));
  const items = photographs.map((item) => {
    const button = make("button", { type: "button", title: item.name,
      "aria-pressed": pressed(item) },
      make("img", { src: item.photograph, alt: "" }), make("span", {}, item.name));
    button.addEventListener("click", () => choose(item));
    const away = make("button", { type: "button", className: "away" }, "Remove");
    away.setAttribute("aria-label", `Remove ${item.name}`);
    away.addEventListener("click", () => remove(item));
    return make("li", {}, button, away);
  });
  byId("loaded").replaceChildren(make("li", {}, mean), ...items);
  byId("original").hidden = !(state.source && state.source.photograph);
  for (const cell of document.querySelectorAll("#board-table td button")) {
    cell.setAttribute("aria-pressed", pressed(cell.item));
  }
}

function acceptFiles() {
  if (MODEL.given.length) {
    byId("drop").append(" The class that is chosen above is taken for theirs.");
  }
  offerPhotographs(addFiles);
  document.addEventListener("source", showLoaded);
  showLoaded();
}

// ---- recombinations

async function updateBoard() {
  byId("board").hidden = !(MODEL.deforms && !MODEL.given.length && photographs.length > 1);
  if (byId("board").hidden) return;
  const items = [...photographs];
  const latents = items.map((item) => item.latents);
  const { cells } = await ask("api/board", JSON.stringify({ latents }));
  const head = (item, scope) => make("th", { scope },
    make("img", { src: item.photograph, alt: item.name }));
  const corner = make("td", {}, "");
  const rows = cells.map((row, i) => make("tr", {}, head(items[i], "row"),
    ...row.map((cell, j) => make("td", {}, boardCell(items[i], items[j], png(cell))))));
  byId("board-table").replaceChildren(
    make("tr", {}, corner, ...items.map((item) => head(item, "col"))), ...rows);
  showLoaded();
}

function boardCell(looks, shape, source) {
  const text = `${looks.name} in the geometry of ${shape.name}`;
  const button = make("button", { type: "button", title: text },
    make("img", { src: source, alt: text }));
  button.item = looks === shape ? looks : {
    name: text,
    latents: { appearance: looks.latents.appearance, geometry: shape.latents.geometry },
  };
  button.addEventListener("click", () => {
    choose(button.item);
    byId("panels").scrollIntoView({ block: "nearest" });
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
    const image = cell.querySelector("img");
    if (image) context.drawImage(image, gap + j * (size + gap), gap + i * (size + gap), size, size);
  }));
  canvas.toBlob((blob) => download(blob, "board.png"));
}

// ---- animations

function offerAnimations() {
  const select = make("select", { id: "along" });
  for (const group of [...MODEL.groups].reverse()) {
    group.directions.forEach(({ title }, k) => {
      const text = title.startsWith(group.name) ? title : `${group.name}: ${title}`;
      const option = make("option", {}, text);
      option.asked = { group: group.name, direction: k };
      select.append(option);
    });
  }
  if (!select.options.length) return;
  const button = make("button", { type: "button", id: "save-animation" }, "Save animation");
  button.addEventListener("click", guarded(button, async () => {
    const body = { latents: latentsNow(), ...select.selectedOptions[0].asked };
    say("Painting the animation …");
    download(await ask("api/animate", JSON.stringify(body)), "animation.gif");
    say("Saved as animation.gif.");
  }));
  byId("save").append(button, make("label", { htmlFor: "along" }, "along"), select);
}

acceptFiles();
offerAnimations();
byId("save-board").addEventListener("click", saveBoard);
startPage();
