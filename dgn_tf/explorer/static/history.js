// What was before: undo, redo, and the address, which a bookmark or another person opens again.
"use strict";

const MOST_REMEMBERED = 100;
const past = [];
let now = -1, written = "";

function snapshot() {
  return { source: state.source, start: structuredClone(state.start),
    amounts: structuredClone(state.amounts) };
}

const same = (one, other) => one && one.source === other.source &&
  JSON.stringify([one.start, one.amounts]) === JSON.stringify([other.start, other.amounts]);

function remember() {
  const found = snapshot();
  if (same(past[now], found)) return;
  past.splice(now + 1, past.length, found);
  if (past.length > MOST_REMEMBERED) past.shift();
  now = past.length - 1;
  showHistory();
}

function showHistory() {
  byId("undo").disabled = now < 1;
  byId("redo").disabled = now >= past.length - 1;
}

async function goTo(place) {
  if (!past[place]) return;
  now = place;
  const { source, start, amounts } = past[now];
  chooseSource(source);
  await begin(start, amounts);
  showHistory();
  settled();
}

// ---- the address

const rounded = (numbers) => numbers.map((value) => Number(value.toPrecision(5))).join(",");

// After the mark # stand: of what, the latents that the sliders start from unless these are the
// mean, what the sliders add, and which view is shown.
function writeAddress() {
  const told = new URLSearchParams();
  if (state.source) told.set("of", state.source.name);
  for (const { name, start } of MODEL.groups) {
    if (JSON.stringify(state.start[name]) !== JSON.stringify(start)) {
      told.set(`z.${name}`, rounded(state.start[name]));
    }
    if (state.amounts[name].some(Boolean)) told.set(`by.${name}`, rounded(state.amounts[name]));
  }
  if (state.view !== "picture" && state.view !== "photograph") told.set("view", state.view);
  written = told.toString() ? `#${told.toString().replaceAll("%2C", ",")}` : "#";
  history.replaceState(null, "", written);
}

// The numbers under a key, or else as many as there should be of those given.
function numbersAt(told, key, otherwise) {
  if (!told.has(key)) return otherwise;
  const numbers = told.get(key).split(",").map(Number);
  const valid = numbers.length === otherwise.length && numbers.every(
    (value) => Number.isFinite(value) && Math.abs(value) < 1e4);
  if (!valid) throw new Error(`The address is not of this model: ${key} is wrong.`);
  return numbers;
}

function readAddress() {
  const told = new URLSearchParams(location.hash.slice(1)), latents = {}, amounts = {};
  for (const { name, start, directions } of MODEL.groups) {
    latents[name] = numbersAt(told, `z.${name}`, start);
    amounts[name] = numbersAt(told, `by.${name}`, directions.map(() => 0)).map(
      (value) => Math.max(-REACH, Math.min(REACH, value)));
  }
  const view = told.get("view");
  return { of: told.get("of"), latents, amounts, view };
}

async function beginFromAddress() {
  let found = null;
  try {
    found = readAddress();
  } catch (error) {
    await choose(null);
    say(error.message, true);
    return;
  }
  const { of, latents, amounts, view } = found;
  const item = of === null ? null : { name: of, latents };
  if (item) await addItem(item);
  const button = document.querySelector(`#strip button[data-view="${CSS.escape(view || "picture")}"]`);
  await choose(item, amounts);
  if (button && !button.hidden) chooseView(button.dataset.view);
}

function offerHistory() {
  byId("undo").addEventListener("click", () => goTo(now - 1));
  byId("redo").addEventListener("click", () => goTo(now + 1));
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.target.matches("input:not([type=range])")) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    goTo(key === "y" || event.shiftKey ? now + 1 : now - 1);
  });
  window.addEventListener("hashchange", () => {
    if (location.hash !== written && !(written === "#" && !location.hash)) {
      guarded(beginFromAddress)();
    }
  });
}
