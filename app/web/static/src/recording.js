// The player of a recording: the picture of the sound with what is known of each second, a clip by keys, by
// handles and by fields, and the places that go from it into the forms of the page.

import WaveSurfer from "wavesurfer.js";
import Regions from "wavesurfer.js/plugins/regions";
import { clock, read, write } from "./recording/places.js";
import { drawTalk, drawTold, gapsOf } from "./recording/talk.js";

const SEEK_S = 5;
const STEP_S = 1;
const POINTS = 4000;
const SHORTEST_GAP_MS = 1500;
const SPARED_MS = 300;

const root = document.getElementById("player");
const settings = JSON.parse(root.dataset.settings);
const { say } = settings;
const at = (id) => document.getElementById(id);
const audio = at("audio");
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
const tell = (text) => {
  at("told").textContent = text;
};

const ask = async (path) => {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.title ?? String(answer.status));
  }
  return answer.json();
};

const lengthMs = () => settings.duration_ms || settings.part_from_ms + (audio.duration || 0) * 1000;
let clip = { from: null, to: null };
let gaps = [];
let regions = null;
let clipRegion = null;

// Where only a part may be heard the sound begins later than the call; all places are of the call. The address of a
// part says where in it to begin.
const firstMs = settings.part_from_ms;
const isPart = firstMs > 0 || settings.part_to_ms !== null;
const lastMs = () => settings.part_to_ms ?? lengthMs();
const seek = (ms) => {
  audio.currentTime = (Math.max(firstMs, Math.min(ms, lastMs())) - firstMs) / 1000;
};
const now = () => firstMs + audio.currentTime * 1000;
const toggle = () => (audio.paused ? audio.play().catch(() => undefined) : audio.pause());

// --- the clip -------------------------------------------------------------------------------------

const showClip = () => {
  at("in").value = clip.from === null ? "" : write(clip.from);
  at("out").value = clip.to === null ? "" : write(clip.to);
  clipRegion?.remove();
  clipRegion = null;
  if (regions && clip.from !== null && clip.to !== null && clip.to > clip.from) {
    clipRegion = regions.addRegion({
      id: "clip",
      start: inPicture(clip.from),
      end: inPicture(clip.to),
      drag: true,
      resize: true,
      color: "rgb(29 78 216 / 18%)",
      content: say.clip,
    });
  }
};

const setClip = (part) => {
  clip = { ...clip, ...part };
  showClip();
};

const fromField = (id, side) => {
  const field = at(id);
  const ms = field.value.trim() ? read(field.value) : null;
  field.setAttribute("aria-invalid", String(ms === undefined));
  if (ms !== undefined) {
    setClip({ [side]: ms });
  }
};

// --- from the clip into the forms -----------------------------------------------------------------

const put = (from, to) => {
  at(from).value = write(clip.from ?? now());
  at(to).value = clip.to === null ? "" : write(clip.to);
};

const toMark = () => {
  put("mark-from", "mark-to");
  at("mark-note").focus();
};

const open = () => {
  const form = at("exhibit");
  if (!form || !at("clip-from")) {
    return false;
  }
  form.open = true;
  return true;
};

const toExhibit = () => {
  if (open()) {
    put("clip-from", "clip-to");
    at("exhibit-note").focus();
  }
};

const toSilence = () => {
  if (!open() || clip.from === null || clip.to === null) {
    return;
  }
  for (let place = 0; at(`silence-from-${place}`); place += 1) {
    if (!at(`silence-from-${place}`).value) {
      put(`silence-from-${place}`, `silence-to-${place}`);
      at(`silence-why-${place}`).focus();
      return;
    }
  }
};

// --- while it plays -------------------------------------------------------------------------------

const onTime = () => {
  const here = now();
  at("clock").textContent = fill(say.at, { at: clock(here), of: clock(lengthMs()) });
  if (at("loop").checked && clip.from !== null && clip.to !== null && here >= clip.to) {
    seek(clip.from);
    return;
  }
  if (at("skip").checked && !audio.paused) {
    const gap = gaps.find(([from, to]) => here >= from + SPARED_MS && here < to - SPARED_MS);
    if (gap) {
      tell(fill(say.silent, { length: clock(gap[1] - here) }));
      seek(gap[1] - SPARED_MS / 2);
    }
  }
};

const speed = (step) => {
  const list = at("speed");
  list.selectedIndex = Math.max(0, Math.min(list.options.length - 1, list.selectedIndex + step));
  audio.playbackRate = Number(list.value);
};

const toMarkAt = (forwards) => {
  const places = settings.marks.map((one) => one.from_ms).sort((a, b) => a - b);
  const here = now();
  const found = forwards
    ? places.find((ms) => ms > here + 100)
    : places.reverse().find((ms) => ms < here - 1000);
  if (found !== undefined) {
    seek(found);
  }
};

const flip = (id) => {
  at(id).checked = !at(id).checked;
};

const KEYS = {
  " ": toggle,
  i: () => setClip({ from: Math.round(now()) }),
  o: () => setClip({ to: Math.round(now()) }),
  s: () => flip("skip"),
  r: () => flip("loop"),
  m: toMark,
  d: toExhibit,
  x: toSilence,
  n: () => toMarkAt(true),
  p: () => toMarkAt(false),
  "<": () => speed(-1),
  ">": () => speed(1),
  Home: () => seek(0),
};

const WRITTEN_IN =
  'textarea, select, [contenteditable], input:not([type="checkbox"], [type="radio"], [type="range"], [type="button"], [type="submit"])';

const onKey = (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest(WRITTEN_IN)) {
    return;
  }
  const control = event.target.closest("input, button, summary, a, audio");
  const isSigned = event.key.length === 1 && event.key !== " ";
  // A control keeps the keys that work it: whoever has clicked on "play" goes on by letters all the same.
  if (control && !isSigned && !(control.matches("audio, #wave *") && event.key !== " ")) {
    return;
  }
  const isSeek = event.key === "ArrowLeft" || event.key === "ArrowRight";
  if (isSeek) {
    const step = (event.shiftKey ? STEP_S : SEEK_S) * 1000;
    seek(now() + (event.key === "ArrowLeft" ? -step : step));
    event.preventDefault();
    return;
  }
  if (isSigned && !at("letters").checked) {
    return;
  }
  // By the place of the key, so that the Russian layout works as well.
  const letter = /^Key[A-Z]$/.test(event.code) ? event.code.slice(3).toLowerCase() : event.key;
  const act = KEYS[letter];
  if (act) {
    act();
    event.preventDefault();
  }
};

// --- the picture ----------------------------------------------------------------------------------

const peaksOf = (wave) => {
  const top = 2 ** (wave.bits - 1);
  const peaks = Array.from({ length: wave.channels }, () => new Float32Array(wave.length * 2));
  for (let point = 0; point < wave.length; point += 1) {
    for (let channel = 0; channel < wave.channels; channel += 1) {
      const place = (point * wave.channels + channel) * 2;
      peaks[channel][point * 2] = wave.data[place] / top;
      peaks[channel][point * 2 + 1] = wave.data[place + 1] / top;
    }
  }
  return peaks;
};

// The picture is of what may be heard, and stands where that lies in the call, in line with the lanes.
const inPicture = (ms) => Math.max(0, ms - firstMs) / 1000;
const ofPicture = (seconds) => Math.round(firstMs + seconds * 1000);
const isInPicture = (one) => (one.to_ms ?? one.from_ms) > firstMs && one.from_ms < lastMs();

const drawWave = async () => {
  const wave = await ask(`${settings.waveform}&points=${POINTS}`);
  at("wave").style.marginInlineStart = `${(firstMs / lengthMs()) * 100}%`;
  at("wave").style.marginInlineEnd = `${(1 - lastMs() / lengthMs()) * 100}%`;
  const lane = { waveColor: colour("--wave"), progressColor: colour("--accent") };
  regions = Regions.create();
  const drawn = WaveSurfer.create({
    container: at("wave"),
    media: audio,
    peaks: peaksOf(wave),
    duration: (lastMs() - firstMs) / 1000,
    height: 72,
    splitChannels: Array.from({ length: wave.channels }, () => lane),
    cursorColor: colour("--head"),
    cursorWidth: 2,
    cspNonce: root.dataset.nonce,
    plugins: [regions],
    ...lane,
  });
  await new Promise((done) => {
    drawn.on("ready", done);
  });
  for (const one of settings.notices.filter(isInPicture)) {
    regions.addRegion({
      start: inPicture(one.from_ms),
      end: inPicture(one.to_ms),
      drag: false,
      resize: false,
      color: "rgb(242 201 76 / 35%)",
      content: `${say.notice} ${Math.round(one.share * 100)} %`,
    });
  }
  for (const one of settings.marks.filter(isInPicture)) {
    regions.addRegion({
      start: inPicture(one.from_ms),
      end: one.to_ms === null ? undefined : inPicture(one.to_ms),
      drag: false,
      resize: false,
      color: "rgb(20 83 45 / 25%)",
      content: one.mark,
    });
  }
  regions.on("region-updated", (region) => {
    if (region === clipRegion) {
      clip = { from: ofPicture(region.start), to: ofPicture(region.end) };
      at("in").value = write(clip.from);
      at("out").value = write(clip.to);
    }
  });
  showClip();
  root.dataset.drawn = "yes";
};

const begin = async () => {
  at("controls").hidden = false;
  audio.addEventListener("timeupdate", onTime);
  audio.addEventListener("seeked", onTime);
  at("toggle").addEventListener("click", toggle);
  at("speed").addEventListener("change", () => speed(0));
  at("in").addEventListener("change", () => fromField("in", "from"));
  at("out").addEventListener("change", () => fromField("out", "to"));
  at("to-mark").addEventListener("click", toMark);
  at("to-exhibit")?.addEventListener("click", toExhibit);
  at("to-silence")?.addEventListener("click", toSilence);
  for (const button of document.querySelectorAll("[data-seek]")) {
    button.addEventListener("click", () => {
      seek(Number(button.dataset.seek));
      audio.play().catch(() => undefined);
    });
  }
  document.addEventListener("keydown", onKey);
  if (settings.start_ms && !isPart) {
    if (audio.readyState) {
      seek(settings.start_ms);
    } else {
      audio.addEventListener("loadedmetadata", () => seek(settings.start_ms), { once: true });
    }
  }
  onTime();
  try {
    const sound = await ask(settings.sound);
    gaps = gapsOf(sound, SHORTEST_GAP_MS);
    drawTalk(at("lanes"), sound, settings.leg, lengthMs(), say);
  } catch {
    gaps = []; // Not measured: nothing is skipped.
  }
  drawTold(at("lanes"), settings.told, lengthMs());
  try {
    await drawWave();
  } catch (error) {
    tell(`${say.no_wave} ${error.message}`);
  }
  root.dataset.ready = "yes";
};

begin();
