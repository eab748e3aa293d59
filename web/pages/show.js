// A show: when and where, and what is on sale for it, by what one pays in the end.

import * as api from "../api.js";
import { announce, fill, h, say } from "../dom.js";
import { price } from "../format.js";
import { t } from "../i18n.js";
import { listen } from "../live.js";
import { where } from "../seats.js";
import { currentUser } from "../session.js";
import { calendarPath, categoryText, countryName, cover, stateBadge, when } from "../shows.js";
import { empty, showPrice } from "../tickets.js";
import { missing } from "./missing.js";
import { liveRow, pagedList } from "./paged.js";

const PAGE_SIZE = 50;
const STATE_TEXTS = { Postponed: "show-postponed-text", Cancelled: "show-cancelled-text", Over: "show-over-text" };

export async function show({ params, config, query, signal, replaceQuery, place }) {
  const path = `/api/shows/${encodeURIComponent(params.id)}`;
  let show;
  try {
    show = await api.get(path, { signal });
  } catch (error) {
    if (error.status === 404) return missing({ what: "show" });
    throw error;
  }
  const filters = { show: params.id, quantity: query.get("quantity") ?? "", section: query.get("section") ?? "" };
  const heading = h("h1");
  const facts = h("div.show-facts");
  const picture = h("div.show-cover");
  const told = h("p.notice", { role: "status" });
  const illustrator = h("div");
  const isOnSale = () => show.status === "Scheduled";
  const market = h("section.block");

  function tell() {
    say(heading, show.name);
    const { venue } = show;
    fill(picture, cover(show, { className: "cover-large" }));
    fill(facts,
      h("p.eyebrow", {}, categoryText(show.category)), heading,
      show.performers.length > 0 && h("p.performers", {}, new Intl.ListFormat(document.documentElement.lang, { type: "unit" }).format(show.performers)),
      when(show), stateBadge(show.status),
      h("p.venue", {}, h("span.venue-name", {}, venue.name), h("span", {}, [venue.address, venue.city, venue.region, countryName(venue.country)].filter(Boolean).join(", "))),
      h("div.actions", {},
        show.status !== "Postponed" && h("a.button", { href: calendarPath(show), download: true }, t("show-calendar")),
        isOnSale() && h("a.button", { href: `/tickets/new?show=${show.id}` }, t("show-sell"))));
    market.hidden = !isOnSale();
    illustrator.hidden = !mayIllustrate();
    if (!illustrator.hidden && !illustrator.firstChild) offerCover();
    say(told, STATE_TEXTS[show.status] ? t(STATE_TEXTS[show.status]) : "");
  }

  /** Those who look after the market may, and whoever added the show; the server says if others build on it by now. */
  function mayIllustrate() {
    const user = currentUser();
    const isTheirs = user?.roles?.includes("operator") || user?.id === show.createdBy;
    return Boolean(user) && isTheirs && (isOnSale() || show.status === "Postponed");
  }

  function offerCover() {
    import("./cover-form.js").then(({ coverForm }) => fill(illustrator, coverForm({ path, signal, adopt })), () => {});
  }

  const shown = pagedList({
    label: t("show-listings"), className: "listings", pageSize: PAGE_SIZE, signal, place,
    path: () => `/api/tickets?${parameters()}`,
    row: (ticket) => listing(ticket, filters),
    found: (values) => t("tickets-found", values),
    follow,
    empty: () => empty(filters.quantity || filters.section ? t("nothing-matches") : t("show-nothing"),
      filters.quantity || filters.section ? t("listings-no-match") : t("show-nothing-text"),
      h("a.button.primary", { href: `/tickets/new?show=${show.id}` }, t("sell-a-ticket"))),
  });
  const parameters = () => {
    const asked = new URLSearchParams({ sort: "price" });
    for (const [name, value] of Object.entries(filters)) if (value) asked.set(name, value);
    return asked.toString();
  };

  const bar = listingFilters(show, config, filters, () => {
    const chosen = Object.entries(filters).filter(([name, value]) => name !== "show" && value);
    replaceQuery(new URLSearchParams(chosen).toString());
    shown.reload({ isAsked: true });
  });

  function follow({ type, data }) {
    const known = shown.rows.get(data.id);
    const isGone = type === "TicketDeleted" || data.showId !== show.id;
    if (known) known.update(isGone ? { ...data, buyable: [], version: Infinity } : data);
    else if (!isGone && data.status === "Available" && matches(data, filters)) shown.insert(data, comesBefore);
  }
  async function refresh() {
    try {
      adopt(await api.get(path, { signal }));
    } catch {
      // The next event or look brings it.
    }
  }
  function adopt(next) {
    if (next.version < show.version) return;
    const wasOnSale = isOnSale();
    const isNews = next.status !== show.status || next.startsAt !== show.startsAt;
    show = next;
    tell();
    if (isNews) announce(told.textContent || heading.textContent);
    if (isOnSale() !== wasOnSale) shown.reload();
  }
  listen(signal, (event) => {
    if (event.type.startsWith("Ticket")) shown.hear(event);
    else if (event.data.id === show.id && event.type !== "ShowDeleted") adopt(event.data);
  }, () => {
    refresh();
    shown.reload();
  });

  tell();
  await shown.reload();
  return {
    title: show.name,
    node: h("article", {},
      h("div.show-head", {}, h("div", {}, picture, illustrator), facts),
      told,
      fill(market,
        h("div.page-head", {}, h("h2", {}, t("show-listings"), h("span.live", {}, h("span.live-dot", { "aria-hidden": "true" }), t("live")))),
        bar, shown.node)),
  };
}

/** The dearer comes later, and of equals the newer first: as the server has them. */
function comesBefore(one, other) {
  return one.total < other.total || (one.total === other.total && one.id > other.id);
}

function matches(ticket, { show, quantity, section }) {
  if (ticket.showId !== show) return false;
  if (section && ticket.section !== section) return false;
  return quantity ? ticket.buyable.includes(Number(quantity)) : ticket.buyable.length > 0;
}

function listingFilters(show, config, filters, changed) {
  const most = Math.min(8, config.maxSeatsPerShow);
  const counts = Array.from({ length: most }, (_, index) => String(index + 1));
  const quantity = h("select", { id: "quantity", name: "quantity" }, h("option", { value: "" }, t("how-many-any")),
    counts.map((count) => h("option", { value: count }, t("tickets-count", { count: Number(count) }))));
  const section = h("select", { id: "section", name: "section" }, h("option", { value: "" }, t("section-any")),
    show.venue.sections.map((it) => h("option", { value: it }, it)));
  quantity.value = counts.includes(filters.quantity) ? filters.quantity : "";
  section.value = show.venue.sections.includes(filters.section) ? filters.section : "";
  const take = () => Object.assign(filters, { quantity: quantity.value, section: section.value });
  take();
  const field = (label, input) => h("div.field", {}, h("label", { for: input.id }, label), input);
  const bar = h("form.filters.for-listings", { "aria-label": t("listings-filter") },
    field(t("how-many"), quantity), show.venue.sections.length > 0 && field(t("section"), section));
  bar.addEventListener("submit", (event) => event.preventDefault());
  bar.addEventListener("change", () => {
    take();
    changed();
  });
  return bar;
}

/** A listing: what each costs in the end, and where one sits. */
function listing(ticket, filters) {
  const amount = h("strong.listing-price");
  const place = h("span.listing-place");
  const about = h("span.listing-about");
  const link = h("a.listing", { href: address() },
    h("span.listing-main", {}, place, about), h("span.hidden-text", {}, " - "),
    h("span.listing-cost", {}, amount, h("span.hint", {}, t("price-each"))));
  const node = h("li", {}, link);
  const row = liveRow(node, ticket, (next) => {
    // What others take is gone from the list, and back as soon as they let go of it.
    node.hidden = !matches(next, filters);
    showPrice(amount, next);
    say(place, where(next) || t("seats-free-choice"));
    fill(about, h("span", {}, t("tickets-count", { count: next.available })),
      next.faceValue !== null && h("span", {}, t("face-value-is", { price: price(next.faceValue, next.currency) })),
      next.notes && h("span.listing-notes", {}, next.notes));
  });
  return row;

  function address() {
    return `/tickets/${ticket.id}${filters.quantity ? `?quantity=${filters.quantity}` : ""}`;
  }
}
