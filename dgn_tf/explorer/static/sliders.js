// The sliders: a direction each, with its name, its amount, and what it does at -2, 0 and +2.
"use strict";

const FIRST = 6, ENDS = [-2, 0, 2], PAUSE = 250;
const sliders = {}, selects = {};

const signed = (amount) =>
  (amount < 0 ? "−" : amount > 0 ? "+" : "") + Math.abs(amount).toFixed(1);

// What a direction is called beside its group's name.
const shortTitle = (group, k) => {
  const { title } = group.directions[k];
  return title.startsWith(group.name) ? title.replace(group.name, "direction") : title;
};

// What an amount is called on screen, and by a screen reader.
function tell(group, k) {
  const text = signed(state.amounts[group][k]), { input, output } = sliders[group][k];
  input.value = state.amounts[group][k];
  input.setAttribute("aria-valuetext", `${text} standard deviations`);
  output.textContent = text;
}

function move(group, k, amount) {
  stopPlaying();
  state.amounts[group][k] = amount;
  tell(group, k);
  return refresh();
}

function addSlider(group, k, rename) {
  const id = `${group.name}-${k + 1}`;
  const input = make("input", { type: "range", id, min: -REACH, max: REACH, step: 0.1 });
  const output = make("output", { htmlFor: id });
  const label = make("label", { htmlFor: id }, shortTitle(group, k));
  const thumbnails = ENDS.map((amount) => {
    const canvas = make("canvas", { "aria-hidden": "true" });
    const button = make("button", { type: "button", className: "end" }, canvas,
      make("span", {}, signed(amount).replace(".0", "")));
    button.addEventListener("click", async () => {
      await move(group.name, k, amount);
      settled();
    });
    return { amount, canvas, button };
  });
  sliders[group.name][k] = { input, output, thumbnails };
  input.addEventListener("input", () => move(group.name, k, Number(input.value)));
  input.addEventListener("change", settled);
  const head = make("div", { className: "name" }, label);
  const name = () => {
    label.textContent = shortTitle(group, k);
    thumbnails.forEach(({ button, amount }) => {
      button.setAttribute("aria-label", `${shortTitle(group, k)} ${signed(amount)}`);
    });
    nameMotion();
  };
  if (rename) head.append(renameButton(group, k, label, rename, name));
  head.append(output);
  thumbnails.forEach(({ button, amount }) => {
    button.setAttribute("aria-label", `${shortTitle(group, k)} ${signed(amount)}`);
  });
  return make("div", { className: "slider" }, head, input,
    make("div", { className: "ends" }, ...thumbnails.map(({ button }) => button)));
}

function renameButton(group, k, label, rename, renamed) {
  const button = make("button", { type: "button", className: "rename", title: "Rename" }, "✎");
  const called = () => button.setAttribute("aria-label", `Rename ${shortTitle(group, k)}`);
  called();
  button.addEventListener("click", () => {
    const input = make("input", { type: "text", maxLength: 40, value: shortTitle(group, k),
      autocomplete: "off" });
    input.setAttribute("aria-label", `New name of ${shortTitle(group, k)}`);
    let over = false;
    const end = async (wanted) => {
      if (over) return;
      over = true;
      try {
        if (wanted && wanted !== shortTitle(group, k)) {
          group.directions[k].title = await rename(group.name, k, wanted);
          say(`Renamed to ${group.directions[k].title}.`);
        }
      } catch (error) {
        say(error.message, true);
      }
      input.replaceWith(label);
      button.hidden = false;
      called();
      renamed();
      button.focus();
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") end(input.value.trim());
      if (event.key === "Escape") end(null);
    });
    input.addEventListener("blur", () => end(input.value.trim()));
    label.replaceWith(input);
    button.hidden = true;
    input.select();
  });
  return button;
}

function showClass({ name }) {
  if (!selects[name]) return;
  selects[name].selectedIndex = state.start[name].indexOf(Math.max(...state.start[name]));
}

function addClasses(group, box) {
  const id = `${group.name}-class`;
  const select = make("select", { id });
  group.classes.forEach((name, k) => select.append(make("option", { value: k }, name)));
  select.addEventListener("change", async () => {
    state.start[group.name] = group.classes.map((_, k) => Number(k === select.selectedIndex));
    await refresh();
    settled();
  });
  selects[group.name] = select;
  box.append(make("div", { className: "row" }, make("label", { htmlFor: id }, "Class"), select));
}

function addGroups(rename) {
  // Geometry first: it is what moves.
  for (const group of [...MODEL.groups].reverse()) {
    const box = make("fieldset", {}, make("legend", {}, group.name));
    sliders[group.name] = [];
    if (group.classes.length) addClasses(group, box);
    const rest = make("details", {}, make("summary", {}, "Weaker directions"));
    rest.addEventListener("toggle", paintThumbnails);
    group.directions.forEach((_, k) => {
      (k < FIRST ? box : rest).append(addSlider(group, k, rename));
    });
    if (group.directions.length > FIRST) box.append(rest);
    byId("groups").append(box);
  }
  document.addEventListener("settled", () => {
    clearTimeout(waiting);
    waiting = setTimeout(paintThumbnails, PAUSE);
  });
}

let waiting = 0, painted = 0;

// The images at the ends of the sliders in sight, around what is shown now.
async function paintThumbnails() {
  const number = ++painted, wanted = new Map();
  for (const group of MODEL.groups) {
    sliders[group.name].forEach(({ input, thumbnails }, k) => {
      if (!input.checkVisibility()) return;
      for (const { amount, canvas } of thumbnails) {
        const amounts = [...state.amounts[group.name]];
        amounts[k] = amount;
        const { [group.name]: z } = latentsAt({ ...state.amounts, [group.name]: amounts });
        const latents = { ...latentsNow(), [group.name]: z };
        // Where nothing has moved, the middle ones are all the same.
        const key = JSON.stringify(latents);
        if (!wanted.has(key)) wanted.set(key, { latents, canvases: [] });
        wanted.get(key).canvases.push(canvas);
      }
    });
  }
  try {
    const all = [...wanted.values()];
    const images = await paintMany(all.map(({ latents }) => latents), () => number === painted);
    // Meanwhile the sliders may have been moved again.
    if (number !== painted) return;
    all.forEach(({ canvases }, k) => {
      for (const canvas of canvases) show(canvas, images[k], 2 * MODEL.side);
    });
    document.body.dataset.thumbnails = number;
  } catch (error) {
    say(error.message, true);
  }
}
