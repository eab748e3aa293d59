// What I bought, and what I am buying: newest first, with states.

import { badge, fill, h, say } from "../dom.js";
import { moment } from "../format.js";
import { t } from "../i18n.js";
import { listen } from "../live.js";
import { seatsLine } from "../seats.js";
import { showLine } from "../shows.js";
import { empty, showPrice } from "../tickets.js";
import { tabs } from "./mine.js";
import { liveRow, pagedList } from "./paged.js";

export async function orders({ signal, place }) {
  const shown = pagedList({
    label: t("orders-title"),
    path: () => "/api/orders",
    signal,
    place,
    row,
    empty: () => empty(t("orders-nothing"), t("orders-nothing-text"),
      h("a.button.primary", { href: "/" }, t("browse"))),
  });
  listen(signal, ({ type, data }) => {
    if (!type.startsWith("Order")) return;
    const known = shown.rows.get(data.id);
    if (known) known.update(data);
    else shown.reload();
  }, shown.reload);
  await shown.reload();
  return {
    title: t("orders-title"),
    node: h("section", {}, h("div.page-head", {}, h("h1", {}, t("orders-title")), tabs("/orders")), shown.node),
  };
}

const CANCELLED = {
  expired: "order-state-expired",
  payment_failed: "order-state-failed",
  buyer: "order-state-cancelled",
};

/** How far an order's money is on its way back: "pending", "succeeded", "failed", or null if it is not. */
export function refundOf({ charge }) {
  return charge?.refundStatus ?? (charge?.stripeRefundId ? "succeeded" : null);
}

const REFUNDED = { pending: "order-state-refund-pending", succeeded: "order-state-refunded", failed: "order-state-refund-failed" };

/** An order's state, for people. */
export function orderState(order) {
  const refund = REFUNDED[refundOf(order)];
  if (refund) return t(refund);
  if (order.status === "Completed") return t("order-state-paid");
  if (order.status === "Cancelled") return t(CANCELLED[order.cancelReason] ?? "order-state-cancelled");
  return t("order-state-open");
}

function row(order) {
  const title = h("span.row-name");
  const admits = h("span.row-place");
  const place = h("span.row-place");
  const amount = h("span.row-price");
  const state = h("span.row-state");
  const when = h("span.row-when", {}, moment(order.createdAt));
  const node = h("li", {}, h("a.row", { href: `/orders/${order.id}` }, h("span.row-title", {}, title, admits, place), when, state, amount));
  return liveRow(node, order, (next) => {
    say(title, next.ticket.title);
    say(admits, next.ticket.show ? showLine(next.ticket.show) : "");
    say(place, seatsLine({ ...next.ticket, quantity: next.quantity, seats: next.seats }));
    showPrice(amount, next);
    fill(state, badge(next.status, orderState(next)));
  });
}
