// What every page loads: parts that are replaced without a new page (hx-… attributes), and the question who
// somebody is, asked in place. The pages work without it.
import "htmx.org";
import { watchForms } from "./account/proof.js";

watchForms();

// On a telephone the sections stand in a row that is pushed sideways: the one of this page is brought into sight.
const sections = document.querySelector("nav.sections");
const here = sections?.querySelector("[aria-current]");
if (here && sections.scrollWidth > sections.clientWidth) {
  const { left, width } = here.getBoundingClientRect();
  sections.scrollLeft += left - (sections.clientWidth - width) / 2;
}

// A player whose sound is refused stays silent: what stands below it says so. The event does not bubble.
document.addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLAudioElement && target.nextElementSibling?.matches("[role=alert]")) {
      target.nextElementSibling.hidden = false;
    }
  },
  true,
);
