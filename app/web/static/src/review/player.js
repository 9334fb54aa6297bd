// The sound of an item: starts where the evidence is, and draws the wave with what is marked.

const SEEK_S = 5;
const POINTS = 800;

export const clock = (ms) => {
  const seconds = Math.floor(ms / 1000);
  const rest = String(seconds % 60).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return `${minutes}:${rest}`;
  }
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
};

export const makePlayer = ({ say, ask, at, fill, current }) => {
  const sounds = new Map();
  let marks = null; // What a person marks himself, beside what the evidence names.

  const soundOf = (item) => {
    if (!item.sound) {
      return null;
    }
    if (!sounds.has(item.id)) {
      const audio = document.createElement("audio");
      audio.controls = true;
      audio.preload = "auto";
      audio.setAttribute("aria-label", say.sound);
      const start = item.sound.start_ms / 1000;
      audio.addEventListener(
        "loadedmetadata",
        () => {
          if (audio.currentTime < start) {
            audio.currentTime = start;
          }
        },
        { once: true },
      );
      audio.addEventListener("timeupdate", () => draw(item));
      audio.addEventListener("seeked", () => draw(item));
      audio.addEventListener("playing", () => {
        measure(item);
        follow(item);
      });
      audio.src = item.sound.audio;
      sounds.set(item.id, { audio, wave: null, isAsked: false });
    }
    return sounds.get(item.id);
  };

  const measure = (item) => {
    const shown = `shown ${item.id}`;
    if (performance.getEntriesByName(shown).length) {
      performance.measure("sound-start", { start: shown, detail: item.id });
      performance.clearMarks(shown);
    }
  };

  const forgetOthers = (kept) => {
    for (const [id, sound] of sounds) {
      if (!kept.has(id)) {
        sound.audio.pause();
        sound.audio.removeAttribute("src");
        sound.audio.load();
        sounds.delete(id);
      }
    }
  };

  const play = (sound) => {
    // Browsers refuse to start a sound before the first key or click; the player stays in view.
    sound.audio.play().catch(() => undefined);
  };

  const follow = (item) => {
    const sound = sounds.get(item.id);
    if (!sound || sound.audio.paused || current() !== item) {
      return;
    }
    draw(item);
    window.requestAnimationFrame(() => follow(item));
  };

  const loadWave = async (item) => {
    const sound = soundOf(item);
    if (!sound || sound.isAsked) {
      return;
    }
    sound.isAsked = true;
    try {
      sound.wave = await ask("GET", `${item.sound.waveform}?points=${POINTS}`);
    } catch {
      sound.wave = null;
    }
    if (current() === item) {
      draw(item);
      describe(item);
    }
  };

  const lengthOf = (item) => {
    if (item.call?.duration_ms) {
      return item.call.duration_ms;
    }
    const audio = sounds.get(item.id)?.audio;
    return audio && Number.isFinite(audio.duration) ? audio.duration * 1000 : 0;
  };

  const marked = (item) => {
    const span = item.sound.span;
    if (span.to_ms === null) {
      return span.from_ms ? fill(say.marked_from, { from: clock(span.from_ms) }) : "";
    }
    return fill(say.marked, { from: clock(span.from_ms), to: clock(span.to_ms) });
  };

  const describe = (item) => {
    const sound = soundOf(item);
    const text = fill(say.wave_of, { length: clock(lengthOf(item)), marked: marked(item) });
    at("wave").setAttribute("aria-label", text);
    const missing = sound.isAsked && !sound.wave ? ` ${say.no_wave}` : "";
    at("marked").textContent = marked(item) + missing;
  };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

  const draw = (item) => {
    const sound = sounds.get(item.id);
    if (!sound || current() !== item) {
      return;
    }
    const canvas = at("wave");
    const scale = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(canvas.clientWidth * scale));
    const height = Math.max(1, Math.round(canvas.clientHeight * scale));
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    const total = lengthOf(item);
    if (!total) {
      return;
    }
    const x = (ms) => (Math.min(Math.max(ms, 0), total) / total) * width;
    const span = item.sound.span;
    if (span.to_ms !== null || span.from_ms > 0) {
      const left = x(span.from_ms);
      const right = span.to_ms === null ? left : x(span.to_ms);
      pen.fillStyle = colour("--mark");
      pen.fillRect(left, 0, Math.max(right - left, 3 * scale), height);
    }
    if (sound.wave) {
      drawWave(pen, sound.wave, { width, height });
    }
    if (marks && marks.from !== null) {
      const left = x(marks.from);
      const right = marks.to === null ? left : x(marks.to);
      pen.fillStyle = colour("--own");
      pen.fillRect(left, height - 6 * scale, Math.max(right - left, 3 * scale), 6 * scale);
    }
    pen.fillStyle = colour("--head");
    pen.fillRect(x(sound.audio.currentTime * 1000), 0, 2 * scale, height);
  };

  const drawWave = (pen, wave, { width, height }) => {
    const top = 2 ** (wave.bits - 1);
    const middle = height / 2;
    pen.fillStyle = colour("--wave");
    for (let i = 0; i < wave.length; i += 1) {
      let low = 0;
      let high = 0;
      for (let c = 0; c < wave.channels; c += 1) {
        const where = 2 * (i * wave.channels + c);
        low = Math.min(low, wave.data[where]);
        high = Math.max(high, wave.data[where + 1]);
      }
      const up = (high / top) * middle;
      const down = (low / top) * middle;
      const step = width / wave.length;
      pen.fillRect(i * step, middle - up, Math.max(step * 0.8, 1), Math.max(up - down, 1));
    }
  };

  const show = (item, ahead, isPlayed) => {
    at("sound").hidden = !item.sound;
    at("no-sound").hidden = Boolean(item.sound) || Boolean(item.pack);
    marks = null;
    const kept = new Set([item.id]);
    for (const [id, other] of sounds) {
      if (id !== item.id) {
        other.audio.pause();
      }
    }
    if (item.sound) {
      performance.mark(`shown ${item.id}`);
      const found = soundOf(item);
      if (at("player").firstChild !== found.audio) {
        at("player").replaceChildren(found.audio);
      }
      describe(item);
      draw(item);
      loadWave(item);
      if (isPlayed) {
        play(found);
      }
    } else {
      at("player").replaceChildren();
    }
    if (ahead && ahead !== item) {
      kept.add(ahead.id);
      if (ahead.sound) {
        soundOf(ahead);
        loadWave(ahead);
      }
    }
    forgetOthers(kept);
  };

  const now = () => (current().sound ? soundOf(current()) : null);

  return {
    show,
    lengthOf,
    redraw: () => draw(current()),
    pauseAll: () => sounds.forEach((one) => one.audio.pause()),
    position: () => Math.round((now()?.audio.currentTime ?? 0) * 1000),
    mark: (from, to) => {
      marks = { from, to };
      draw(current());
    },
    toggle: () => {
      const found = now();
      if (found?.audio.paused) {
        play(found);
      } else {
        found?.audio.pause();
      }
    },
    seek: (way) => {
      const found = now();
      if (found) {
        found.audio.currentTime = Math.max(0, found.audio.currentTime + way * SEEK_S);
      }
    },
    toStart: () => {
      const found = now();
      if (found) {
        found.audio.currentTime = current().sound.start_ms / 1000;
        play(found);
      }
    },
  };
};
