// What I sell, with states.

import { fill, h, say } from "../dom.js";
import { price } from "../format.js";
import { listen } from "../live.js";
import { currentUser } from "../session.js";
import { badge, empty } from "../tickets.js";
import { liveRow, pagedList } from "./orders.js";

export function mine({ signal }) {
  const shown = pagedList({
    label: "My tickets",
    path: "/api/tickets?seller=me",
    signal,
    row,
    empty: () => empty("You aren't selling anything", "List a ticket you can't use. It's for sale the moment you submit it.",
      h("a.button.primary", { href: "/tickets/new" }, "Sell a ticket")),
  });
  listen(signal, ({ type, data }) => {
    const known = shown.rows.get(data.id);
    if (type === "TicketDeleted") {
      known?.node.remove();
      shown.rows.delete(data.id);
    } else if (known) known.update(data);
    else if (type === "TicketCreated" && data.userId === currentUser()?.id) shown.reload();
  }, shown.reload);
  return {
    title: "My Tickets",
    node: h("section", {},
      h("div.page-head", {}, h("h1", {}, "My Tickets"), tabs("/tickets/mine")),
      shown.node),
  };
}

function row(ticket) {
  const title = h("span.row-title");
  const amount = h("span.row-price");
  const state = h("span.row-state");
  const node = h("li", {}, h("a.row", { href: `/tickets/${ticket.id}` }, title, state, amount));
  return liveRow(node, ticket, (next) => {
    say(title, next.title);
    say(amount, price(next.price, next.currency));
    fill(state, badge(next.status));
  });
}

/** The way between what I buy and what I sell. */
export function tabs(here) {
  const tab = (href, text) => h("a.tab", { href, "aria-current": href === here && "page" }, text);
  return h("nav.tabs", { "aria-label": "Mine" }, tab("/orders", "Buying"), tab("/tickets/mine", "Selling"));
}

