// The part of the page that asks dgn_tf.explore: images, photographs, samples, names, animations.
"use strict";

// How many images the program paints at a time.
const MOST_IMAGES = 64;

async function ask(path, body, type = "application/json") {
  let answer;
  try {
    answer = await fetch(path, body === undefined ? {} : {
      method: "POST", body, headers: { "Content-Type": type },
    });
  } catch {
    throw new Error("The program does not answer: is dgn_tf.explore still running?");
  }
  if ((answer.headers.get("Content-Type") || "").startsWith("image/")) return answer.blob();
  const found = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(found.error), { status: answer.status });
  return found;
}

const post = (path, body) => ask(path, JSON.stringify(body));

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function load(text) {
  const image = make("img", { src: `data:image/png;base64,${text}` });
  await image.decode();
  return image;
}

async function draw(latents) {
  const found = await post("api/paint", { latents });
  const images = await Promise.all(Object.values(found).map(load));
  return Object.fromEntries(Object.keys(found).map((id, k) => [id, images[k]]));
}

// The images of latents; as soon as they are not `wanted` any more, no more are painted.
async function paintMany(list, wanted = () => true) {
  const painted = [];
  for (let first = 0; first < list.length && wanted(); first += MOST_IMAGES) {
    const some = list.slice(first, first + MOST_IMAGES);
    const bitmap = await createImageBitmap(await post("api/images", { latents: some }));
    const { side } = MODEL;
    some.forEach((_, k) => {
      const canvas = make("canvas", { width: side, height: side });
      canvas.getContext("2d").drawImage(bitmap, 0, k * side, side, side, 0, 0, side, side);
      painted.push(canvas);
    });
    bitmap.close();
  }
  return painted;
}

// ---- photographs

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

// Shows the guess as soon as there is one, and then how it gets better.
async function follow(job, item) {
  for (;;) {
    const found = await ask(`api/jobs/${job}`);
    if (found.state === "failed") throw new Error(found.error);
    if (found.total) byId("progress").value = found.done / found.total;
    if (found.latents && state.source === item) {
      item.latents = found.latents;
      state.start = structuredClone(found.latents);
      await refresh();
    }
    if (found.state === "done") return found;
    await pause(50);
  }
}

async function infer(file) {
  const labels = MODEL.given.map((group) => `&label=${selects[group].selectedIndex}`).join("");
  const face = byId("find-face").checked ? "&face=1" : "";
  byId("job-title").textContent = `Taking ${file.name} apart`;
  byId("progress").removeAttribute("value");
  byId("job").hidden = false;
  say("");
  stopPlaying();
  const before = { source: state.source, latents: state.start, amounts: state.amounts };
  const item = { name: file.name, latents: structuredClone(state.start) };
  try {
    const path = `api/infer?name=${encodeURIComponent(file.name)}${labels}${face}`;
    const { job, photograph, note } = await beginJob(path, file);
    item.photograph = await load(photograph);
    chooseSource(item);
    state.amounts = noAmounts();
    const { latents, msre, typical } = await follow(job, item);
    item.latents = latents;
    item.unlike = typical === false;
    await addItem(item);
    await choose(item);
    const told = note ? ` ${note[0].toUpperCase()}${note.slice(1)}.` : "";
    say(`${file.name}: squared error ${msre.toFixed(1)}.${told} The sliders now move it.`);
  } catch (error) {
    if (state.source === item) {
      chooseSource(before.source);
      await begin(before.latents, before.amounts);
    }
    throw error;
  } finally {
    byId("job").hidden = true;
  }
}

function acceptFiles() {
  if (MODEL.given.length) {
    byId("drop").append(" The class that is chosen below is taken for theirs.");
  }
  const box = byId("find-face");
  byId("face-choice").hidden = false;
  box.checked = MODEL.faces === "always";
  box.disabled = MODEL.faces === "never";
  if (MODEL.faces === "always") byId("face-text").textContent += ", as in training";
  if (MODEL.faces === "never") {
    byId("face-text").textContent += ': needs pip install "dgn_tf[faces]"';
  }
  offerPhotographs((files) => readFiles(files, infer));
}

acceptFiles();
startPage({
  gif: (latents) => post("api/animate", { latents }),
  rename: async (group, direction, name) =>
    (await post("api/name", { group, direction, name })).title,
  sample: async (seed, count, source) =>
    (await post("api/sample", { seed, count, source })).latents,
});
