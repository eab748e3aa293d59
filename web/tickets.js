// How tickets look in lists.

import { badge, fill, h, say } from "./dom.js";
import { times } from "./fees.js";
import { price } from "./format.js";
import { t } from "./i18n.js";
import { seatNames, seatsLine } from "./seats.js";
import { showLine } from "./shows.js";

const STATUS = { Available: "status-available", Locked: "status-locked", Sold: "status-sold", Withdrawn: "status-withdrawn", Closed: "status-closed" };

/** A ticket's state in words. */
export function statusText(status) {
  return t(STATUS[status] ?? "status-unknown");
}

/** A ticket in a list. It changes in place when the ticket does. */
export function card(ticket) {
  const title = h("span.card-title");
  const amount = h("span.card-price");
  const admits = h("span.card-place");
  const place = h("span.card-place");
  const state = h("span.card-state");
  const link = h("a.card", { href: `/tickets/${ticket.id}` },
    h("span.card-body", {}, title, admits, place, state),
    h("span.hidden-text", {}, " - "),
    h("span.card-stub", {}, amount));
  const node = h("li", { dataset: { ticket: ticket.id } }, link);
  let shown = null;
  const update = (next) => {
    if (shown && next.version < shown.version) return;
    shown = next;
    say(title, next.title);
    say(admits, next.show ? showLine(next.show) : "");
    say(place, seatsLine(next));
    showPrice(amount, next);
    link.dataset.status = next.status;
    fill(state, next.status === "Available" ? null : badge(next.status, statusText(next.status)));
  };
  update(ticket);
  return {
    node,
    update,
    get ticket() {
      return shown;
    },
  };
}

/** Shows what something costs, smaller where it is long. */
export function showPrice(element, { total: amount, currency }) {
  const text = price(amount, currency);
  say(element, text);
  element.dataset.length = text.length > 8 ? "long" : "short";
}

/** Where one sits, as it is printed: section, row, seats. Nothing where nothing is said. */
export function placeTable({ section, row, seats }) {
  const facts = [["section", section], ["row", row], ["seats", seats && seatNames(seats)]].filter(([, value]) => value);
  if (facts.length === 0) return null;
  return h("dl.place", {}, facts.map(([id, value]) => h("div", {}, h("dt", {}, t(id)), h("dd", {}, value))));
}

/** What so many seats cost: all of it first, and then what it is made of. `each` is what one costs. */
export function sum({ quantity, currency, each, fee, total }) {
  const line = (name, amount) => h("div", {}, h("dt", {}, name), h("dd", {}, price(amount, currency)));
  const isMade = quantity > 1 || fee > 0;
  return h("div.sum", {},
    h("p.sum-total", {}, h("span.sum-name", {}, t("total")), h("strong.sum-amount", {}, price(total, currency))),
    isMade && h("dl.sum-parts", {},
      line(t("total-seats", { count: quantity, price: price(each, currency) }), times(each, quantity, currency)),
      fee > 0 && line(t("total-fees"), fee)),
    h("p.hint", {}, t("total-all-in")));
}

/** Shapes of cards while the real ones are on their way. */
export function placeholders(count) {
  return Array.from({ length: count }, () => h("li", { "aria-hidden": "true" }, h("span.card.placeholder")));
}

/** What is shown where there is nothing. */
export function empty(title, text, ...actions) {
  return h("div.empty", {}, h("h2", {}, title), h("p", {}, text), h("div.actions", {}, actions));
}
