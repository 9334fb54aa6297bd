// The forms of who has listened: what was heard, from where to where, and what a release lacks.

import { clock } from "./player.js";

const LEAST_STAY_MS = 3000;
const PROPOSED = ["ivr_notice", "verbal_notice", "verbal_consent", "refusal", "none"];
const DRAFT = "review-draft";

const text = (ms) => {
  const tenths = Math.floor(ms / 100) % 10;
  return tenths ? `${clock(ms)}.${tenths}` : clock(ms);
};

// Reads 1:02.5, 62.5 and 1:02,5; null where it is no time.
const read = (written) => {
  const parts = written.trim().replace(",", ".").split(":");
  if (parts.length > 3 || !parts.every((part) => /^\d+(\.\d+)?$/.test(part))) {
    return null;
  }
  return Math.round(parts.reduce((sum, part) => sum * 60 + Number(part), 0) * 1000);
};

export const makeForms = ({ settings, say, ask, at, fill, tell, current, player, done }) => {
  const form = at("form");
  let kind = null;
  let isBusy = false;
  let edges = { from: null, to: null };

  const fieldsOf = (asked) =>
    [...form.querySelectorAll("[data-for]")].filter((one) =>
      one.dataset.for.split(" ").includes(asked),
    );

  const wrong = (id, message) => {
    const place = at(`${id}-wrong`);
    place.textContent = message ?? "";
    place.hidden = !message;
    const control = at(id);
    if (message && control.matches("input, select, textarea")) {
      control.setAttribute("aria-invalid", "true");
    } else {
      control.removeAttribute("aria-invalid");
    }
  };

  const clearWrongs = () => {
    for (const place of form.querySelectorAll("[id$=-wrong]")) {
      place.hidden = true;
      place.textContent = "";
    }
    for (const control of form.querySelectorAll("[aria-invalid]")) {
      control.removeAttribute("aria-invalid");
    }
  };

  const options = (select, rows) => {
    select.replaceChildren(
      ...rows.map(([value, label]) => Object.assign(new Option(label, value), {})),
    );
  };

  const fits = (one, call) => {
    const began = new Date(call.started_at);
    const isValid = new Date(one.from) <= began && (!one.to || began < new Date(one.to));
    return isValid && (!one.lines.length || one.lines.includes(call.line));
  };

  const prepare = (item) => {
    const outside = item.parties.filter((party) => party.side !== "own");
    options(
      at("party"),
      outside.map((party) => [party.label, [party.name, party.label].filter(Boolean).join(" · ")]),
    );
    const texts = item.call ? settings.texts.filter((one) => fits(one, item.call)) : [];
    options(
      at("text"),
      texts.map((one) => [`${one.id} ${one.version}`, `${one.text} (${one.language}, ${one.version})`]),
    );
    if (kind === "ivr_notice" && !texts.length) {
      wrong("text", say.no_texts);
    }
    if (texts.length && kind === "ivr_notice") {
      at("said").value = texts[0].text;
    }
    const whole = player.lengthOf(item);
    at("stayed").value = whole ? text(whole) : "";
    at("from").value = edges.from === null ? (kind === "none" ? "0:00" : "") : text(edges.from);
    at("to").value = edges.to === null ? (kind === "none" && whole ? text(whole) : "") : text(edges.to);
    at("q-from").value = edges.from === null ? "" : text(edges.from);
    at("q-to").value = edges.to === null ? "" : text(edges.to);
  };

  const possible = (item) => ({
    ...Object.fromEntries(PROPOSED.map((name) => [name, item.links.propose])),
    screen: item.links.screen,
    know: item.links.know,
  });

  const open = (asked) => {
    const item = current();
    if (!possible(item)[asked] || item.isSettled) {
      return false;
    }
    kind = asked;
    form.reset();
    clearWrongs();
    const mine = new Set(fieldsOf(asked));
    for (const one of form.querySelectorAll("[data-for]")) {
      one.hidden = !mine.has(one);
    }
    at("form-title").textContent = settings.forms[asked];
    prepare(item);
    form.hidden = false;
    at("offers").hidden = true;
    const first = form.querySelector(
      "[data-for]:not([hidden]) :is(select, input, textarea):not(:disabled)",
    );
    first?.focus();
    form.scrollIntoView({ block: "nearest" });
    return true;
  };

  const close = () => {
    form.hidden = true;
    kind = null;
    at("offers").hidden = false;
    at("heard").querySelector("button:not([hidden])")?.focus({ preventScroll: true });
  };

  // --- Marks -------------------------------------------------------------------------------------

  const timesShown = () =>
    [...form.querySelectorAll("[data-time]")].filter((one) => !one.closest("[hidden]"));

  const setTime = (input, ms) => {
    input.value = text(ms);
    wrong(input.id, "");
    showMarks();
  };

  const showMarks = () => {
    const [from, to] = ["from", "to"].map((edge) =>
      timesShown().find((one) => one.dataset.edge === edge && one.value),
    );
    const values = form.hidden ? edges : { from: from && read(from.value), to: to && read(to.value) };
    player.mark(values.from ?? null, values.to ?? null);
  };

  // The key sets the time that has the focus, else the first of its edge that is empty.
  const markAt = (edge, focused) => {
    const ms = player.position();
    if (form.hidden) {
      edges = { ...edges, [edge]: ms };
      if (edge === "from" && edges.to !== null && edges.to <= ms) {
        edges.to = null;
      }
      player.mark(edges.from, edges.to);
      tell(fill(edge === "from" ? say.marked_from : say.marked, {
        from: text(edges.from ?? 0),
        to: text(edges.to ?? 0),
      }));
      return;
    }
    const own = timesShown().filter((one) => one.dataset.edge === edge);
    const input = own.includes(focused) ? focused : (own.find((one) => !one.value) ?? own[0]);
    if (input) {
      setTime(input, ms);
    }
  };

  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-marks]");
    if (button) {
      setTime(at(button.dataset.marks), player.position());
    }
  });
  form.addEventListener("change", showMarks);
  at("text").addEventListener("change", () => {
    const found = settings.texts.find((one) => `${one.id} ${one.version}` === at("text").value);
    at("said").value = found?.text ?? "";
  });

  // --- What is sent ------------------------------------------------------------------------------

  class Faults {
    constructor() {
      this.found = [];
    }

    add(id, message) {
      this.found.push([id, message]);
      return null;
    }

    time(id, isNeeded = true) {
      const written = at(id).value;
      if (!written.trim()) {
        return isNeeded ? this.add(id, say.wrong_empty) : null;
      }
      const ms = read(written);
      if (ms === null) {
        return this.add(id, say.wrong_time);
      }
      const whole = player.lengthOf(current());
      // Players and files disagree about the last second.
      if (whole && ms > whole + 1000) {
        return this.add(id, fill(say.wrong_length, { length: clock(whole) }));
      }
      return whole ? Math.min(ms, whole) : ms;
    }

    span(from, to, isNeeded = true) {
      const [begin, end] = [this.time(from, isNeeded), this.time(to, isNeeded)];
      if (begin !== null && end !== null && end <= begin) {
        this.add(to, say.wrong_order);
      }
      return [begin, end];
    }

    words(id) {
      return at(id).value.trim() || this.add(id, say.wrong_empty);
    }

    several(id, isNeeded) {
      const found = [...at(id).querySelectorAll("input:checked")].map((one) => one.value);
      if (isNeeded && !found.length) {
        this.add(id, say.wrong_choice);
      }
      return found;
    }

    chosen(id) {
      return at(id).value || this.add(id, say.wrong_empty);
    }
  }

  const BODIES = {
    ivr_notice: (faults) => {
      const text_ = faults.chosen("text");
      const [from, to] = faults.span("from", "to");
      const stayed = faults.time("stayed");
      if (stayed !== null && to !== null && stayed - to < LEAST_STAY_MS) {
        faults.add("stayed", say.wrong_stay);
      }
      const [id, version] = (text_ ?? " ").split(" ");
      return {
        evidence: {
          notice: { id, version: Number(version) },
          played_ms: [from, to],
          stayed_after_ms: stayed - to,
          heard: { quote: faults.words("said") },
        },
        party: faults.chosen("party"),
      };
    },
    verbal_notice: (faults) => {
      const [from, to] = faults.span("from", "to");
      const reaction = faults.chosen("reaction");
      if (reaction === "objected") {
        faults.add("reaction", say.wrong_objected);
      }
      return {
        evidence: { from_ms: from, to_ms: to, speaker: "own", quote: faults.words("said"), reaction },
        party: faults.chosen("party"),
        purposes: faults.several("purposes", true),
        recipients: faults.several("receivers", false),
      };
    },
    verbal_consent: (faults) => {
      const [from, to] = faults.span("q-from", "q-to");
      const question = { from_ms: from, to_ms: to, quote: faults.words("q-quote") };
      const [began, ended] = faults.span("a-from", "a-to");
      if (from !== null && began !== null && began < from) {
        faults.add("a-from", say.wrong_order);
      }
      const answer = { from_ms: began, to_ms: ended, quote: faults.words("a-quote") };
      return {
        evidence: { question, answer, identity_basis: faults.words("identity") },
        party: faults.chosen("party"),
        from_ms: at("whole").checked ? 0 : ended,
        purposes: faults.several("purposes", true),
        recipients: faults.several("receivers", false),
      };
    },
    refusal: (faults) => {
      const [from, to] = faults.span("from", "to", false);
      const where = from === null ? {} : { from_ms: from, ...(to === null ? {} : { to_ms: to }) };
      const quote = faults.words("said");
      return { evidence: { ...where, quote }, party: at("party").value || null };
    },
    none: (faults) => {
      const [from, to] = faults.span("from", "to");
      const note = at("remark").value.trim();
      const window = { from_ms: from, to_ms: to };
      const searched = { how: "listened", window, prompts: [], contracts: [], ...(note ? { note } : {}) };
      return { evidence: { searched } };
    },
    screen: (faults) => {
      const result = form.querySelector("#result input:checked")?.value;
      if (!result) {
        faults.add("result", say.wrong_choice);
      }
      const note = at("remark").value.trim();
      // Of a screenshot the whole is said; of a recording, of the part that was heard.
      const item = current();
      const part = item.links.screen.startsWith("/v1/recordings/") ? item.sound.span : {};
      return { ...part, result, ...(note ? { note } : {}) };
    },
    know: (faults) => ({
      identity_basis: faults.words("identity"),
      mandate_basis: faults.words("mandate"),
    }),
  };

  const tellFaults = (found) => {
    found.forEach(([id, message]) => wrong(id, message));
    const first = at(found[0][0]);
    const control = first.matches("fieldset") ? first.querySelector("input") : first;
    control.focus();
  };

  // The archive names what it did not take by its path in the evidence; the field shows it.
  const fromArchive = (error) => {
    const paths = error.problem?.missing ?? [];
    const shown = paths.flatMap((path) => {
      const control = [...form.querySelectorAll("[data-paths]")].find(
        (one) => !one.closest("[hidden]") && one.dataset.paths.split(" ").includes(path),
      );
      return control ? [[control.id, say.wrong_server]] : [];
    });
    if (error.slug === "party-unknown") {
      shown.push(["party", error.message]);
    }
    if (error.slug === "names-too-much") {
      shown.push(["purposes", error.message]);
    }
    const visible = shown.filter(([id]) => !at(id).closest("[hidden]"));
    if (visible.length) {
      tellFaults(visible);
    }
    at("form-wrong").textContent = fill(say.failed, { why: error.message });
    at("form-wrong").hidden = false;
  };

  const send = async () => {
    if (isBusy || !kind) {
      return;
    }
    const [item, sent] = [current(), kind];
    clearWrongs();
    const faults = new Faults();
    const body = BODIES[sent](faults);
    if (faults.found.length) {
      tellFaults(faults.found);
      return;
    }
    isBusy = true;
    try {
      const isProposal = PROPOSED.includes(sent);
      const path = possible(item)[sent];
      const answer = await ask("POST", path, isProposal ? { kind: sent, ...body } : body);
      form.hidden = true;
      kind = null;
      edges = { from: null, to: null };
      done(item, sent, answer);
    } catch (error) {
      fromArchive(error);
    } finally {
      isBusy = false;
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      close();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
    } else if (event.target.matches("[data-time]") && !event.ctrlKey && !event.altKey) {
      const edge = { BracketLeft: "from", BracketRight: "to" }[event.code];
      if (edge) {
        event.preventDefault();
        markAt(edge, event.target);
      } else if (event.code === "Space") {
        event.preventDefault();
        player.toggle();
      }
    }
  });
  at("form-cancel").addEventListener("click", close);
  for (const button of document.querySelectorAll("[data-form]")) {
    button.addEventListener("click", () => open(button.dataset.form));
  }

  // --- What a session's end must not lose ------------------------------------------------------

  const controls = () => [...form.querySelectorAll("input, select, textarea")];

  const keep = () => {
    if (!kind) {
      return;
    }
    const values = controls().map((one) =>
      ["checkbox", "radio"].includes(one.type) ? one.checked : one.value,
    );
    try {
      window.sessionStorage.setItem(DRAFT, JSON.stringify({ item: current().id, kind, values }));
    } catch {
      tell(say.offline);
    }
  };

  const restore = () => {
    let draft = null;
    try {
      draft = JSON.parse(window.sessionStorage.getItem(DRAFT) ?? "null");
      window.sessionStorage.removeItem(DRAFT);
    } catch {
      draft = null;
    }
    if (draft?.item !== current().id || !open(draft.kind)) {
      return;
    }
    controls().forEach((one, place) => {
      if (["checkbox", "radio"].includes(one.type)) {
        one.checked = draft.values[place];
      } else {
        one.value = draft.values[place];
      }
    });
  };

  const show = (item) => {
    form.hidden = true;
    kind = null;
    edges = { from: null, to: null };
    const may = possible(item);
    let any = false;
    for (const button of document.querySelectorAll("[data-form]")) {
      button.hidden = !may[button.dataset.form] || Boolean(item.isSettled);
      any ||= !button.hidden;
    }
    at("offers").hidden = !any;
    at("offers-title").textContent = item.links.propose ? say.propose : say.missing;
  };

  return {
    show,
    open,
    markAt,
    keep,
    restore,
    openByPlace: (number) => open(PROPOSED[number - 1]),
    isOpen: () => !form.hidden,
  };
};
