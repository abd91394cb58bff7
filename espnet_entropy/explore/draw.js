// The canvases, drawn for what is in view only. `view` is {startSec, pxPerSec, widthPx}.

const COLOURS = { A: "#1c4587", B: "#a23b00" };
const TINTS = { A: ["#ffffff", "#dfe8f6"], B: ["#ffffff", "#f8e4d8"], words: ["#ffffff", "#ececec"] };
const FONT = "12px system-ui, sans-serif";

// A context in CSS pixels, cleared.
function fresh(canvas, view) {
  const dense = window.devicePixelRatio || 1;
  const height = Number((canvas.dataset.height ??= canvas.getAttribute("height")));
  canvas.width = Math.round(view.widthPx * dense);
  canvas.height = Math.round(height * dense);
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, view.widthPx, height);
  pen.font = FONT;
  pen.textBaseline = "middle";
  return [pen, height];
}

const xOf = (view, sec) => (sec - view.startSec) * view.pxPerSec;

// The first of sorted items whose end is in view, by bisection: there may be many thousands.
function firstInView(items, view) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].endSec <= view.startSec) low = middle + 1;
    else high = middle;
  }
  return low;
}

function* inView(items, view) {
  const end = view.startSec + view.widthPx / view.pxPerSec;
  for (let i = firstInView(items, view); i < items.length && items[i].startSec < end; i++) yield i;
}

// Boxes with labels where they fit; `chosen` is outlined, `playing` filled.
export function drawBoxes(canvas, view, items, name, chosen, playing) {
  const [pen, height] = fresh(canvas, view);
  const colour = COLOURS[name] ?? "#000";
  // Units in segments when most of them fit: before, the few that do say nothing.
  const labelled = name === "words" || view.pxPerSec > 700;
  for (const i of inView(items, view)) {
    const { startSec, endSec, label } = items[i];
    const x = xOf(view, startSec);
    const width = xOf(view, endSec) - x;
    pen.fillStyle = i === playing ? colour : TINTS[name][i % 2];
    pen.fillRect(x, 0, width, height);
    pen.fillStyle = colour;
    pen.fillRect(Math.round(x), 0, 1, height);
    if (name === "words") pen.fillRect(Math.round(x + width), 0, 1, height);
    if (i === chosen) {
      pen.strokeStyle = "#000";
      pen.lineWidth = 3;
      pen.strokeRect(x + 1.5, 1.5, Math.max(1, width - 3), height - 3);
    }
    const room = name === "words" ? width : Math.min(width, 2 * (x + width / 2 - 20)); // by the letter
    if (labelled && pen.measureText(label).width < room - 6) {
      pen.fillStyle = i === playing ? "#fff" : "#111";
      pen.textAlign = "center";
      pen.fillText(label, x + width / 2, height / 2);
    }
  }
  if (name === "words") return;
  pen.textAlign = "left";
  pen.font = `bold 15px ${FONT.slice(5)}`;
  halo(pen, name, 6, height / 2, colour);
}

// The spectrogram as a picture of its own, in inverted grey, drawn once a sound.
export function spectrogramImage(bytes, rows) {
  const columns = Math.max(1, Math.floor(bytes.length / rows));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(columns, rows);
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) {
      const at = 4 * ((rows - 1 - row) * columns + column);
      // Not down to black, so that curve and boundaries stand out.
      image.data.fill(255 - 0.62 * bytes[column * rows + row], at, at + 3);
      image.data[at + 3] = 255;
    }
  }
  pen.putImageData(image, 0, 0);
  return canvas;
}

export function drawPlot(canvas, view, sound, rows, cursorSec) {
  const [pen, height] = fresh(canvas, view);
  const scale = sound.columnsPerSec;
  pen.drawImage(
    sound.image, view.startSec * scale + 0.5, 0, (view.widthPx / view.pxPerSec) * scale,
    sound.image.height, 0, 0, view.widthPx, height);
  drawLines(pen, view, rows.A.items, COLOURS.A, [], 0, height / 2);
  drawLines(pen, view, rows.B.items, COLOURS.B, [5, 3], height / 2, height);
  const yOf = (nats) => height - 8 - (nats / sound.mostNats) * (height - 20);
  drawCurve(pen, view, sound, yOf);
  drawScales(pen, view, height, sound, yOf);
  if (cursorSec !== null) {
    pen.fillStyle = "#000";
    pen.fillRect(xOf(view, cursorSec) - 1, 0, 2, height);
  }
}

function drawLines(pen, view, items, colour, dash, top, bottom) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1.3;
  pen.setLineDash(dash);
  pen.beginPath();
  for (const i of inView(items, view)) {
    const x = Math.round(xOf(view, items[i].startSec)) + 0.5;
    pen.moveTo(x, top);
    pen.lineTo(x, bottom);
  }
  pen.stroke();
  pen.setLineDash([]);
}

function halo(pen, text, x, y, colour = "#111") {
  pen.strokeStyle = "#fff";
  pen.lineWidth = 4;
  pen.strokeText(text, x, y);
  pen.fillStyle = colour;
  pen.fillText(text, x, y);
}

// Nats at the right, kHz at the left.
function drawScales(pen, view, height, { mostNats, sampleRate }, yOf) {
  pen.textAlign = "right";
  for (let nats = 0; nats <= mostNats; nats += 1) {
    halo(pen, nats === 0 ? "0 nats" : String(nats), view.widthPx - 6, yOf(nats));
  }
  pen.textAlign = "left";
  for (let khz = 2; khz < sampleRate / 2000; khz += 2) {
    halo(pen, `${khz} kHz`, 6, height * (1 - khz / (sampleRate / 2000)));
  }
}

function drawCurve(pen, view, sound, yOf) {
  const shift = 1 / sound.frameRateHz;
  const first = Math.max(0, Math.floor(view.startSec / shift) - 1);
  const last = Math.min(
    sound.entropies.length, Math.ceil((view.startSec + view.widthPx / view.pxPerSec) / shift) + 1);
  pen.beginPath();
  for (let t = first; t < last; t++) {
    const y = yOf(sound.entropies[t]);
    pen.lineTo(xOf(view, t * shift), y);
    pen.lineTo(xOf(view, (t + 1) * shift), y);
  }
  pen.lineJoin = "round";
  // A wide halo around a dense curve would hide the spectrogram.
  const halfFree = Math.min(1.5, (shift * view.pxPerSec) / 5);
  for (const [colour, width] of [["#fff", 1.6 + 2 * halfFree], ["#000", 1.6]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke();
  }
}

// A block a run of one unit; equal units have equal shades.
export function drawUnits(canvas, view, runs) {
  const [pen, height] = fresh(canvas, view);
  pen.textAlign = "center";
  for (const i of inView(runs, view)) {
    const { startSec, endSec, unit } = runs[i];
    const x = xOf(view, startSec);
    const width = xOf(view, endSec) - x;
    pen.fillStyle = `hsl(0 0% ${62 + ((unit * 37) % 34)}%)`;
    pen.fillRect(x, 0, width + 0.5, height);
    pen.fillStyle = "#111";
    if (pen.measureText(unit).width < width - 2) pen.fillText(unit, x + width / 2, height / 2);
  }
}

export function drawAxis(canvas, view) {
  const [pen] = fresh(canvas, view);
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60].find((s) => s * view.pxPerSec > 70) ?? 120;
  const end = view.startSec + view.widthPx / view.pxPerSec;
  pen.fillStyle = "#111";
  for (let n = Math.ceil(view.startSec / step); n * step < end; n++) {
    const x = xOf(view, n * step);
    pen.fillRect(Math.round(x), 0, 1, 5);
    pen.textAlign = x < 20 ? "left" : "center";
    pen.fillText(`${(n * step).toFixed(step < 1 ? 1 : 0)} s`, x < 20 ? 2 : x, 14);
  }
}
