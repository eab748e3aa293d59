// How tickets look in lists.

import { fill, h, say } from "./dom.js";
import { price } from "./format.js";

/** A ticket's state in words. */
export const STATUS = { Available: "Available", Locked: "Locked", Sold: "Sold", Withdrawn: "Withdrawn" };

/** A small mark with a ticket's or an order's state. */
export function badge(status, text = status) {
  return h("span.badge", { dataset: { status } }, text);
}

/** A ticket in a list. It changes in place when the ticket does. */
export function card(ticket) {
  const title = h("span.card-title");
  const amount = h("span.card-price");
  const state = h("span.card-state");
  const link = h("a.card", { href: `/tickets/${ticket.id}` },
    h("span.card-body", {}, title, state),
    h("span.hidden-text", {}, " - "),
    h("span.card-stub", {}, amount));
  const node = h("li", { dataset: { ticket: ticket.id } }, link);
  let shown = null;
  const update = (next) => {
    if (shown && next.version < shown.version) return;
    shown = next;
    say(title, next.title);
    say(amount, price(next.price, next.currency));
    link.dataset.status = next.status;
    fill(state, next.status === "Available" ? null : badge(next.status));
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

/** Shapes of cards while the real ones are on their way. */
export function placeholders(count) {
  return Array.from({ length: count }, () => h("li", { "aria-hidden": "true" }, h("span.card.placeholder")));
}

/** What is shown where there is nothing. */
export function empty(title, text, ...actions) {
  return h("div.empty", {}, h("h2", {}, title), h("p", {}, text), h("div.actions", {}, actions));
}
