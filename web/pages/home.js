// The front page: what is on soon, found by who plays, where and when; and what was just listed.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { duration } from "../format.js";
import { t } from "../i18n.js";
import { listen } from "../live.js";
import { CATEGORIES, categoryText, showCard } from "../shows.js";
import { card, empty } from "../tickets.js";
import { pagedList } from "./paged.js";

const PAGE_SIZE = 24;
const TYPING_PAUSE_MILLIS = 250;
/** How long after something happened the list is read again: what happens meanwhile counts as one. */
const GATHERING_MILLIS = 1500;
const JUST_LISTED = 6;
const FILTERS = ["q", "city", "category", "from", "to"];

export async function home({ config, query, signal, replaceQuery, place }) {
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  const { bar, read, clear, cities } = filterBar(filters);
  /** The cities that can be chosen: those of the shows that were shown. */
  const known = new Set();
  const isFiltered = () => FILTERS.some((name) => filters[name]);
  const shown = pagedList({
    label: t("shows"), className: "shows", pageSize: PAGE_SIZE, signal, place,
    path: () => `/api/shows?${parameters(filters)}`,
    row: (show) => {
      cities.append(...(known.has(show.venue.city) ? [] : [h("option", { value: show.venue.city })]));
      known.add(show.venue.city);
      return showCard(show, config.currency);
    },
    empty: () => (isFiltered()
      ? empty(t("nothing-matches"), t("shows-no-match"),
        h("button.button", { type: "button", onclick: clearAll }, t("clear-filters")))
      : h("p.hint", {}, t("shows-none"))),
    found: (values) => t("shows-found", values),
  });
  const fresh = await justListed(signal);

  let typing = null;
  function changed() {
    clearTimeout(typing);
    if (!read()) return shown.clear();
    replaceQuery(parameters(filters));
    shown.reload({ isAsked: true });
  }
  function clearAll() {
    clear();
    changed();
  }
  bar.addEventListener("submit", (event) => {
    event.preventDefault();
    changed();
  });
  bar.addEventListener("change", changed);
  bar.addEventListener("input", ({ target }) => {
    // A city is one by its whole name.
    if (target.type !== "search") return;
    clearTimeout(typing);
    typing = setTimeout(changed, TYPING_PAUSE_MILLIS);
  });

  // A show tells of its own changes; what is on sale for it follows from tickets.
  let gathering = null;
  const readAgainSoon = () => {
    gathering ??= setTimeout(() => {
      gathering = null;
      if (read()) shown.reload();
    }, GATHERING_MILLIS);
  };
  listen(signal, (event) => {
    const { type, data } = event;
    if (type.startsWith("Show") || (type.startsWith("Ticket") && shown.rows.has(data.showId))) readAgainSoon();
    fresh.follow(event);
  }, () => {
    shown.reload();
    fresh.reload();
  });
  signal.addEventListener("abort", () => clearTimeout(gathering));

  if (read()) await shown.reload();
  return {
    title: t("home-title"),
    node: h("section", {},
      h("div.hero", {}, h("h1", {}, t("home-title")), h("p.lead", {}, t("home-lead"))),
      bar, shown.node, fresh.node(config)),
  };
}

/** The form that narrows the list. `read` takes over what it says, and says whether that is sound. */
function filterBar(filters) {
  const input = (name, label, attributes) => {
    const it = h("input", { id: name, name, autocomplete: "off", ...attributes });
    it.value = filters[name];
    return { it, node: h(name === "q" ? "div.field.grow" : "div.field", {}, h("label", { for: name }, label), it) };
  };
  const q = input("q", t("search"), { type: "search", placeholder: t("search-example") });
  const cities = h("datalist", { id: "cities" });
  const city = input("city", t("city"), { type: "text", placeholder: t("city-example"), list: "cities" });
  const from = input("from", t("date-from"), { type: "date", "aria-describedby": "filter-fault" });
  const to = input("to", t("date-to"), { type: "date", "aria-describedby": "filter-fault" });
  const category = h("select", { id: "category", name: "category" }, h("option", { value: "" }, t("category-any")),
    Object.keys(CATEGORIES).map((it) => h("option", { value: it }, categoryText(it))));
  category.value = filters.category in CATEGORIES ? filters.category : "";
  const fault = h("p.field-error", { id: "filter-fault", role: "alert" });
  const bar = h("form.filters.for-shows", { role: "search", "aria-label": t("shows-search") },
    q.node, city.node, h("div.field", {}, h("label", { for: "category" }, t("category")), category), from.node, to.node, fault, cities);
  const inputs = { q: q.it, city: city.it, category, from: from.it, to: to.it };
  const read = () => {
    for (const name of FILTERS) filters[name] = inputs[name].value.trim();
    const isUpsideDown = filters.from !== "" && filters.to !== "" && filters.to < filters.from;
    fault.textContent = isUpsideDown ? t("dates-upside-down") : "";
    for (const it of [from.it, to.it]) {
      if (isUpsideDown) it.setAttribute("aria-invalid", "true");
      else it.removeAttribute("aria-invalid");
    }
    return !isUpsideDown;
  };
  const clear = () => {
    for (const it of Object.values(inputs)) it.value = "";
    q.it.focus();
  };
  return { bar, read, clear, cities };
}

/** The tickets that came on sale last, whether of a show or not. */
async function justListed(signal) {
  const cards = new Map();
  const list = h("ul.cards", { "aria-label": t("just-listed") });
  const nothing = h("div");
  const show = (tickets) => {
    cards.clear();
    for (const ticket of tickets) cards.set(ticket.id, card(ticket));
    draw();
  };
  const draw = () => {
    fill(list, [...cards.values()].map((it) => it.node));
    fill(nothing, cards.size === 0 && empty(t("nothing-for-sale"), t("nothing-for-sale-text"),
      h("a.button.primary", { href: "/tickets/new" }, t("sell-a-ticket"))));
  };
  const reload = async () => show(await api.get(`/api/tickets?limit=${JUST_LISTED}`, { signal }));
  await reload();
  return {
    reload: () => reload().catch(() => {}),
    follow({ type, data }) {
      const known = cards.get(data.id);
      if (type === "TicketDeleted") known?.update({ ...data, status: "Withdrawn", version: Infinity });
      else if (known) known.update(data);
      else if (type === "TicketCreated" && data.status === "Available") {
        const it = card(data);
        it.node.firstChild.dataset.fresh = "yes";
        const kept = [...cards].slice(0, JUST_LISTED - 1);
        cards.clear();
        for (const [id, other] of [[data.id, it], ...kept]) cards.set(id, other);
        draw();
      }
    },
    node: (config) => h("section.block", {},
      h("div.page-head", {}, h("h2", {}, t("just-listed"), h("span.live", {}, h("span.live-dot", { "aria-hidden": "true" }), t("live"))),
        h("a", { href: "/tickets" }, t("all-tickets"))),
      h("p.lead", {}, t("tickets-lead", { time: duration(config.holdSeconds) })),
      list, nothing),
  };
}

/** The filters as an address has them, and as the server is asked. */
function parameters(filters) {
  return new URLSearchParams(Object.entries(filters).filter(([, value]) => value)).toString();
}
