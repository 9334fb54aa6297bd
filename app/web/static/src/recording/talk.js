// Who talks when: a lane for each channel, and the stretches in which nobody does.

const voicesOf = (sound) => sound.legs.flatMap((leg) => leg.channels.map((one) => ({ ...one, leg: leg.leg })));

export const gapsOf = (sound, shortestMs) => {
  const spans = voicesOf(sound)
    .flatMap((one) => one.talk)
    .sort((a, b) => a[0] - b[0]);
  // Of a part, each leg says where it begins and ends in the call.
  const end = Math.max(0, ...sound.legs.map((leg) => leg.to_ms ?? leg.duration_ms));
  const gaps = [];
  let quietSince = Math.min(end, ...sound.legs.map((leg) => leg.from_ms ?? 0));
  for (const [from, to] of [...spans, [end, end]]) {
    if (spans.length && from - quietSince >= shortestMs) {
      gaps.push([quietSince, from]);
    }
    quietSince = Math.max(quietSince, to);
  }
  return gaps;
};

// What is played: the two directions in step, or the first file alone.
const playedOf = (sound, leg) => {
  const legs = leg === "both" ? sound.legs.filter((one) => one.leg !== "mixed") : sound.legs.slice(0, 1);
  return voicesOf({ legs });
};

const span = (band, kind, from, to, lengthMs) => {
  const part = document.createElement(kind);
  part.style.left = `${(from / lengthMs) * 100}%`;
  part.style.width = `${(Math.min(to, lengthMs) / lengthMs - from / lengthMs) * 100}%`;
  band.append(part);
};

const newLane = (place, name) => {
  const lane = document.createElement("div");
  lane.className = "lane";
  const head = document.createElement("p");
  const title = document.createElement("strong");
  title.textContent = name;
  const share = document.createElement("span");
  share.className = "quiet";
  share.dataset.share = "";
  head.append(title, " ", share);
  const band = document.createElement("div");
  band.className = "band";
  band.setAttribute("aria-hidden", "true");
  lane.append(head, band);
  place.append(lane);
  return lane;
};

// The lanes of those who are known stand there already; a voice that may be several people's gets one of its own.
export const drawTalk = (place, sound, leg, lengthMs, say) => {
  for (const voice of playedOf(sound, leg)) {
    const known = voice.party && place.querySelector(`[data-party="${CSS.escape(voice.party)}"]`);
    const lane = known || newLane(place, say.unknown_party);
    lane.classList.add("heard");
    lane.querySelector("[data-share]").textContent = say.talks.replace("{share}", Math.round(voice.talk_share * 100));
    for (const [from, to] of voice.talk) {
      span(lane.querySelector(".band"), "i", from, to, lengthMs);
    }
  }
};

export const drawTold = (place, told, lengthMs) => {
  for (const [party, spans] of Object.entries(told)) {
    const band = place.querySelector(`[data-party="${CSS.escape(party)}"] .band`);
    for (const [from, to] of spans) {
      span(band, "b", from, to, lengthMs);
    }
  }
};
