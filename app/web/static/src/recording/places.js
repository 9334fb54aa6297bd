// Places in a recording as people read and write them.

export const clock = (ms) => {
  const seconds = Math.floor(ms / 1000);
  const rest = String(seconds % 60).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}:${rest}`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
};

export const write = (ms) => {
  const rest = Math.round(ms % 1000);
  return clock(ms) + (rest ? `.${String(rest).padStart(3, "0").replace(/0+$/, "")}` : "");
};

// Gives undefined for what is no place.
export const read = (text) => {
  const found = /^(?:(?:(\d{1,2}):)?(\d{1,3}):)?(\d{1,5})(?:[.,](\d{1,3}))?$/.exec(text.trim());
  if (!found) {
    return undefined;
  }
  const [hours, minutes, seconds] = [found[1], found[2], found[3]].map((part) => Number(part ?? 0));
  return ((hours * 60 + minutes) * 60 + seconds) * 1000 + Number((found[4] ?? "0").padEnd(3, "0"));
};
