// Animations of what is shown: along a direction, or on the way to another image.
"use strict";

const FRAMES = 31, FRAME_TIME = 40, ENDS_AT = 2.5;
let playing = 0;

// Along straight lines, slow where they start and arrive.
function wayTo(goal, start) {
  return Array.from({ length: FRAMES }, (_, k) => {
    const part = (1 - Math.cos(Math.PI * k / (FRAMES - 1))) / 2;
    return Object.fromEntries(Object.entries(start).map(([group, z]) =>
      [group, z.map((value, i) => value + part * (goal[group][i] - value))]));
  });
}

function wayAlong(group, k) {
  const at = (amount) => {
    const amounts = [...state.amounts[group]];
    amounts[k] = amount;
    return latentsAt({ ...state.amounts, [group]: amounts });
  };
  return wayTo(at(ENDS_AT), at(-ENDS_AT));
}

// The frames that the choice asks for, from one end to the other.
const framesNow = () => byId("along").selectedOptions[0].way();

// Fills the choice; what was chosen stays so, as far as it is there.
function nameMotion() {
  const select = byId("along"), before = select.value;
  const goals = [{ ...average, latents: meanLatents() }, ...items].map((item, k) => {
    const option = make("option", { value: `item ${k}` }, `morph to ${item.name}`);
    option.way = () => wayTo(item.latents, latentsNow());
    return option;
  });
  const groups = [...MODEL.groups].reverse().filter(({ directions }) => directions.length);
  const along = groups.map((group) => make("optgroup", { label: group.name },
    ...group.directions.map((_, k) => {
      const option = make("option", { value: `${group.name} ${k}` }, shortTitle(group, k));
      option.way = () => wayAlong(group.name, k);
      return option;
    })));
  select.replaceChildren(...along, make("optgroup", { label: "morph" }, ...goals));
  if ([...select.options].some(({ value }) => value === before)) select.value = before;
}

// A newer number is another animation, or none.
async function play() {
  const number = ++playing;
  showPlaying(true);
  const frames = await paintMany(framesNow(), () => number === playing);
  const loop = [...frames, ...frames.slice(1, -1).reverse()];
  let began = null;
  const next = (time) => {
    if (number !== playing) return;
    began = began ?? time;
    show(byId("large"), loop[Math.floor((time - began) / FRAME_TIME) % loop.length], LARGE);
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}

function showPlaying(on) {
  byId("play").setAttribute("aria-pressed", String(on));
  byId("play").textContent = on ? "Stop" : "Play";
}

function stopPlaying() {
  if (byId("play").getAttribute("aria-pressed") !== "true") return;
  playing++;
  showPlaying(false);
  if (drawn[state.view]) show(byId("large"), drawn[state.view], LARGE);
}

function offerMotion(gif) {
  byId("motion").hidden = false;
  nameMotion();
  byId("play").addEventListener("click", () => {
    if (byId("play").getAttribute("aria-pressed") === "true") return stopPlaying();
    return guarded(play)();
  });
  byId("along").addEventListener("change", () => {
    if (byId("play").getAttribute("aria-pressed") === "true") guarded(play)();
  });
  if (!gif) return;
  const save = byId("save-animation");
  save.hidden = false;
  save.addEventListener("click", guarded(async () => {
    say("Painting the animation …");
    download(await gif(framesNow()), "animation.gif");
    say("Saved as animation.gif.");
  }, save));
}
