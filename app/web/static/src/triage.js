// Triage by keyboard: from call to call, and the buttons of the one that is looked at.

const cards = [...document.querySelectorAll("section.waits")];
const letters = document.getElementById("letters");
let place = -1;

const look = (to) => {
  if (cards.length) {
    place = Math.max(0, Math.min(cards.length - 1, to));
    cards[place].focus();
    cards[place].scrollIntoView({ block: "nearest" });
  }
};

const here = () => cards.find((card) => card.contains(document.activeElement)) ?? cards[place];

const open = (kind) => {
  const part = here()?.querySelector(`details.${kind}`);
  if (part) {
    part.open = true;
    part.querySelector("select, input:not([type=hidden])").focus();
  }
};

const KEYS = {
  j: () => look(place + 1),
  k: () => look(place - 1),
  x: () => open("aside"),
  o: () => open("else"),
  u: () => document.querySelector("[data-key=u]")?.click(),
};

for (const [at, card] of cards.entries()) {
  card.addEventListener("focusin", () => {
    place = at;
  });
}

document.addEventListener("keydown", (event) => {
  const isField = event.target.closest("input, select, textarea, [contenteditable]");
  if (!letters?.checked || isField || event.ctrlKey || event.altKey || event.metaKey) {
    return;
  }
  // By the place of the key, so that the Russian layout works as well.
  const letter = /^Key[A-Z]$/.test(event.code) ? event.code.slice(3).toLowerCase() : event.key;
  if (/^[1-9]$/.test(letter)) {
    here()?.querySelectorAll(".guess button")[Number(letter) - 1]?.click();
    return;
  }
  KEYS[letter]?.();
});

if (document.querySelector(".done")) {
  look(0); // Something was done just now: on to the next.
}
