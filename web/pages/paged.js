// Lists that are read page by page, and that follow what happens.

import * as api from "../api.js";
import { announce, fill, h } from "../dom.js";
import { sentence } from "../errors.js";
import { action } from "../forms.js";
import { t } from "../i18n.js";
import { readBack } from "../places.js";

/** As many as the server gives at once, and as many as it gives if it is not told. */
const LARGEST_PAGE = 100;
const PAGE_SIZE = 50;

/** A row that shows an item, and each newer version of it that it is updated with. */
export function liveRow(node, item, show) {
  let shown = null;
  const update = (next) => {
    if (shown && next.version < shown.version) return;
    shown = next;
    show(next);
  };
  update(item);
  return { node, update, get item() { return shown; } };
}

/**
 * A list that is read page by page, at first as far as it was read when its place was left. `path`
 * tells where, `row` draws an item, `empty` says that there is none, `found` how many there are,
 * and `follow` takes an event in. `rows` has the rows that are there, by the id of their item.
 */
export function pagedList({ label, className = "rows", path, pageSize = PAGE_SIZE, signal, place, row, empty, found, follow }) {
  const rows = new Map();
  const list = h(`ul.${className}`, { "aria-label": label });
  const nothing = h("div");
  const more = h("button.button.more", { type: "button", hidden: true }, t("show-more"));
  let next = null;
  let reading = null;
  /** What happened while the list was on its way. */
  let missed = [];

  const tellIfEmpty = () => {
    const isEmpty = next === null && !list.querySelector(":scope > li:not([hidden])");
    if (isEmpty !== nothing.hasChildNodes()) fill(nothing, isEmpty && empty());
  };
  const append = (page) => {
    next = page.next;
    more.hidden = next === null;
    for (const item of page.items) {
      if (rows.has(item.id)) continue;
      const shown = row(item);
      rows.set(item.id, shown);
      list.append(shown.node);
    }
    tellIfEmpty();
    if (!signal.aborted) place.keep(rows.size);
  };
  /** Reads the list anew. What it found is told if somebody asked for something else. */
  const reload = async ({ isAsked = false } = {}) => {
    reading?.abort();
    const own = new AbortController();
    reading = own;
    const mine = AbortSignal.any([signal, own.signal]);
    missed = [];
    list.setAttribute("aria-busy", "true");
    try {
      const loaded = isAsked ? 0 : Math.max(rows.size, place.loaded);
      const asked = path();
      const first = `${asked}${asked.includes("?") ? "&" : "?"}limit=${loaded > pageSize ? LARGEST_PAGE : pageSize}`;
      const page = await readBack({ ...place, loaded }, first, (path) => api.page(path, { signal: mine }));
      if (mine.aborted) return;
      const focused = list.contains(document.activeElement) && document.activeElement.getAttribute("href");
      rows.clear();
      fill(list);
      fill(nothing);
      append(page);
      for (const event of missed) follow?.(event);
      tellIfEmpty();
      if (focused) [...list.querySelectorAll("a")].find((it) => it.getAttribute("href") === focused)?.focus();
      if (isAsked && found) announce(found({ count: page.items.length, more: page.next ? "yes" : "no" }));
    } catch (error) {
      if (error.name === "AbortError") return;
      rows.clear();
      fill(list);
      next = null;
      more.hidden = true;
      fill(nothing, h("div.empty", { role: "alert" }, h("p", {}, sentence(error)),
        h("button.button", { type: "button", onclick: () => reload() }, t("try-again"))));
    }
    if (reading === own) reading = null;
    list.removeAttribute("aria-busy");
  };
  more.addEventListener("click", action(more, async () => {
    const before = list.children.length;
    try {
      append(await api.page(next, { signal }));
      list.children[before]?.querySelector("a").focus();
    } catch {
      // The button stays, to be pressed again.
    }
  }));
  return {
    node: h("div", {}, list, nothing, more), reload, rows,
    /** Takes an event in, and once more after what is being read, which may be older. */
    hear(event) {
      if (reading) missed.push(event);
      follow?.(event);
      tellIfEmpty();
    },
    /** Puts an item that came up where the list has its place. */
    insert(item, comesBefore) {
      const after = [...rows.values()].filter((it) => comesBefore(item, it.item))
        .reduce((first, it) => (first && comesBefore(first.item, it.item) ? first : it), null);
      // Beyond the last one shown it comes with the next page.
      if (!after && next !== null) return;
      const shown = row(item);
      rows.set(item.id, shown);
      shown.node.firstChild.dataset.fresh = "yes";
      list.insertBefore(shown.node, after?.node ?? null);
    },
    /** Empties the list, for nothing can match. */
    clear() {
      reading?.abort();
      reading = null;
      next = null;
      more.hidden = true;
      rows.clear();
      fill(list);
      fill(nothing);
    },
  };
}
