// What every page loads: parts that are replaced without a new page (hx-… attributes), and the question who
// somebody is, asked in place. The pages work without it.
import "htmx.org";
import { watchForms } from "./account/proof.js";

watchForms();
