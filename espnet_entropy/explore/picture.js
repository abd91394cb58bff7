// The picture: segments and words, drawn, chosen and played.

import { drawAxis, drawBoxes, drawPlot, drawUnits } from "./draw.js";
import { by, json, query, runsOf, state } from "./state.js";
import { play, playback, position } from "./sound.js";

// ---- segments

let busy = false;
let again = false;

// While the server works, only the newest rate waits.
export async function refresh() {
  if (!state.sound) return;
  again = true;
  if (busy) return;
  busy = true;
  while (again) {
    again = false;
    const began = performance.now();
    const { rateHz } = state;
    await Promise.all(["A", "B"].map(fetchRow));
    redraw();
    Object.assign(state, { drawMs: performance.now() - began, drawnHz: rateHz });
  }
  busy = false;
}

async function fetchRow(name) {
  const { sound } = state;
  const one = state.rows[name];
  const { method } = one;
  try {
    const made = await json(`/api/sounds/${sound.key}/segments?${query(name)}`);
    if (sound !== state.sound) return;
    const ends = [...made.starts.slice(1), sound.units.length];
    one.items = made.starts.map((start, i) => ({
      startSec: start / sound.frameRateHz,
      endSec: ends[i] / sound.frameRateHz,
      label: runsOf(sound.units.slice(start, ends[i]), 1).map((run) => run.unit).join(" "),
    }));
    Object.assign(one, { reachedHz: made.rate_hz, refused: "", drawn: method });
  } catch (error) {
    Object.assign(one, { items: [], reachedHz: null, refused: error.message });
  }
  one.chosen = Math.min(one.chosen, Math.max(0, one.items.length - 1));
  describeRow(name);
}

function describeRow(name) {
  const one = state.rows[name];
  const shown = by(`controls-${name}`).querySelector(".reached");
  shown.classList.toggle("refused", Boolean(one.refused));
  shown.textContent =
    one.refused || `${one.items.length} segments, ${one.reachedHz.toFixed(1)} a second`;
  for (const link of by(`controls-${name}`).querySelectorAll("a")) {
    link.hidden = Boolean(one.refused);
    link.href = `/api/sounds/${state.sound.key}/download/${link.dataset.format}?${query(name)}`;
  }
  by(`row-${name}`).dataset.segments = one.items.length;
  describeChosen(name);
}

// What a screen reader says of the chosen segment or word.
function describeChosen(name) {
  const { items, chosen } = state.rows[name];
  const canvas = by(`row-${name}`);
  canvas.setAttribute("aria-valuemin", 1);
  canvas.setAttribute("aria-valuemax", Math.max(1, items.length));
  canvas.setAttribute("aria-valuenow", chosen + 1);
  const text = items.length ? itemText(name, chosen) : "none";
  canvas.setAttribute("aria-valuetext", text);
  return text;
}

function itemText(name, i) {
  const { startSec, endSec, label } = state.rows[name].items[i];
  const times = `${startSec.toFixed(2)} to ${endSec.toFixed(2)} s`;
  if (name === "words") return `“${label}”, ${times}`;
  const count = state.rows[name].items.length;
  return `${name}, segment ${i + 1} of ${count}, ${times}, units ${label}`;
}

// ---- words

export function alignWords() {
  by("words-status").textContent = "aligning …";
  const { sound } = state;
  return json(`/api/sounds/${sound.key}/words`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ text: by("text").value }),
  }).then(({ words }) => {
    if (sound !== state.sound) return;
    state.rows.words.items = words.map(([startSec, endSec, label]) => ({ startSec, endSec, label }));
    by("words-status").textContent = `${words.length} words`;
    by("row-words").hidden = false;
    describeChosen("words");
    redraw();
  }).catch((error) => {
    by("words-status").textContent = error.message;
  });
}

// ---- drawing

function measure() {
  const { view, sound } = state;
  view.widthPx = by("scroller").clientWidth;
  const fit = view.widthPx / sound.duration_sec;
  // From all of it to 24 pixels a unit.
  const closest = Math.max(fit, 24 * sound.frameRateHz);
  view.pxPerSec = fit * (closest / fit) ** (by("zoom").value / 100);
  by("wide").style.width = `${Math.floor(view.pxPerSec * sound.duration_sec)}px`;
  by("sticky").style.width = `${view.widthPx}px`;
  view.startSec = by("scroller").scrollLeft / view.pxPerSec;
}

export function redraw() {
  const { view, sound, rows } = state;
  if (!sound) return;
  measure();
  for (const name of ["A", "B", "words"]) {
    const one = rows[name];
    const focused = document.activeElement === by(`row-${name}`);
    const playing = playback.playing && state.playingRow === name ? one.chosen : null;
    drawBoxes(by(`row-${name}`), view, one.items, name, focused ? one.chosen : null, playing);
  }
  drawPlot(by("plot"), view, sound, rows, playback.playing ? position() : null);
  drawUnits(by("units"), view, sound.runs);
  drawAxis(by("axis"), view);
}

export function animate() {
  redraw();
  if (playback.playing) requestAnimationFrame(animate);
}

// ---- playing and choosing

export function playItem(name, i) {
  const item = state.rows[name].items[i];
  if (!item) return;
  choose(name, i);
  state.playingRow = name;
  play(state.sound.buffer, item.startSec, item.endSec, animate);
}

function choose(name, i) {
  const one = state.rows[name];
  if (!one.items.length) return; // its rate is out of reach
  one.chosen = Math.min(Math.max(i, 0), one.items.length - 1);
  by("readout").textContent = describeChosen(name);
  const { view } = state;
  const item = one.items[one.chosen];
  const end = view.startSec + view.widthPx / view.pxPerSec;
  if (item && (item.startSec < view.startSec || item.endSec > end)) {
    by("scroller").scrollLeft = item.startSec * view.pxPerSec - view.widthPx / 3;
  }
  redraw();
}

export function secAt(event) {
  const left = by("sticky").getBoundingClientRect().left;
  return state.view.startSec + (event.clientX - left) / state.view.pxPerSec;
}

export const itemAt = (name, sec) =>
  state.rows[name].items.findIndex((item) => item.startSec <= sec && sec < item.endSec);

export function pressed(name, event) {
  const { chosen, items } = state.rows[name];
  const to = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, Home: 0, End: items.length - 1 };
  if (event.key in to) choose(name, to[event.key]);
  else if (event.key === "Enter" || event.key === " ") playItem(name, chosen);
  else return;
  event.preventDefault();
}

export function readOut(event) {
  const sec = secAt(event);
  const { sound } = state;
  const t = Math.floor(sec * sound.frameRateHz);
  if (t < 0 || t >= sound.units.length) return;
  const parts = [
    `${sec.toFixed(2)} s`, `unit ${sound.units[t]}`, `${sound.entropies[t].toFixed(2)} nats`];
  for (const name of ["A", "B", "words"]) {
    const i = itemAt(name, sec);
    if (i >= 0) parts.push(itemText(name, i));
  }
  by("readout").textContent = parts.join("  ·  ");
}
