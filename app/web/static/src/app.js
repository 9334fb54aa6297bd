// What every page loads: parts that are replaced without a new page (hx-… attributes), nothing else.
// The pages work without it.
import "htmx.org";
