"use strict";

// Clears one queue by keyboard: shows an item, starts its sound where the evidence is, and sends
// each verdict to the archive's own routes. Nothing is decided here.

(() => {
  const desk = document.getElementById("desk");
  if (!desk) {
    return;
  }
  const settings = JSON.parse(desk.dataset.settings);
  const say = settings.say;
  const queue = settings.queue;
  const items = settings.items;
  const SEEK_S = 5;
  const FEW_LEFT = 5;
  const POINTS = 800;
  const SHORTEST_REASON = 3;
  const sounds = new Map();
  const settled = new Map();
  const history = [];
  let place = 0;
  let cursor = settings.cursor;
  let waiting = settings.count;
  let isBusy = false;
  let isFetching = false;

  const at = (id) => document.getElementById(id);
  const fill = (text, values) =>
    text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  const moment = new Intl.DateTimeFormat(settings.language, {
    dateStyle: "medium",
    timeStyle: "short",
  });

  const clock = (ms) => {
    const seconds = Math.floor(ms / 1000);
    const rest = String(seconds % 60).padStart(2, "0");
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) {
      return `${minutes}:${rest}`;
    }
    return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
  };

  const length = (seconds) => {
    if (seconds >= 86400) {
      return fill(say.days, { n: Math.floor(seconds / 86400) });
    }
    if (seconds >= 3600) {
      return fill(say.hours, { n: Math.floor(seconds / 3600) });
    }
    return fill(say.minutes, { n: Math.floor(seconds / 60) });
  };

  const tell = (text) => {
    at("status").textContent = text;
  };

  class Refused extends Error {}

  const ask = async (method, path, body) => {
    let answer;
    try {
      answer = await fetch(path, {
        method,
        headers: body === undefined ? {} : { "Content-Type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "same-origin",
      });
    } catch {
      throw new Refused(say.offline);
    }
    const text = await answer.text();
    let found = null;
    try {
      found = text ? JSON.parse(text) : null;
    } catch {
      found = null;
    }
    if (!answer.ok) {
      const slug = String(found?.type ?? "").replace("/problems/", "");
      throw new Refused(settings.problems[slug] ?? found?.title ?? String(answer.status));
    }
    return found;
  };

  // --- Sound -----------------------------------------------------------------------------------

  const soundOf = (item) => {
    if (!item.sound) {
      return null;
    }
    if (!sounds.has(item.id)) {
      const audio = document.createElement("audio");
      audio.controls = true;
      audio.preload = "auto";
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
      audio.addEventListener("playing", () => follow(item));
      audio.src = item.sound.audio;
      sounds.set(item.id, { audio, wave: null, isAsked: false });
    }
    return sounds.get(item.id);
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

  const lengthOf = (item, sound) => {
    if (item.call?.duration_ms) {
      return item.call.duration_ms;
    }
    return Number.isFinite(sound.audio.duration) ? sound.audio.duration * 1000 : 0;
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
    const text = fill(say.wave_of, { length: clock(lengthOf(item, sound)), marked: marked(item) });
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
    const total = lengthOf(item, sound);
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
      drawWave(pen, sound.wave, { total, width, height });
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

  // --- An item ---------------------------------------------------------------------------------

  const current = () => items[place];

  const pair = (list, term, text) => {
    if (!text) {
      return;
    }
    const row = document.createElement("div");
    const name = document.createElement("dt");
    const value = document.createElement("dd");
    name.textContent = term;
    value.textContent = text;
    row.append(name, value);
    list.append(row);
  };

  const facts = (item) => {
    const list = at("facts");
    list.replaceChildren();
    const call = item.call;
    if (call) {
      pair(list, say.client, call.client ?? say.unknown_client);
      pair(list, say.event, call.event);
      pair(list, say.started, moment.format(new Date(call.started_at)));
      pair(list, say.direction, say[call.direction]);
      pair(list, say.agent, call.agent);
      pair(list, say.line, call.line);
    }
    const evidence = item.evidence;
    if (evidence) {
      pair(list, say.party, evidence.party);
      pair(list, say.purposes, evidence.purposes.join(", "));
      pair(list, say.proposed_by, evidence.proposed_by);
    }
    if (item.asked) {
      pair(list, say.purpose, item.asked.purpose_text);
      pair(list, say.recipient, item.asked.client);
      pair(list, say.requested_by, item.asked.requested_by);
    }
    pair(list, say.due, moment.format(new Date(item.due_at)));
    pair(list, say.owner, item.owner?.name);
  };

  const reasons = (item) => {
    const list = at("why");
    list.replaceChildren();
    for (const why of item.why) {
      const row = document.createElement("li");
      const subject = why.subject ? ` (${why.subject})` : "";
      if (why.title) {
        const title = document.createElement("strong");
        title.textContent = `${why.title}${subject}. `;
        row.append(title, why.text);
      } else {
        row.append(`${why.text}${subject}`);
      }
      list.append(row);
    }
  };

  const eyes = (item) => {
    const four = item.four_eyes;
    const needed = four.roles_text.length
      ? fill(say.still_needed, { roles: four.roles_text.join(", ") })
      : "";
    const hindered = four.text ? `${four.text} ${needed}` : "";
    at("eyes").textContent = hindered || (four.roles_text.length > 1 ? needed : "");
    at("eyes").hidden = !at("eyes").textContent;
    const may = four.may_decide && !settled.has(item.id);
    at("do-verify").disabled = !(may && item.links.verify);
    at("do-reject").disabled = !(may && item.links.reject);
  };

  const sound = (item, isPlayed) => {
    at("sound").hidden = !item.sound;
    at("no-sound").hidden = Boolean(item.sound);
    const kept = new Set([item.id]);
    for (const [id, other] of sounds) {
      if (id !== item.id) {
        other.audio.pause();
      }
    }
    if (item.sound) {
      const found = soundOf(item);
      at("player").replaceChildren(found.audio);
      describe(item);
      draw(item);
      loadWave(item);
      if (isPlayed) {
        play(found);
      }
    } else {
      at("player").replaceChildren();
    }
    const ahead = items[nextOpen(place)];
    if (ahead && ahead !== item) {
      kept.add(ahead.id);
      if (ahead.sound) {
        soundOf(ahead);
        loadWave(ahead);
      }
    }
    forgetOthers(kept);
  };

  const show = (where, { isPlayed = true } = {}) => {
    place = where;
    const item = current();
    at("list")?.remove();
    desk.hidden = false;
    at("what").textContent = item.evidence?.kind_text ?? item.asked?.purpose_text ?? item.call?.event ?? "";
    const call = item.call;
    at("call").textContent = call
      ? [call.client ?? say.unknown_client, moment.format(new Date(call.started_at))].join(" · ")
      : "";
    at("place").textContent = fill(say.item_of, { n: place + 1, of: Math.max(waiting + settled.size, items.length) });
    at("age").textContent = `${say.age}: ${length(item.age_seconds)}`;
    at("age").className = item.is_overdue ? "late" : "";
    at("quote").textContent = item.evidence?.quote ? `«${item.evidence.quote}»` : "";
    at("quote").hidden = !item.evidence?.quote;
    at("step").textContent = item.next_step.text;
    desk.dataset.item = item.id;
    reasons(item);
    eyes(item);
    facts(item);
    sound(item, isPlayed);
    take(item);
    more();
  };

  const take = async (item) => {
    // Others see who works on it; where somebody else does, the message says so.
    if (item.isTaken || item.four_eyes.hindrance === "READS_ONLY" || settled.has(item.id)) {
      return;
    }
    item.isTaken = true;
    try {
      await ask("POST", `/v1/review/${queue}/${item.id}/claim`);
    } catch (error) {
      if (error instanceof Refused && current() === item) {
        tell(error.message);
      }
    }
  };

  const more = async () => {
    if (!cursor || isFetching || items.length - place > FEW_LEFT) {
      return;
    }
    isFetching = true;
    try {
      const query = new URLSearchParams({ cursor, lang: settings.language, limit: "20" });
      const found = await ask("GET", `/v1/review/${queue}?${query}`);
      const known = new Set(items.map((item) => item.id));
      items.push(...found.items.filter((item) => !known.has(item.id)));
      cursor = found.next_cursor;
    } catch (error) {
      tell(fill(say.failed, { why: error.message }));
    } finally {
      isFetching = false;
    }
  };

  const nextOpen = (from) => {
    for (let i = from + 1; i < items.length; i += 1) {
      if (!settled.has(items[i].id)) {
        return i;
      }
    }
    return items.findIndex((item, i) => i !== from && !settled.has(item.id));
  };

  const next = () => {
    const where = nextOpen(place);
    if (where >= 0) {
      show(where);
    } else if (settled.has(current().id)) {
      finish();
    }
  };

  const previous = () => {
    if (place > 0) {
      show(place - 1);
    }
  };

  const finish = () => {
    sounds.forEach((one) => one.audio.pause());
    desk.hidden = true;
    at("empty").hidden = false;
  };

  // --- Verdicts --------------------------------------------------------------------------------

  const bodyOf = (isYes, reason) => {
    if (queue === "sample") {
      return isYes ? { verdict: "right" } : { verdict: "wrong", reason };
    }
    if (queue === "policy") {
      return { note: say.note_reason };
    }
    if (queue === "differs") {
      return isYes ? { note: say.stands_reason } : { reason };
    }
    if (queue === "releases") {
      return isYes ? {} : undefined;
    }
    return isYes ? undefined : { reason };
  };

  const outcome = (answer, item) => {
    if (answer?.link?.url) {
      return fill(say.link_once, { url: answer.link.url });
    }
    const isOpen = answer?.status === "proposed" || (answer?.release && !answer.link);
    if (isOpen && queue !== "policy" && queue !== "sample") {
      const roles = item.four_eyes.roles_text.slice(1);
      return fill(say.done_second, { roles: roles.join(", ") || say.nobody });
    }
    return say.done;
  };

  const hindrance = (item) => {
    if (settled.has(item.id)) {
      return say.done;
    }
    if (item.four_eyes.text) {
      return at("eyes").textContent;
    }
    return say.no_verdict;
  };

  const give = async (isYes, reason) => {
    const item = current();
    const path = isYes ? item.links.verify : item.links.reject;
    if (!path || !item.four_eyes.may_decide || settled.has(item.id)) {
      tell(hindrance(item));
      return;
    }
    if (isBusy) {
      return;
    }
    isBusy = true;
    try {
      const answer = await ask("POST", path, bodyOf(isYes, reason));
      settled.set(item.id, true);
      waiting -= 1;
      history.push({ assertion: item.assertion_id, place });
      tell(outcome(answer, item));
      next();
    } catch (error) {
      tell(fill(say.failed, { why: error.message }));
    } finally {
      isBusy = false;
    }
  };

  const undo = async () => {
    const last = history.at(-1);
    if (!last?.assertion || queue === "sample" || queue === "differs" || isBusy) {
      tell(say.nothing_to_undo);
      return;
    }
    isBusy = true;
    try {
      const answer = await ask("POST", `/v1/review/assertions/${last.assertion}/undo`, {
        reason: say.undo_reason,
      });
      history.pop();
      tell(answer.status === "verified" ? say.undo_second : say.undone);
    } catch (error) {
      tell(fill(say.failed, { why: error.message }));
    } finally {
      isBusy = false;
    }
  };

  // --- Dialogs ---------------------------------------------------------------------------------

  const askReason = () => {
    const item = current();
    if (!item.links.reject || !item.four_eyes.may_decide || settled.has(item.id)) {
      tell(hindrance(item));
      return;
    }
    at("words").value = "";
    at("ask-wrong").hidden = true;
    const chosen = document.querySelector("#reasons input:checked");
    if (chosen) {
      chosen.checked = false;
    }
    at("ask").showModal();
    document.querySelector("#reasons input").focus();
  };

  const reasonGiven = () => {
    const chosen = document.querySelector("#reasons input:checked");
    const words = at("words").value.trim();
    const listed = chosen && chosen.value !== "other" ? chosen.dataset.text : "";
    return [listed, words].filter(Boolean).join(": ");
  };

  at("ask").addEventListener("submit", (event) => {
    const reason = reasonGiven();
    if (reason.length < SHORTEST_REASON) {
      event.preventDefault();
      at("ask-wrong").hidden = false;
      return;
    }
    give(false, reason);
  });
  at("ask-cancel").addEventListener("click", () => at("ask").close());

  const LETTERS = "review-letters";
  try {
    at("letters").checked = window.localStorage.getItem(LETTERS) !== "off";
  } catch {
    at("letters").checked = true;
  }
  at("letters").addEventListener("change", () => {
    try {
      window.localStorage.setItem(LETTERS, at("letters").checked ? "on" : "off");
    } catch {
      tell(say.offline);
    }
  });

  // --- Keys ------------------------------------------------------------------------------------

  const toggle = () => {
    const found = current().sound ? soundOf(current()) : null;
    if (!found) {
      return;
    }
    if (found.audio.paused) {
      play(found);
    } else {
      found.audio.pause();
    }
  };

  const seek = (seconds) => {
    const found = current().sound ? soundOf(current()) : null;
    if (found) {
      found.audio.currentTime = Math.max(0, found.audio.currentTime + seconds);
    }
  };

  const toMark = () => {
    const found = current().sound ? soundOf(current()) : null;
    if (found) {
      found.audio.currentTime = current().sound.start_ms / 1000;
      play(found);
    }
  };

  // By the place of the key, so that they work on a Russian layout too.
  const KEYS = {
    KeyV: () => give(true),
    KeyR: askReason,
    KeyN: next,
    KeyP: previous,
    KeyU: undo,
    Space: toggle,
    ArrowLeft: () => seek(-SEEK_S),
    ArrowRight: () => seek(SEEK_S),
    Home: toMark,
  };
  const LETTER = /^Key/;

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const isModified = event.ctrlKey || event.metaKey || event.altKey;
    if (isModified || desk.hidden || document.querySelector("dialog[open]")) {
      return;
    }
    // The focus stays in a dialog for a moment after it was closed; its keys are the desk's again.
    const isInClosed = target.closest("dialog:not([open])");
    if (target.closest("input, textarea, select, audio") && !isInClosed) {
      return;
    }
    if (event.code === "Space" && target.closest("button, a, summary")) {
      return;
    }
    if (event.key === "?") {
      event.preventDefault();
      at("map").showModal();
      return;
    }
    const act = KEYS[event.code];
    if (!act || event.repeat && LETTER.test(event.code)) {
      return;
    }
    if (LETTER.test(event.code) && !at("letters").checked) {
      return;
    }
    event.preventDefault();
    act();
  });

  at("do-verify").addEventListener("click", () => give(true));
  at("do-reject").addEventListener("click", askReason);
  at("do-next").addEventListener("click", next);
  at("do-previous").addEventListener("click", previous);
  at("do-undo").addEventListener("click", undo);
  at("do-keys").addEventListener("click", () => at("map").showModal());
  window.addEventListener("resize", () => draw(current()));
  window
    .matchMedia("(prefers-color-scheme: dark)")
    .addEventListener("change", () => draw(current()));

  show(0);
})();
