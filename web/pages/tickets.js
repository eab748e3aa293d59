// Tickets For Sale: a list that changes as the marketplace does.

import * as api from "../api.js";
import { announce, fill, h } from "../dom.js";
import { sentence } from "../errors.js";
import { money } from "../forms.js";
import { duration, typed } from "../format.js";
import { t } from "../i18n.js";
import { listen } from "../live.js";
import { readAmount } from "../money.js";
import { readBack } from "../places.js";
import { card, empty, placeholders } from "../tickets.js";

const PAGE_SIZE = 24;
/** As many as the server gives at once. */
const LARGEST_PAGE = 100;
const TYPING_PAUSE_MILLIS = 250;

export async function tickets({ config, query, signal, replaceQuery, place }) {
  const filters = readFilters(query);
  const cards = new Map();
  let next = null;
  let loading = null;
  /** What happened while the list was on its way. */
  let missed = [];

  const search = h("input", { id: "q", name: "q", type: "search", autocomplete: "off", placeholder: t("search-example") });
  const min = h("input", { id: "min", name: "minPrice", inputmode: "decimal", autocomplete: "off", placeholder: "0", "aria-describedby": "filter-fault" });
  const max = h("input", { id: "max", name: "maxPrice", inputmode: "decimal", autocomplete: "off", placeholder: t("price-any"), "aria-describedby": "filter-fault" });
  const sort = h("select", { id: "sort", name: "sort" },
    h("option", { value: "newest" }, t("sort-newest")),
    h("option", { value: "price" }, t("sort-price-up")),
    h("option", { value: "-price" }, t("sort-price-down")));
  search.value = filters.q;
  for (const input of [min, max]) {
    const amount = filters[input.name];
    input.value = amount === "" || Number.isNaN(Number(amount)) ? amount : typed(Number(amount), config.currency);
  }
  sort.value = filters.sort;
  const fault = h("p.field-error", { id: "filter-fault", role: "alert" });
  const priceField = (label, input) => h("div.field", {}, h("label", { for: input.id }, label), money(input, config.currency));
  const bar = h("form.filters", { role: "search", "aria-label": t("search-label") },
    h("div.field.grow", {}, h("label", { for: "q" }, t("search")), search),
    priceField(t("price-lowest"), min),
    priceField(t("price-highest"), max),
    h("div.field", {}, h("label", { for: "sort" }, t("sort")), sort),
    fault);

  const list = h("ul.cards", { "aria-label": t("tickets") });
  const nothing = h("div");
  const more = h("button.button.more", { type: "button", hidden: true }, t("show-more"));

  /** Reads the list anew, as far as a place in it needs. */
  async function load({ quietly = false, loaded = 0, anchor = null } = {}) {
    loading?.abort();
    loading = new AbortController();
    const { signal: mine } = loading;
    missed = [];
    if (!quietly) {
      fill(nothing);
      fill(list, placeholders(6));
      list.setAttribute("aria-busy", "true");
    }
    try {
      const page = await read({ loaded, anchor }, mine);
      cards.clear();
      fill(list);
      append(page);
      for (const event of missed) follow(event);
      if (!quietly) announce(t("tickets-found", { count: page.items.length, more: page.next ? "yes" : "no" }));
    } catch (error) {
      if (error.name === "AbortError") return;
      showFault(error);
    } finally {
      if (!mine.aborted) {
        list.removeAttribute("aria-busy");
        loading = null;
      }
    }
  }

  function read({ loaded, anchor }, signal) {
    const size = loaded > PAGE_SIZE ? LARGEST_PAGE : PAGE_SIZE;
    return readBack({ loaded, anchor }, `/api/tickets?${parameters(filters, { size })}`, (path) => api.page(path, { signal }));
  }

  function append({ items, next: following }) {
    next = following;
    more.hidden = next === null;
    for (const ticket of items) {
      if (!cards.has(ticket.id)) list.append(add(ticket).node);
    }
    showEmptiness();
    if (!signal.aborted) place.keep(cards.size);
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
      fault.textContent = t(field.field === "q" ? "search-unreadable" : "amount-unreadable");
      return;
    }
    fill(nothing, empty(t("failure-title"), sentence(error),
      h("button.button", { type: "button", onclick: () => load() }, t("try-again"))));
  }

  function showEmptiness() {
    if (cards.size > 0) return fill(nothing);
    const isFiltered = filters.q || filters.minPrice || filters.maxPrice;
    fill(nothing, isFiltered
      ? empty(t("nothing-matches"), t("nothing-matches-text"),
        h("button.button", { type: "button", onclick: clear }, t("clear-filters")))
      : empty(t("nothing-for-sale"), t("nothing-for-sale-text"),
        h("a.button.primary", { href: "/tickets/new" }, t("sell-a-ticket"))));
  }

  function clear() {
    for (const input of [search, min, max]) input.value = "";
    changed();
    search.focus();
  }

  let typing = null;
  function changed() {
    clearTimeout(typing);
    if (!readForm()) return stop();
    replaceQuery(parameters(filters));
    load();
  }

  /** Takes over what the form says, and says what is wrong with it. */
  function readForm() {
    const faults = [min, max].map((input) => [input, readAmount(input.value, config.currency)]);
    const wrong = faults.filter(([, read]) => read.fault);
    filters.q = search.value.trim();
    filters.sort = sort.value;
    for (const [input, { amount }] of faults) filters[input.name] = amount ?? "";
    const isUpsideDown = filters.minPrice && filters.maxPrice && Number(filters.minPrice) > Number(filters.maxPrice);
    const isWrong = (input) => isUpsideDown || wrong.some(([it]) => it === input);
    for (const input of [min, max]) {
      if (isWrong(input)) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
    fault.textContent = wrong.length > 0 ? t(wrong[0][1].fault) : isUpsideDown ? t("price-upside-down") : "";
    return fault.textContent === "";
  }

  /** Shows nothing, for nothing can match. */
  function stop() {
    loading?.abort();
    loading = null;
    next = null;
    more.hidden = true;
    cards.clear();
    fill(list);
    fill(nothing);
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

  function follow({ type, data }) {
    const known = cards.get(data.id);
    if (type === "TicketDeleted") known?.update({ ...data, status: "Withdrawn", version: Infinity });
    else if (known) known.update(data);
    else if (type.startsWith("Ticket") && data.status === "Available" && matches(data, filters)) insert(data);
  }
  listen(signal, (event) => {
    if (loading) missed.push(event);
    follow(event);
  }, () => load({ quietly: true, loaded: cards.size }));

  /** Puts a ticket that came up meanwhile where the list has its place. */
  function insert(ticket) {
    if (fault.textContent) return;
    const comesBefore = {
      newest: (a, b) => a.id > b.id,
      price: (a, b) => a.total < b.total || (a.total === b.total && a.id > b.id),
      "-price": (a, b) => a.total > b.total || (a.total === b.total && a.id > b.id),
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

  signal.addEventListener("abort", () => loading?.abort());
  if (readForm()) await load({ quietly: true, ...place });
  return {
    title: t("tickets-title"),
    node: h("section", {},
      h("div.hero", {},
        h("h1", {}, t("tickets-title")),
        h("p.lead", {}, t("tickets-lead", { time: duration(config.holdSeconds) }),
          h("span.live", {}, h("span.live-dot", { "aria-hidden": "true" }), t("live")))),
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

/** The filters as an address has them; with a size of page, as the server is asked. */
function parameters(filters, { size } = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) {
    if (value && !(name === "sort" && value === "newest")) parameters.set(name, value);
  }
  if (size) parameters.set("limit", size);
  return parameters.toString();
}

/** Whether a ticket belongs in the list: as the server decides it, closely enough. */
function matches(ticket, filters) {
  if (filters.minPrice && ticket.total < Number(filters.minPrice)) return false;
  if (filters.maxPrice && ticket.total > Number(filters.maxPrice)) return false;
  const { show } = ticket;
  const said = words([ticket.title, show?.name, show?.venue.name, show?.venue.city].join(" "));
  return words(filters.q).every((word) => said.some((it) => it.startsWith(word)));
}

function words(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean);
}
