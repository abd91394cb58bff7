// The page: what is chosen, what the server makes of it, and where it is drawn.

import { drawAxis, drawBoxes, drawPlot, drawUnits, spectrogramImage } from "./draw.js";
import { bufferOf, play, playback, position, startRecording, stop } from "./sound.js";

const by = (id) => document.getElementById(id);
const row = (method) => ({ method, items: [], chosen: 0, reachedHz: null, refused: "" });
const state = {
  setup: null,
  sound: null,
  rateHz: 15,
  rows: { A: row("dp"), B: row("uniform"), words: { ...row(""), items: [] } },
  playingRow: null,
  view: { startSec: 0, pxPerSec: 100, widthPx: 1000 },
  drawMs: null,
};
window.explore = { state, playback }; // for the console and the tests

// ---- the server

async function answer(path, options) {
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

const json = async (path, options) => (await answer(path, options)).json();

function query(name) {
  return new URLSearchParams({ method: state.rows[name].method, rate: state.rateHz }).toString();
}

// ---- messages

function tell(text) {
  by("status").textContent = text;
}

function complain(error) {
  by("error").hidden = !error;
  by("error").textContent = error ? error.message : "";
}

// One at a time; what goes wrong is told.
let working = false;
async function work(text, task) {
  if (working) return;
  working = true;
  complain(null);
  tell(text);
  try {
    await task();
  } catch (error) {
    tell("");
    complain(error);
  } finally {
    working = false;
  }
}

// ---- sounds

function upload(blob, name) {
  return work(`Making units of ${name} …`, async () => {
    const most = state.setup.max_bytes;
    if (blob.size > most) {
      const mb = (bytes) => (bytes / 2 ** 20).toFixed(1).replace(/\.0$/, "");
      throw new Error(`${name} has ${mb(blob.size)} MB; at most ${mb(most)} MB are taken.`);
    }
    const headers = { "Content-Type": "application/octet-stream" };
    const path = `/api/sounds?${new URLSearchParams({ name })}`;
    await show(await json(path, { method: "POST", headers, body: blob }));
  });
}

function runsOf(units, frameRateHz) {
  const runs = [];
  units.forEach((unit, t) => {
    const last = runs.at(-1);
    if (last?.unit === unit) last.endSec = (t + 1) / frameRateHz;
    else runs.push({ unit, startSec: t / frameRateHz, endSec: (t + 1) / frameRateHz });
  });
  return runs;
}

async function show(sound) {
  stop();
  const [samples, picture] = await Promise.all(
    ["samples", "spectrogram"].map((part) => answer(`/api/sounds/${sound.key}/${part}`)));
  const { setup } = state;
  const bytes = new Uint8Array(await picture.arrayBuffer());
  sound.image = spectrogramImage(bytes, Number(picture.headers.get("X-Rows")));
  sound.buffer = bufferOf(await samples.arrayBuffer(), setup.sample_rate);
  sound.frameRateHz = setup.frame_rate_hz;
  sound.sampleRate = setup.sample_rate;
  sound.mostNats = Math.max(Math.log(setup.num_units), ...sound.entropies.slice(0, 1000));
  sound.runs = runsOf(sound.units, sound.frameRateHz);
  state.sound = sound;
  for (const one of Object.values(state.rows)) Object.assign(one, { items: [], chosen: 0 });
  by("row-words").hidden = true;
  by("text").value = sound.text;
  by("words-status").textContent = "";
  by("picture").hidden = false;
  tell(`${sound.name}: ${sound.duration_sec.toFixed(2)} s, ${sound.units.length} units`);
  await refresh();
  if (sound.text && setup.words) await alignWords();
}

// ---- segments

let busy = false;
let again = false;

// While the server works, only the newest rate waits.
async function refresh() {
  if (!state.sound) return;
  again = true;
  if (busy) return;
  busy = true;
  while (again) {
    again = false;
    const began = performance.now();
    await Promise.all(["A", "B"].map(fetchRow));
    redraw();
    state.drawMs = performance.now() - began;
  }
  busy = false;
}

async function fetchRow(name) {
  const { sound } = state;
  const one = state.rows[name];
  try {
    const made = await json(`/api/sounds/${sound.key}/segments?${query(name)}`);
    if (sound !== state.sound) return;
    const ends = [...made.starts.slice(1), sound.units.length];
    one.items = made.starts.map((start, i) => ({
      startSec: start / sound.frameRateHz,
      endSec: ends[i] / sound.frameRateHz,
      label: runsOf(sound.units.slice(start, ends[i]), 1).map((run) => run.unit).join(" "),
    }));
    Object.assign(one, { reachedHz: made.rate_hz, refused: "" });
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

function alignWords() {
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
  // From all of it to 12 pixels a unit.
  const closest = Math.max(fit, 12 * sound.frameRateHz);
  view.pxPerSec = fit * (closest / fit) ** (by("zoom").value / 100);
  by("wide").style.width = `${Math.floor(view.pxPerSec * sound.duration_sec)}px`;
  by("sticky").style.width = `${view.widthPx}px`;
  view.startSec = by("scroller").scrollLeft / view.pxPerSec;
}

function redraw() {
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

function animate() {
  redraw();
  if (playback.playing) requestAnimationFrame(animate);
}

// ---- playing and choosing

function playItem(name, i) {
  const item = state.rows[name].items[i];
  if (!item) return;
  choose(name, i);
  state.playingRow = name;
  play(state.sound.buffer, item.startSec, item.endSec, animate);
}

function choose(name, i) {
  const one = state.rows[name];
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

function secAt(event) {
  const left = by("sticky").getBoundingClientRect().left;
  return state.view.startSec + (event.clientX - left) / state.view.pxPerSec;
}

const itemAt = (name, sec) =>
  state.rows[name].items.findIndex((item) => item.startSec <= sec && sec < item.endSec);

function pressed(name, event) {
  const { chosen, items } = state.rows[name];
  const to = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, Home: 0, End: items.length - 1 };
  if (event.key in to) choose(name, to[event.key]);
  else if (event.key === "Enter" || event.key === " ") playItem(name, chosen);
  else return;
  event.preventDefault();
}

function readOut(event) {
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

// ---- setting up

function setRate(value) {
  if (!(Number(value) > 0)) return;
  state.rateHz = Number(value);
  by("rate").value = state.rateHz;
  by("rate").setAttribute("aria-valuetext", `${state.rateHz} segments a second`);
  if (Number(by("rate-number").value) !== state.rateHz) by("rate-number").value = state.rateHz;
  refresh();
}

function methodLabel({ name, min_hz, max_hz }) {
  return min_hz === null ? name : `${name} (${min_hz.toFixed(0)} to ${max_hz.toFixed(0)} Hz)`;
}

function buildRow(name) {
  const box = by(`controls-${name}`);
  const select = document.createElement("select");
  select.id = `method-${name}`;
  for (const method of state.setup.methods) {
    select.add(new Option(methodLabel(method), method.name));
  }
  const names = state.setup.methods.map((method) => method.name);
  if (!names.includes(state.rows[name].method)) [state.rows[name].method] = names;
  select.value = state.rows[name].method;
  select.onchange = () => {
    state.rows[name].method = select.value;
    refresh();
  };
  const label = Object.assign(document.createElement("label"), {
    htmlFor: select.id, className: "letter", textContent: `Method ${name}`,
  });
  const reached = Object.assign(document.createElement("span"), { className: "reached" });
  const download = Object.assign(document.createElement("span"), { textContent: "download " });
  const links = [["json", "JSON"], ["tsv", "table"], ["TextGrid", "TextGrid"]].map(
    ([format, textContent]) => {
      const link = Object.assign(document.createElement("a"), { textContent, download: "" });
      link.dataset.format = format;
      link.setAttribute("aria-label", `download units and segments of ${name} as ${textContent}`);
      return link;
    });
  box.append(label, select, reached, download, ...links);
}

let recording = null;
async function toggleRecording() {
  if (recording) return recording.finish();
  complain(null);
  try {
    recording = await startRecording(state.setup.max_sec);
  } catch (error) {
    return complain(error);
  }
  by("record").setAttribute("aria-pressed", "true");
  by("record").textContent = "■ Stop recording";
  tell("Recording …");
  const sound = await recording.done;
  recording = null;
  by("record").setAttribute("aria-pressed", "false");
  by("record").textContent = "● Record";
  await upload(sound, "recording");
}

function listenToSounds() {
  by("file").onchange = () => {
    const [file] = by("file").files;
    if (file) upload(file, file.name);
    by("file").value = ""; // so that the same file can be chosen again
  };
  by("record").onclick = toggleRecording;
  by("load-example").onclick = () =>
    work("Making units …", async () =>
      show(await json(`/api/examples/${by("example").value}`, { method: "POST" })));
  const drop = by("drop");
  drop.ondragover = (event) => {
    event.preventDefault();
    drop.classList.add("over");
  };
  drop.ondragleave = () => drop.classList.remove("over");
  drop.ondrop = (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) upload(file, file.name);
  };
}

function listenToPicture() {
  for (const name of ["A", "B", "words"]) {
    const canvas = by(`row-${name}`);
    canvas.onclick = (event) => playItem(name, itemAt(name, secAt(event)));
    canvas.onkeydown = (event) => pressed(name, event);
    canvas.onfocus = canvas.onblur = redraw;
  }
  by("plot").onclick = (event) => {
    const name = event.offsetY < by("plot").clientHeight / 2 ? "A" : "B";
    playItem(name, itemAt(name, secAt(event)));
  };
  by("sticky").onmousemove = readOut;
  by("play-all").onclick = () => {
    state.playingRow = null;
    play(state.sound.buffer, 0, state.sound.duration_sec, animate);
  };
  by("stop").onclick = () => {
    stop();
    redraw();
  };
  by("zoom").oninput = redraw;
  by("scroller").onscroll = redraw;
  window.onresize = redraw;
  by("words-form").onsubmit = (event) => {
    event.preventDefault();
    alignWords();
  };
}

async function begin() {
  const setup = (state.setup = await json("/api/setup"));
  by("about").textContent =
    `${setup.num_units} units of ${setup.extractor} features, ${setup.frame_rate_hz} a second. ` +
    "A language model over them says how uncertain the next one is; boundaries follow from that.";
  const most = Math.min(50, setup.frame_rate_hz);
  by("rate").max = by("rate-number").max = most;
  by("rate-high").textContent = `${most}: many, short`;
  ["A", "B"].forEach(buildRow);
  setup.examples.forEach((name, i) => by("example").add(new Option(name, i)));
  by("example-box").hidden = !setup.examples.length;
  by("words-form").hidden = !setup.words;
  by("rate").oninput = () => setRate(by("rate").value);
  by("rate-number").oninput = () => setRate(by("rate-number").value);
  listenToSounds();
  listenToPicture();
  tell("Choose, drop or record a sound.");
  document.body.dataset.ready = "true";
}

begin().catch(complain);
