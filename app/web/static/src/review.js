// Clears one queue by keyboard: shows an item, starts its sound where the evidence is, and sends
// each verdict to the archive's own routes. Nothing is decided here.

import { makeFlips } from "./review/flips.js";
import { makeForms } from "./review/forms.js";
import { makePlayer } from "./review/player.js";
import { askProof } from "./account/proof.js";

const FEW_LEFT = 5;
const SHORTEST_REASON = 3;
const READY_MS = 400; // A second press meant for the item before is no verdict on this one.
const LETTERS = "review-letters";
const SENT_OUT = 401;

const start = (desk) => {
  const settings = JSON.parse(desk.dataset.settings);
  const { say, queue } = settings;
  // Who reads, and neither listens nor looks, asks for nothing that he would be refused.
  const given = (item) => ({
    ...item,
    sound: settings.may_listen ? item.sound : null,
    pictures: settings.may_look ? item.pictures : [],
  });
  const items = settings.items.map(given);
  const settled = new Map();
  const history = [];
  let place = 0;
  let cursor = settings.cursor;
  let waiting = settings.count;
  let isBusy = false;
  let isFetching = false;
  let shownAt = 0;

  const at = (id) => document.getElementById(id);
  const current = () => items[place];
  const fill = (text, values) =>
    text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  const locale = settings.language === "en" ? "en-GB" : "ru-RU";
  const format = (style) => new Intl.DateTimeFormat(locale, { timeZone: settings.zone, ...style });
  // As the other pages write a moment: 30.11.2026 14:16 and 30 Nov 2026 14:16.
  const figures = { day: "2-digit", month: "2-digit" };
  const day = format({ ...(locale === "ru-RU" ? figures : { day: "numeric", month: "short" }), year: "numeric" });
  const hour = format({ timeStyle: "short" });
  const moment = { format: (when) => `${day.format(when)} ${hour.format(when)}` };
  const long = (unit, n) =>
    new Intl.NumberFormat(settings.language, { style: "unit", unit, unitDisplay: "long" }).format(n);

  const length = (seconds) => {
    if (seconds >= 86400) {
      return long("day", Math.floor(seconds / 86400));
    }
    if (seconds >= 3600) {
      return long("hour", Math.floor(seconds / 3600));
    }
    return long("minute", Math.max(1, Math.floor(seconds / 60)));
  };

  const tell = (text, isProblem = false) => {
    at("status").textContent = text;
    at("status").className = isProblem ? "late" : "";
  };

  class Refused extends Error {
    constructor(message, slug = "", problem = null) {
      super(message);
      this.slug = slug;
      this.problem = problem;
    }
  }

  // Whoever's session has ended logs in and comes back to the same item, with what he wrote.
  const logInAgain = () => {
    tell(say.expired, true);
    forms.keep();
    const onward = `/review/${queue}?item=${current().id}`;
    window.location.assign(`/login?${new URLSearchParams({ onward })}`);
  };

  const ask = async (method, path, body, more = {}) => {
    let answer;
    try {
      answer = await fetch(path, {
        method,
        headers: body === undefined ? {} : { "Content-Type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "same-origin",
        ...more,
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
    if (answer.status === SENT_OUT) {
      logInAgain();
      throw new Refused(say.expired);
    }
    if (!answer.ok) {
      const slug = String(found?.type ?? "").replace("/problems/", "");
      if (slug === "proof-needed" && (await askProof())) {
        return ask(method, path, body, more);
      }
      const words = settings.problems[slug] ?? found?.title ?? String(answer.status);
      throw new Refused(words, slug, found);
    }
    return found;
  };

  const failed = (error) => tell(fill(say.failed, { why: error.message }), true);
  const player = makePlayer({ say, ask, at, fill, current });
  const showFlips = makeFlips({ settings, say, ask, at, moment, fill });

  // --- An item -----------------------------------------------------------------------------------

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

  // The archive calls a party `cli` or `own-2`; people read whose side it is on.
  const whoIs = (label) =>
    label?.replace(/^(own|cli)(?=(-\d+)?$)/, (side) => settings.sides[side]) ?? "";

  // The documents that the evidence rests on, each opened in a window of its own.
  const papers = (item) => {
    const links = (item.evidence?.papers ?? []).map((one) => {
      const row = document.createElement("li");
      const link = document.createElement("a");
      link.href = one.file;
      link.target = "_blank";
      link.rel = "noopener";
      link.textContent = one.title;
      row.append(link);
      return row;
    });
    at("papers").replaceChildren(...links);
    at("papers").hidden = links.length === 0;
  };

  const facts = (item) => {
    const list = at("facts");
    list.replaceChildren();
    const { call, evidence, asked, pack } = item;
    if (call) {
      pair(list, say.client, call.client ?? say.unknown_client);
      pair(list, say.event, call.event);
      pair(list, say.started, moment.format(new Date(call.started_at)));
      pair(list, say.direction, say[call.direction]);
      pair(list, say.agent, call.agent);
      pair(list, say.line, call.line);
      pair(list, say.proof, call.proof && `${call.proof}: ${say[`proof_${call.proof}`]}`);
    }
    if (evidence) {
      pair(list, say.party, whoIs(evidence.party));
      for (const told of evidence.told) {
        pair(list, told.text, told.value);
      }
      pair(list, say.purposes, evidence.purposes.join(", "));
      pair(list, say.proposed_by, evidence.proposed_by);
    }
    if (asked) {
      pair(list, say.purpose, asked.purpose_text);
      pair(list, say.recipient, [asked.contact, asked.client].filter(Boolean).join(", "));
      pair(list, say.requested_by, asked.requested_by);
    }
    if (pack) {
      pair(list, say.version, `${pack.jurisdiction} ${pack.version}`);
      pair(list, say.effective, pack.effective_from);
      pair(list, say.proposed_by, pack.proposed_by);
    }
    pair(list, say.due, moment.format(new Date(item.due_at)));
  };

  const reasons = (item, list) => {
    list.replaceChildren();
    for (const why of item.why) {
      const row = document.createElement("li");
      const link = document.createElement("a");
      link.href = `/help/reasons/${why.code}`;
      link.target = "_blank";
      link.rel = "noopener";
      link.textContent = why.title || why.text;
      row.append(link, why.subject ? ` (${whoIs(why.subject)})` : "");
      if (why.title && why.text) {
        row.append(`: ${why.text}`);
      }
      list.append(row);
    }
  };

  // The archive names nobody whose time is over; this machine's clock is not asked.
  const isOthers = (item) => Boolean(item.owner) && item.owner.id !== settings.person;

  const state = (item) => {
    const { propose, screen, know } = item.links;
    const may = item.four_eyes.may_decide || propose || screen || know;
    const until = item.owner ? hour.format(new Date(item.owner.until)) : "";
    let [word, type] = may ? [`● ${say.for_you}`, "mine"] : [`◐ ${say.for_others}`, "others"];
    if (settled.has(item.id)) {
      [word, type] = [`✓ ${say.settled}`, "settled"];
    } else if (isOthers(item)) {
      [word, type] = [`◑ ${fill(say.theirs, { name: item.owner.name, until })}`, "others"];
    } else if (item.owner && may) {
      word = `● ${fill(say.mine, { until })}`;
    }
    at("state").textContent = word;
    at("state").className = `state ${type}`;
  };

  const eyes = (item) => {
    const four = item.four_eyes;
    const needed = four.roles_text.length
      ? fill(say.still_needed, { roles: four.roles_text.join(", ") })
      : "";
    const hindered = four.text ? `${four.text} ${needed}` : "";
    at("eyes").textContent = hindered || (four.roles_text.length > 1 ? needed : "");
    at("eyes").hidden = !at("eyes").textContent;
    const may = four.may_decide && !settled.has(item.id) && !isOthers(item);
    at("do-verify").disabled = !(may && item.links.verify);
    at("do-reject").disabled = !(may && item.links.reject);
    at("do-reject").hidden = !item.links.reject;
    at("verdicts").hidden = !item.links.verify;
    const isProposed = item.pack && !item.pack.activated_at;
    at("verify-text").textContent = isProposed ? say.agree : verdict;
    state(item);
  };
  const verdict = at("verify-text").textContent;

  // Screenshots as they would leave, each with what is known of it; the first unseen is what S speaks of.
  const pictures = (item) => {
    const shown = item.pictures.map((one, n) => {
      const figure = document.createElement("figure");
      const image = document.createElement("img");
      const words = document.createElement("figcaption");
      image.src = one.preview;
      image.alt = fill(say.picture_of, { n: n + 1, of: item.pictures.length });
      words.textContent = `${image.alt}: ${one.is_screened ? `✓ ${say.picture_seen}` : `? ${say.picture_unseen}`}`;
      figure.append(image, words);
      return figure;
    });
    at("pictures").replaceChildren(...shown);
    at("pictures").hidden = shown.length === 0;
    if (shown.length) {
      at("no-sound").hidden = true;
    }
  };

  const titleOf = (item) => {
    const pack = item.pack ? `${say.version} ${item.pack.jurisdiction} ${item.pack.version}` : "";
    return item.evidence?.kind_text ?? item.asked?.purpose_text ?? (pack || item.call?.event) ?? "";
  };

  const show = (where, { isPlayed = true } = {}) => {
    if (where !== place) {
      letGo(current());
    }
    place = where;
    const item = current();
    item.isSettled = settled.has(item.id);
    at("list")?.remove();
    desk.hidden = false;
    at("what").textContent = titleOf(item);
    const call = item.call;
    at("call").textContent = call
      ? [call.client ?? say.unknown_client, moment.format(new Date(call.started_at))].join(" · ")
      : "";
    const all = Math.max(waiting + settled.size, items.length);
    at("place").textContent = fill(say.item_of, { n: place + 1, of: all });
    const late = item.is_overdue ? ` · ! ${say.late}` : "";
    at("age").textContent = `${say.age} ${length(item.age_seconds)}${late}`;
    at("age").className = item.is_overdue ? "late" : "";
    at("quote").textContent = item.evidence?.quote ? `«${item.evidence.quote}»` : "";
    at("quote").hidden = !item.evidence?.quote;
    at("step").textContent = item.next_step.text;
    desk.dataset.item = item.id;
    reasons(item, at("why"));
    eyes(item);
    facts(item);
    papers(item);
    player.show(item, items[nextOpen(place)], isPlayed);
    pictures(item);
    forms.show(item);
    showFlips(item, () => current() === item);
    ready();
    take(item);
    more();
  };

  const ready = () => {
    shownAt = performance.now();
    delete desk.dataset.ready;
    window.setTimeout(() => {
      if (performance.now() - shownAt >= READY_MS) {
        desk.dataset.ready = "yes";
      }
    }, READY_MS + 1);
  };

  // --- Whose item it is --------------------------------------------------------------------------

  const claimOf = (item) => `/v1/review/${queue}/${item.id}/claim`;

  const take = async (item) => {
    // Others see who works on it; where somebody else does, the item says so.
    if (item.four_eyes.hindrance === "READS_ONLY" || settled.has(item.id)) {
      return;
    }
    try {
      const taken = await ask("POST", claimOf(item));
      item.owner = { id: settings.person, name: "", until: taken.until };
    } catch (error) {
      if (error.slug === "claim-taken") {
        item.owner = { id: "", name: error.problem.owner, until: error.problem.until };
      }
      if (current() === item && error.message !== say.expired) {
        tell(error.message, true);
      }
    }
    if (current() === item) {
      eyes(item);
    }
  };

  const letGo = (item) => {
    const isMine = item.owner?.id === settings.person;
    if (isMine && !settled.has(item.id)) {
      item.owner = null;
      ask("DELETE", claimOf(item), undefined, { keepalive: true }).catch(() => undefined);
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
      items.push(...found.items.filter((item) => !known.has(item.id)).map(given));
      cursor = found.next_cursor;
    } catch (error) {
      failed(error);
    } finally {
      isFetching = false;
    }
  };

  const again = async (item) => {
    const where = items.indexOf(item);
    try {
      const query = new URLSearchParams({ lang: settings.language });
      items[where] = given(await ask("GET", `/v1/review/${queue}/${item.id}?${query}`));
      show(where, { isPlayed: false });
    } catch (error) {
      failed(error);
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
    player.pauseAll();
    desk.hidden = true;
    at("empty").hidden = false;
    at("main").focus();
  };

  // --- Verdicts ----------------------------------------------------------------------------------

  const isPack = (item) => item.pack && !item.pack.activated_at;

  const bodyOf = (item, isYes, reason) => {
    if (queue === "sample") {
      return isYes ? { verdict: "right" } : { verdict: "wrong", reason };
    }
    if (queue === "policy" && !isPack(item)) {
      return { note: say.note_reason };
    }
    if (queue === "asked") {
      return { note: say.asked_reason };
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
    const isOpen =
      answer?.status === "proposed" ||
      answer?.state === "approved" ||
      (answer?.release && !answer.link);
    if (isOpen && queue !== "sample") {
      const roles = item.four_eyes.roles_text.slice(1);
      return fill(say.done_second, { roles: roles.join(", ") || say.nobody });
    }
    return say.done;
  };

  const hindrance = (item) => {
    if (settled.has(item.id)) {
      return say.done;
    }
    if (isOthers(item)) {
      return at("state").textContent;
    }
    if (item.four_eyes.text) {
      return at("eyes").textContent;
    }
    return say.no_verdict;
  };

  const isHindered = (item, path) =>
    !path || !item.four_eyes.may_decide || settled.has(item.id) || isOthers(item);

  const settle = (item, entry, words) => {
    settled.set(item.id, true);
    waiting -= 1;
    history.push(entry);
    tell(words);
    next();
  };

  const give = async (isYes, reason) => {
    const item = current();
    const path = isYes ? item.links.verify : item.links.reject;
    if (isHindered(item, path)) {
      tell(hindrance(item));
      if (isOthers(item)) {
        take(item);
      }
      return;
    }
    if (isBusy) {
      return;
    }
    if (isYes && performance.now() - shownAt < READY_MS) {
      tell(say.wait);
      return;
    }
    isBusy = true;
    try {
      const answer = await ask("POST", path, bodyOf(item, isYes, reason));
      settle(item, { assertion: item.assertion_id }, outcome(answer, item));
    } catch (error) {
      failed(error);
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
      failed(error);
    } finally {
      isBusy = false;
    }
  };

  // What was written down about an item: a proposal leaves it to others, the rest is looked at anew.
  const done = (item, kind) => {
    if (item.links.propose) {
      const told = { refusal: say.blocked_done, none: say.nothing_done }[kind];
      settle(item, { assertion: null }, told ?? say.proposed_done);
    } else {
      tell(say.looked_done);
      again(item);
    }
  };

  const forms = makeForms({ settings, say, ask, at, fill, tell, current, player, done });

  // --- Dialogs -----------------------------------------------------------------------------------

  const askReason = () => {
    const item = current();
    if (isHindered(item, item.links.reject)) {
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

  const help = () => {
    reasons(current(), at("map-why"));
    at("map").showModal();
  };

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

  // --- Keys --------------------------------------------------------------------------------------

  // By the place of the key, so that they work on a Russian layout too.
  const KEYS = {
    KeyV: () => give(true),
    KeyR: askReason,
    KeyN: next,
    KeyP: previous,
    KeyU: undo,
    KeyS: () => forms.open("screen"),
    KeyI: () => forms.open("know"),
    Space: player.toggle,
    ArrowLeft: () => player.seek(-1),
    ArrowRight: () => player.seek(1),
    Home: player.toStart,
    BracketLeft: () => forms.markAt("from"),
    BracketRight: () => forms.markAt("to"),
  };
  const SINGLE = /^(Key|Digit|Bracket)/;

  const actOf = (event) => {
    const digit = /^(?:Digit|Numpad)([1-5])$/.exec(event.code);
    return digit ? () => forms.openByPlace(Number(digit[1])) : KEYS[event.code];
  };

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const isModified = event.ctrlKey || event.metaKey || event.altKey;
    if (isModified || desk.hidden || document.querySelector("dialog[open]")) {
      return;
    }
    // The focus stays in a dialog for a moment after it was closed; its keys are the desk's again.
    const isInClosed = target.closest("dialog:not([open])");
    if (target.closest("input, textarea, select, audio, .scroll") && !isInClosed) {
      return;
    }
    if (event.code === "Space" && target.closest("button, a, summary")) {
      return;
    }
    if (event.key === "?") {
      event.preventDefault();
      help();
      return;
    }
    const act = event.shiftKey ? null : actOf(event);
    if (!act || (SINGLE.test(event.code) && (event.repeat || !at("letters").checked))) {
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
  at("do-keys").addEventListener("click", help);
  window.addEventListener("pagehide", () => letGo(current()));
  window.addEventListener("resize", player.redraw);
  window
    .matchMedia("(prefers-color-scheme: dark)")
    .addEventListener("change", player.redraw);

  const first = items.findIndex((item) => item.id === settings.start);
  show(Math.max(first, 0));
  forms.restore();
};

const desk = document.getElementById("desk");
if (desk) {
  start(desk);
}
