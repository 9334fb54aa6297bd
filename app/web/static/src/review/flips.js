// What a pack flips: the decisions of both directions, and the releases that were closed by it.

const LIMIT = 50;

export const makeFlips = ({ settings, say, ask, at, moment, fill }) => {
  const make = (name, text, type) => {
    const found = document.createElement(name);
    found.textContent = text ?? "";
    if (type) {
      found.className = type;
    }
    return found;
  };

  const row = (cells) => {
    const found = document.createElement("tr");
    found.append(...cells);
    return found;
  };

  const outcome = (word) => make("td", settings.outcomes[word] ?? word, `outcome ${word}`);

  const table = (title, type) => {
    const section = make("section", "", type);
    const grid = document.createElement("table");
    const head = document.createElement("thead");
    const titles = [say.recording, say.purpose, say.was, say.becomes];
    head.append(row(titles.map((text) => Object.assign(make("th", text), { scope: "col" }))));
    const body = document.createElement("tbody");
    grid.append(head, body);
    const scroll = make("div", "", "scroll");
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", title);
    scroll.append(grid);
    section.append(make("h4", title), scroll);
    section.hidden = true;
    return { section, body };
  };

  const add = (to, flips) => {
    for (const flip of flips) {
      const name = document.createElement("td");
      name.append(make("code", flip.recording_id.slice(-12)));
      if (flip.release_id) {
        name.append(make("span", ` ${say.still_open}`, "late"));
      }
      const purpose = settings.purposes[flip.purpose] ?? flip.purpose;
      to.body.append(row([name, make("td", purpose), outcome(flip.before), outcome(flip.after)]));
    }
    to.section.hidden = to.body.children.length === 0;
  };

  const closed = (ended) => {
    const section = make("section");
    section.append(make("h4", say.ended));
    const list = document.createElement("ul");
    for (const one of ended) {
      const purpose = settings.purposes[one.purpose] ?? one.purpose;
      const when = moment.format(new Date(one.ended_at));
      list.append(make("li", [one.client, purpose, when].join(" · ")));
    }
    section.append(list);
    return section;
  };

  return async (item, isStillShown) => {
    const place = at("flips");
    place.hidden = !item.links.flips;
    place.replaceChildren();
    if (!item.links.flips) {
      return;
    }
    const title = item.pack.activated_at ? say.flips_did : say.flips_would;
    const sum = make("p", say.loading, "quiet");
    const stricter = table(say.stricter, "stricter");
    const softer = table(say.softer, "softer");
    const more = make("button", say.more, "second");
    more.type = "button";
    more.hidden = true;
    place.append(make("h3", title), sum, stricter.section, softer.section, more);
    let cursor = null;
    let decisions = 0;
    const load = async () => {
      const query = new URLSearchParams({ limit: String(LIMIT) });
      if (cursor) {
        query.set("cursor", cursor);
      }
      let answer;
      try {
        answer = await ask("GET", `${item.links.flips}?${query}`);
      } catch (error) {
        sum.textContent = fill(say.failed, { why: error.message });
        return;
      }
      if (!isStillShown()) {
        return;
      }
      decisions += answer.found.counts.decisions;
      add(stricter, answer.found.stricter);
      add(softer, answer.found.softer);
      const changed = stricter.body.children.length + softer.body.children.length;
      const looked = fill(say.looked_at, { n: decisions });
      sum.textContent = changed || answer.ended.length ? looked : `${say.no_flips} ${looked}`;
      if (answer.ended.length) {
        place.append(closed(answer.ended));
      }
      cursor = answer.found.next;
      more.hidden = !cursor;
    };
    more.addEventListener("click", load);
    await load();
  };
};
