// My Orders, newest first, with states.

import * as api from "../api.js";
import { fill, h, say } from "../dom.js";
import { moment, price } from "../format.js";
import { sentence } from "../forms.js";
import { listen } from "../live.js";
import { badge, empty } from "../tickets.js";
import { tabs } from "./mine.js";

export function orders({ signal }) {
  const shown = pagedList({
    label: "My orders",
    path: "/api/orders",
    signal,
    row,
    empty: () => empty("No orders yet", "When you choose a ticket, it's held for you here while you pay.",
      h("a.button.primary", { href: "/" }, "Browse tickets")),
  });
  listen(signal, ({ type, data }) => {
    if (!type.startsWith("Order")) return;
    const known = shown.rows.get(data.id);
    if (known) known.update(data);
    else shown.reload();
  }, shown.reload);
  return {
    title: "My Orders",
    node: h("section", {}, h("div.page-head", {}, h("h1", {}, "My Orders"), tabs("/orders")), shown.node),
  };
}

/** An order's state, for people. */
export function orderState(order) {
  if (order.charge?.stripeRefundId) return "Refunded";
  if (order.status === "Completed") return "Paid";
  if (order.status === "Cancelled") return { expired: "Expired", payment_failed: "Payment failed", buyer: "Cancelled" }[order.cancelReason];
  return "Waiting for payment";
}

function row(order) {
  const title = h("span.row-title");
  const amount = h("span.row-price");
  const state = h("span.row-state");
  const when = h("span.row-when", {}, moment(order.createdAt));
  const node = h("li", {}, h("a.row", { href: `/orders/${order.id}` }, title, when, state, amount));
  return liveRow(node, order, (next) => {
    say(title, next.ticket.title);
    say(amount, price(next.price, next.currency));
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

/** A list that is read page by page. `rows` has those that are there, by the id of their item. */
export function pagedList({ label, path, signal, row, empty }) {
  const rows = new Map();
  const list = h("ul.rows", { "aria-label": label });
  const nothing = h("div");
  const more = h("button.button.more", { type: "button", hidden: true }, "Show more");
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
  };
  const reload = async () => {
    try {
      const first = await api.page(path, { signal });
      rows.clear();
      fill(list);
      append(first);
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(list);
      fill(nothing, h("div.empty", { role: "alert" }, h("p", {}, sentence(error)),
        h("button.button", { type: "button", onclick: reload }, "Try again")));
    }
  };
  more.addEventListener("click", async () => {
    const before = list.children.length;
    try {
      append(await api.page(next, { signal }));
      list.children[before]?.querySelector("a").focus();
    } catch {
      // The button stays, to be pressed again.
    }
  });
  fill(list, Array.from({ length: 3 }, () => h("li", { "aria-hidden": "true" }, h("span.row.placeholder"))));
  reload();
  return { node: h("div", {}, list, nothing, more), reload, rows };
}
