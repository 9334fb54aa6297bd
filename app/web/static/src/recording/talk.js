// Who talks when: a lane for each channel, and the stretches in which nobody does.

const voicesOf = (sound) => sound.legs.flatMap((leg) => leg.channels.map((one) => ({ ...one, leg: leg.leg })));

export const gapsOf = (sound, shortestMs) => {
  const spans = voicesOf(sound)
    .flatMap((one) => one.talk)
    .sort((a, b) => a[0] - b[0]);
  const end = Math.max(0, ...sound.legs.map((leg) => leg.duration_ms));
  const gaps = [];
  let quietSince = 0;
  for (const [from, to] of [...spans, [end, end]]) {
    if (spans.length && from - quietSince >= shortestMs) {
      gaps.push([quietSince, from]);
    }
    quietSince = Math.max(quietSince, to);
  }
  return gaps;
};

export const drawTalk = (place, sound, lengthMs, parties, say) => {
  place.replaceChildren();
  for (const voice of voicesOf(sound)) {
    const lane = document.createElement("div");
    lane.className = "lane";
    const name = document.createElement("span");
    name.textContent = `${parties[voice.party] ?? say.unknown_party} · ${Math.round(voice.talk_share * 100)} %`;
    const band = document.createElement("div");
    band.className = "band";
    band.setAttribute("aria-hidden", "true");
    for (const [from, to] of voice.talk) {
      const span = document.createElement("i");
      span.style.left = `${(from / lengthMs) * 100}%`;
      span.style.width = `${((to - from) / lengthMs) * 100}%`;
      band.append(span);
    }
    lane.append(band, name);
    place.append(lane);
  }
};
