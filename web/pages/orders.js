// My Orders, newest first, with states.

import * as api from "../api.js";
import { fill, h, say } from "../dom.js";
import { sentence } from "../errors.js";
import { action } from "../forms.js";
import { moment } from "../format.js";
import { t } from "../i18n.js";
import { listen } from "../live.js";
import { readBack } from "../places.js";
import { seatsLine } from "../seats.js";
import { badge, empty, showPrice } from "../tickets.js";
import { tabs } from "./mine.js";

/** As many as the server gives at once, and as many as it gives if it is not told. */
const LARGEST_PAGE = 100;
const PAGE_SIZE = 50;

export async function orders({ signal, place }) {
  const shown = pagedList({
    label: t("orders-title"),
    path: "/api/orders",
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
  const place = h("span.row-place");
  const amount = h("span.row-price");
  const state = h("span.row-state");
  const when = h("span.row-when", {}, moment(order.createdAt));
  const node = h("li", {}, h("a.row", { href: `/orders/${order.id}` }, h("span.row-title", {}, title, place), when, state, amount));
  return liveRow(node, order, (next) => {
    say(title, next.ticket.title);
    say(place, seatsLine({ ...next.ticket, quantity: next.quantity, seats: next.seats }));
    showPrice(amount, next);
    fill(state, badge(next.status, orderState(next)));
  });
}

/** A row that shows an item, and each newer version of it that it is updated with. */
export function liveRow(node, item, show) {
  let version = -1;
  const update = (next) => {
    if (next.version < version) return;
    version = next.version;
    show(next);
  };
  update(item);
  return { node, update };
}

/**
 * A list that is read page by page, at first as far as it was read when its place was left. `rows`
 * has those that are there, by the id of their item.
 */
export function pagedList({ label, path, signal, place, row, empty }) {
  const rows = new Map();
  const list = h("ul.rows", { "aria-label": label });
  const nothing = h("div");
  const more = h("button.button.more", { type: "button", hidden: true }, t("show-more"));
  let next = null;
  const append = (page) => {
    next = page.next;
    more.hidden = next === null;
    for (const item of page.items) {
      const shown = row(item);
      rows.set(item.id, shown);
      list.append(shown.node);
    }
    fill(nothing, list.children.length === 0 ? empty() : null);
    if (!signal.aborted) place.keep(rows.size);
  };
  const reload = async () => {
    try {
      const loaded = Math.max(rows.size, place.loaded);
      const size = loaded > PAGE_SIZE ? `${path.includes("?") ? "&" : "?"}limit=${LARGEST_PAGE}` : "";
      const page = await readBack({ ...place, loaded }, path + size, (path) => api.page(path, { signal }));
      rows.clear();
      fill(list);
      append(page);
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(list);
      fill(nothing, h("div.empty", { role: "alert" }, h("p", {}, sentence(error)),
        h("button.button", { type: "button", onclick: reload }, t("try-again"))));
    }
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
  return { node: h("div", {}, list, nothing, more), reload, rows };
}
