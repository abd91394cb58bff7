// What the page knows, and how it asks the server.

import { playback } from "./sound.js";

export const by = (id) => document.getElementById(id);
const row = (method) => ({ method, items: [], chosen: 0, reachedHz: null, refused: "", drawn: "" });
export const state = {
  setup: null,
  sound: null,
  rateHz: 15,
  rows: { A: row("dp"), B: row("uniform"), words: row("") },
  playingRow: null,
  view: { startSec: 0, pxPerSec: 100, widthPx: 1000 },
  drawMs: null, // from the newest rate to its picture
  drawnHz: null,
};
window.explore = { state, playback }; // for the console and the tests

export async function answer(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Error(body.error ?? `The server answered ${response.status}.`);
}

export const json = async (path, options) => (await answer(path, options)).json();

export function query(name) {
  return new URLSearchParams({ method: state.rows[name].method, rate: state.rateHz }).toString();
}

export function runsOf(units, frameRateHz) {
  const runs = [];
  units.forEach((unit, t) => {
    const last = runs.at(-1);
    if (last?.unit === unit) last.endSec = (t + 1) / frameRateHz;
    else runs.push({ unit, startSec: t / frameRateHz, endSec: (t + 1) / frameRateHz });
  });
  return runs;
}
