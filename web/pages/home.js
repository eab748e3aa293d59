// Tickets For Sale: a list that changes as the marketplace does.

import * as api from "../api.js";
import { announce, fill, h } from "../dom.js";
import { sentence } from "../forms.js";
import { duration, symbol } from "../format.js";
import { listen } from "../live.js";
import { card, empty, placeholders } from "../tickets.js";

const PAGE_SIZE = 24;
const TYPING_PAUSE_MILLIS = 250;

export function home({ config, query, signal, replaceQuery }) {
  const filters = readFilters(query);
  const cards = new Map();
  let next = null;
  let loading = null;

  const search = h("input", { id: "q", name: "q", type: "search", autocomplete: "off", placeholder: "Artist, team, event…" });
  const min = h("input", { id: "min", name: "minPrice", inputmode: "decimal", autocomplete: "off", placeholder: "0" });
  const max = h("input", { id: "max", name: "maxPrice", inputmode: "decimal", autocomplete: "off", placeholder: "Any" });
  const sort = h("select", { id: "sort", name: "sort" },
    h("option", { value: "newest" }, "Newest first"),
    h("option", { value: "price" }, "Price: low to high"),
    h("option", { value: "-price" }, "Price: high to low"));
  for (const input of [search, min, max]) input.value = filters[input.name];
  sort.value = filters.sort;
  const fault = h("p.field-error", { role: "alert" });
  const money = (label, input) => h("div.field", {}, h("label", { for: input.id }, label),
    h("div.prefixed", {}, h("span.prefix", { "aria-hidden": "true" }, symbol(config.currency)), input));
  const bar = h("form.filters", { role: "search", "aria-label": "Find tickets" },
    h("div.field.grow", {}, h("label", { for: "q" }, "Search"), search),
    money("Lowest price", min),
    money("Highest price", max),
    h("div.field", {}, h("label", { for: "sort" }, "Sort by"), sort),
    fault);

  const list = h("ul.cards", { "aria-label": "Tickets" });
  const nothing = h("div");
  const more = h("button.button.more", { type: "button", hidden: true }, "Show more");

  async function load({ quietly = false } = {}) {
    loading?.abort();
    loading = new AbortController();
    const { signal: mine } = loading;
    if (!quietly) {
      fill(nothing);
      fill(list, placeholders(6));
      list.setAttribute("aria-busy", "true");
    }
    try {
      const first = await api.page(`/api/tickets?${parameters(filters)}`, { signal: mine });
      cards.clear();
      fill(list);
      append(first);
      if (!quietly) announce(`${first.items.length}${first.next ? " or more" : ""} tickets found`);
    } catch (error) {
      if (error.name === "AbortError") return;
      showFault(error);
    } finally {
      if (!mine.aborted) list.removeAttribute("aria-busy");
    }
  }

  function append({ items, next: following }) {
    next = following;
    more.hidden = next === null;
    for (const ticket of items) {
      if (!cards.has(ticket.id)) list.append(add(ticket).node);
    }
    showEmptiness();
  }

  function add(ticket) {
    const it = card(ticket);
    cards.set(ticket.id, it);
    return it;
  }

  function showFault(error) {
    fill(list);
    const field = error.errors?.find((it) => it.field);
    if (field) {
      fault.textContent = field.message;
      return;
    }
    fill(nothing, empty("That didn't work", sentence(error),
      h("button.button", { type: "button", onclick: () => load() }, "Try again")));
  }

  function showEmptiness() {
    if (cards.size > 0) return fill(nothing);
    const isFiltered = filters.q || filters.minPrice || filters.maxPrice;
    fill(nothing, isFiltered
      ? empty("Nothing matches", "Try fewer words or a wider range of prices. New tickets appear here by themselves.",
        h("button.button", { type: "button", onclick: clear }, "Clear filters"))
      : empty("Nothing for sale yet", "Be the first: list a ticket, and it appears here for everybody at once.",
        h("a.button.primary", { href: "/tickets/new" }, "Sell a ticket")));
  }

  function clear() {
    for (const input of [search, min, max]) input.value = "";
    changed();
    search.focus();
  }

  let typing = null;
  function changed() {
    clearTimeout(typing);
    for (const input of [search, min, max, sort]) filters[input.name] = input.value.trim();
    fault.textContent = "";
    replaceQuery(parameters(filters, { forPeople: true }));
    load();
  }
  bar.addEventListener("submit", (event) => {
    event.preventDefault();
    changed();
  });
  sort.addEventListener("change", changed);
  for (const input of [search, min, max]) {
    input.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(changed, TYPING_PAUSE_MILLIS);
    });
  }
  more.addEventListener("click", async () => {
    if (more.getAttribute("aria-busy") || next === null) return;
    more.setAttribute("aria-busy", "true");
    try {
      const before = cards.size;
      append(await api.page(next, { signal }));
      // Keyboard users go on where the new ones begin.
      [...cards.values()][before]?.node.querySelector("a").focus();
    } catch (error) {
      announce(sentence(error), { urgent: true });
    } finally {
      more.removeAttribute("aria-busy");
    }
  });

  listen(signal, ({ type, data }) => {
    const known = cards.get(data.id);
    if (type === "TicketDeleted") known?.update({ ...data, status: "Withdrawn", version: Infinity });
    else if (known) known.update(data);
    else if (type.startsWith("Ticket") && data.status === "Available" && matches(data, filters)) insert(data);
  }, () => load({ quietly: true }));

  /** Puts a ticket that came up meanwhile where the list has its place. */
  function insert(ticket) {
    const comesBefore = {
      newest: (a, b) => a.id > b.id,
      price: (a, b) => a.price < b.price || (a.price === b.price && a.id > b.id),
      "-price": (a, b) => a.price > b.price || (a.price === b.price && a.id > b.id),
    }[filters.sort];
    const shown = [...list.children].map((node) => cards.get(node.dataset.ticket)).filter(Boolean);
    const after = shown.find((it) => comesBefore(ticket, it.ticket));
    // Beyond the last one shown it comes with the next page.
    if (!after && next !== null) return;
    const { node } = add(ticket);
    node.firstChild.dataset.fresh = "yes";
    list.insertBefore(node, after?.node ?? null);
    showEmptiness();
  }

  load();
  return {
    title: "Tickets For Sale",
    node: h("section", {},
      h("div.hero", {},
        h("h1", {}, "Tickets For Sale"),
        h("p.lead", {}, `Choose one and it's yours alone for ${duration(config.holdSeconds)} while you pay.`,
          h("span.live", {}, h("span.live-dot", { "aria-hidden": "true" }), "Live"))),
      bar, list, nothing, more),
  };
}

function readFilters(query) {
  const sort = query.get("sort");
  return {
    q: query.get("q") ?? "",
    minPrice: query.get("minPrice") ?? "",
    maxPrice: query.get("maxPrice") ?? "",
    sort: ["price", "-price"].includes(sort) ? sort : "newest",
  };
}

function parameters(filters, { forPeople = false } = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) {
    if (value && !(name === "sort" && value === "newest")) parameters.set(name, value);
  }
  if (!forPeople) parameters.set("limit", PAGE_SIZE);
  return parameters.toString();
}

/** Whether a ticket belongs in the list: as the server decides it, closely enough. */
function matches(ticket, filters) {
  if (filters.minPrice && ticket.price < Number(filters.minPrice)) return false;
  if (filters.maxPrice && ticket.price > Number(filters.maxPrice)) return false;
  const inTitle = words(ticket.title);
  return words(filters.q).every((word) => inTitle.some((it) => it.startsWith(word)));
}

function words(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean);
}
