// What I sell, with states.

import { badge, fill, h, say } from "../dom.js";
import { t } from "../i18n.js";
import { listen } from "../live.js";
import { seatsLine } from "../seats.js";
import { currentUser } from "../session.js";
import { showLine } from "../shows.js";
import { empty, showPrice, statusText } from "../tickets.js";
import { liveRow, pagedList } from "./paged.js";

export async function mine({ signal, place }) {
  const shown = pagedList({
    label: t("selling-list"),
    path: () => "/api/tickets?seller=me",
    signal,
    place,
    row,
    empty: () => empty(t("selling-nothing"), t("selling-nothing-text"),
      h("a.button.primary", { href: "/tickets/new" }, t("sell-a-ticket"))),
  });
  listen(signal, ({ type, data }) => {
    const known = shown.rows.get(data.id);
    if (type === "TicketDeleted") {
      known?.node.remove();
      shown.rows.delete(data.id);
    } else if (known) known.update(data);
    else if (type === "TicketCreated" && data.userId === currentUser()?.id) shown.reload();
  }, shown.reload);
  await shown.reload();
  return {
    title: t("selling-title"),
    node: h("section", {},
      h("div.page-head", {}, h("h1", {}, t("selling-title")), tabs("/tickets/mine")),
      shown.node),
  };
}

function row(ticket) {
  const title = h("span.row-name");
  const admits = h("span.row-place");
  const place = h("span.row-place");
  const amount = h("span.row-price");
  const state = h("span.row-state");
  const node = h("li", {}, h("a.row", { href: `/tickets/${ticket.id}` }, h("span.row-title", {}, title, admits, place), state, amount));
  return liveRow(node, ticket, (next) => {
    say(title, next.title);
    say(admits, next.show ? showLine(next.show) : "");
    say(place, seatsLine(next));
    showPrice(amount, next);
    fill(state, badge(next.status, statusText(next.status)));
  });
}

/** The way between what I buy and what I sell. */
export function tabs(here) {
  const tab = (href, text) => h("a.tab", { href, "aria-current": href === here && "page" }, text);
  return h("nav.tabs", { "aria-label": t("tabs") }, tab("/orders", t("tab-buying")), tab("/tickets/mine", t("tab-selling")));
}
