// The page: sounds come in, and controls are wired up.

import { spectrogramImage } from "./draw.js";
import {
  alignWords, animate, itemAt, playItem, pressed, readOut, redraw, refresh, secAt,
} from "./picture.js";
import { answer, by, json, runsOf, state } from "./state.js";
import { bufferOf, play, startRecording, stop } from "./sound.js";

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
  if (working) return tell("Wait until the former sound is done.");
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

async function show(sound) {
  stop();
  const [samples, picture] = await Promise.all(
    ["samples", "spectrogram"].map((part) => answer(`/api/sounds/${sound.key}/${part}`)));
  const { setup } = state;
  const bytes = new Uint8Array(await picture.arrayBuffer());
  sound.image = spectrogramImage(bytes, Number(picture.headers.get("X-Rows")));
  sound.columnsPerSec = setup.sample_rate / Number(picture.headers.get("X-Hop"));
  sound.buffer = bufferOf(await samples.arrayBuffer(), setup.sample_rate);
  sound.frameRateHz = setup.frame_rate_hz;
  sound.sampleRate = setup.sample_rate;
  sound.mostNats = Math.log(setup.num_units);
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
  recording = { finish() {} }; // until the browser has been allowed to listen
  try {
    recording = await startRecording(state.setup.max_sec);
  } catch (error) {
    recording = null;
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
