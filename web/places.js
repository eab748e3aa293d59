// Where somebody was on a page. It is kept in the browser's history, so that a step back leads to
// the same place of the same list, also after a reload.

const SETTLED_MILLIS = 100;

let settling = null;
history.scrollRestoration = "manual";

/** What is known of the place that the current entry of the history leads to. */
export function current() {
  const { scroll = 0, anchor = null, loaded = 0 } = history.state ?? {};
  return {
    scroll,
    anchor,
    /** How many items of its list were there. */
    loaded,
    /** Keeps how many items of its list are there. */
    keep(loaded) {
      history.replaceState({ ...history.state, loaded }, "");
    },
  };
}

/**
 * Reads a list page by page: as far as it was read, and one page further if what was looked at has
 * moved down since. `read` gets the path of a page.
 */
export async function readBack({ loaded, anchor }, first, read) {
  let { items, next } = await read(first);
  const isThere = () => !anchor || items.some(({ id }) => anchor.href.endsWith(`/${id}`));
  let spare = loaded > 0 ? 1 : 0;
  while (next && (items.length < loaded || (spare > 0 && !isThere()))) {
    if (items.length >= loaded) spare -= 1;
    const page = await read(next);
    items = [...items, ...page.items];
    next = page.next;
  }
  return { items, next };
}

/** Goes on to another address. */
export function leave(href, { replace }) {
  if (!replace) keepPlace(href);
  clearTimeout(settling);
  settling = null;
  history[replace ? "replaceState" : "pushState"]({}, "", href);
}

/** Calls back when a step through the history has led to another place. */
export function whenReturned(callback) {
  addEventListener("popstate", () => {
    // What was scrolled belongs to the entry that was just left.
    clearTimeout(settling);
    settling = null;
    callback();
  });
}

/** Goes to a place: where the same item is where it was, or as far down as it was. */
export function restore({ scroll, anchor }, main) {
  scrollTo(0, scroll);
  const items = anchor && scroll > 0 ? [...main.querySelectorAll("li > a[href]")] : [];
  const link = items.find((it) => it.getAttribute("href") === anchor.href);
  if (link) scrollBy(0, link.getBoundingClientRect().top - anchor.top);
  keepPlace(anchor?.href);
}

/** Keeps where somebody is: by the item that leads on to `href`, or by the first that can be seen. */
function keepPlace(href) {
  settling = null;
  const items = [...document.querySelectorAll("main li > a[href]")].map((link) => ({
    href: link.getAttribute("href"), top: link.getBoundingClientRect().top,
  }));
  const anchor = items.find((it) => it.href === href) ?? items.find((it) => it.top >= 0) ?? null;
  history.replaceState({ ...history.state, scroll: scrollY, anchor }, "");
}

addEventListener("scroll", () => {
  clearTimeout(settling);
  settling = setTimeout(settled, SETTLED_MILLIS);
}, { passive: true });
addEventListener("pagehide", () => settling !== null && settled());

function settled() {
  // While a page is on its way there is no place on it yet.
  if (document.getElementById("main").getAttribute("aria-busy")) settling = null;
  else keepPlace();
}
