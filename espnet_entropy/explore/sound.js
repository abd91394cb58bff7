// Playing exact stretches, and recording.

let context = null;
let source = null;

// What was played last, and whether it still is: for the picture, and for tests.
export const playback = { playing: false, startSec: 0, endSec: 0, began: 0, played: 0 };

function audio() {
  context ??= new AudioContext();
  return context;
}

export function bufferOf(bytes, sampleRate) {
  const samples = new Int16Array(bytes);
  const buffer = audio().createBuffer(1, Math.max(1, samples.length), sampleRate);
  const channel = buffer.getChannelData(0);
  for (let i = 0; i < samples.length; i++) channel[i] = samples[i] / 32768;
  return buffer;
}

export async function play(buffer, startSec, endSec, changed) {
  stop();
  if (audio().state === "suspended") await audio().resume();
  const mine = audio().createBufferSource();
  mine.buffer = buffer;
  mine.connect(audio().destination);
  mine.onended = () => {
    if (source !== mine) return; // another one has taken its place
    playback.playing = false;
    changed();
  };
  source = mine;
  Object.assign(playback, { playing: true, startSec, endSec, began: audio().currentTime });
  playback.played += 1;
  mine.start(0, startSec, endSec - startSec);
  changed();
}

export function stop() {
  const former = source;
  source = null;
  playback.playing = false;
  former?.stop();
}

// Seconds into the sound, while it plays.
export function position() {
  return playback.startSec + audio().currentTime - playback.began;
}

export async function startRecording(maxSec) {
  if (!navigator.mediaDevices) {
    throw new Error("The browser gives a microphone only to pages at localhost or over https.");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    throw new Error(`There is no microphone to use: ${error.message}.`);
  }
  const recorder = new MediaRecorder(stream);
  const pieces = [];
  recorder.ondataavailable = (event) => pieces.push(event.data);
  const done = new Promise((resolve) => {
    recorder.onstop = () => {
      stream.getTracks().forEach((track) => track.stop());
      resolve(new Blob(pieces));
    };
  });
  recorder.start();
  const timer = setTimeout(() => recorder.stop(), maxSec * 1000 - 200);
  const finish = () => {
    clearTimeout(timer);
    if (recorder.state !== "inactive") recorder.stop();
  };
  return { finish, done };
}
