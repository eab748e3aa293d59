// One order: what is left of its time, paying, and how it ended.

import * as api from "../api.js";
import * as clock from "../clock.js";
import { announce, fill, h, say } from "../dom.js";
import { left, moment, price } from "../format.js";
import { action, confirm, sentence } from "../forms.js";
import { listen } from "../live.js";
import { badge } from "../tickets.js";
import { cardForm, declineText, goOnWithBank, isWithBank } from "../pay.js";
import { missing } from "./missing.js";
import { orderState } from "./orders.js";

/** At how many seconds left those who don't see the countdown are told. */
const TOLD_AT = [600, 300, 120, 60, 30, 10];
/** How often an outcome that is not known yet is asked for, should its event be lost. */
const POLL_MILLIS = 4000;

export async function order({ params, config, signal }) {
  const path = `/api/orders/${encodeURIComponent(params.id)}`;
  let order;
  try {
    order = await api.get(path, { signal });
  } catch (error) {
    if (error.status === 404) return missing({ what: "order" });
    throw error;
  }
  const deadline = () => Date.parse(order.expiresAt);
  const isOpen = () => order.status === "Created" || order.status === "AwaitingPayment";
  const isPaying = () => order.status === "AwaitingPayment" && order.charge?.status === "Created";
  let phase = null;

  const eyebrow = h("p.eyebrow");
  const heading = h("h1");
  const amount = h("p.fact", {}, `Price - ${price(order.price, order.currency)}`);
  const state = h("p.fact");
  const body = h("div.controls");
  const problem = h("p.form-error", { role: "alert" });
  const time = h("span.time");
  const bar = h("progress.bar", { max: "1", "aria-hidden": "true" });
  const countdown = h("p.countdown", { role: "timer" }, "You have ", time, " left to order");

  /** What the page has to say; it is drawn anew only when this changes. */
  function currentPhase() {
    if (order.status === "Completed") return order.charge?.stripeRefundId ? "refunded" : "completed";
    if (order.status === "Cancelled") return order.cancelReason;
    // The event that says that a payment waits may be here before the answer that says for whom.
    if (isPaying()) return isWithBank(order) ? "bank" : "paying";
    // The server's timer may come a moment later. The time is up all the same.
    return clock.now() >= deadline() ? "expired" : "open";
  }

  function show() {
    const next = currentPhase();
    fill(state, "Status - ", badge(order.status, next === "expired" ? "Expired" : orderState(order)));
    if (next === phase) return;
    const hadFocus = body.contains(document.activeElement);
    const isChange = phase !== null;
    phase = next;
    say(eyebrow, next === "completed" ? "Your ticket" : "Order");
    say(heading, next === "completed" ? order.ticket.title : `Purchasing ${order.ticket.title}`);
    fill(body, view(next));
    if (next !== "open") say(problem, "");
    if (isChange) announce(outcome(next), { urgent: next !== "completed" });
    if (hadFocus) heading.focus();
  }

  function view(phase) {
    switch (phase) {
      case "open":
        return openView();
      case "bank":
        return bankView();
      case "paying":
        return [waiting("Confirming your payment"),
          h("p", {}, "This usually takes a few seconds. You can leave this page; the outcome is kept under My Orders.")];
      case "completed":
        return [h("p.outcome.good", {}, "Order Complete"),
          h("p", {}, `It's yours. You paid ${price(order.price, order.currency)} on ${moment(order.charge?.createdAt ?? order.createdAt)}.`),
          h("a.button.wide", { href: "/orders" }, "My Orders")];
      case "refunded":
        return ended("Refunded", `Your ${price(order.price, order.currency)} went back to your card.`);
      case "expired":
        return ended("Order Expired", "The time to pay is over, and the ticket is for sale again. You were not charged.");
      case "payment_failed":
        return ended("Payment failed", `${declineText(order.charge?.failureCode)} You were not charged, and the ticket is for sale again.`);
      default:
        return ended("Order Cancelled", "You gave this ticket up. You were not charged.");
    }
  }

  function ended(title, text) {
    return [h("p.outcome.bad", {}, title), h("p", {}, text),
      h("a.button.primary.wide", { href: `/tickets/${order.ticketId}` }, "See the ticket"),
      h("a.button.wide", { href: "/" }, "Browse others")];
  }

  function cancelButton() {
    const cancel = h("button.button.wide", { type: "button" }, "Cancel");
    cancel.addEventListener("click", action(cancel, cancelOrder));
    return cancel;
  }

  function openView() {
    const pay = h("button.button.primary.wide", { type: "button", "aria-expanded": "false" }, "Pay");
    const place = h("div");
    pay.addEventListener("click", action(pay, async () => {
      problem.textContent = "";
      const it = await cardForm({ order, config, signal, adopt, refresh });
      fill(place, it.node);
      pay.hidden = true;
      it.focus();
    }));
    const failed = order.charge?.status === "Failed" && h("p.form-error", {}, declineText(order.charge.failureCode));
    tick();
    return [countdown, bar, failed, place, pay, cancelButton()];
  }

  /** The time runs on while the bank asks, and the buyer may still think better of it. */
  function bankView() {
    tick();
    return [waiting("Waiting for your bank"), h("p", {}, "Your bank wants to know that it's you."),
      countdown, bar, goOnWithBank({ order, config, adopt, refresh, signal }), cancelButton()];
  }

  function waiting(text) {
    return h("p.outcome", {}, h("span.spinner", { "aria-hidden": "true" }), text);
  }

  function outcome(phase) {
    return {
      completed: "Order complete. The ticket is yours.", expired: "Order expired.", refunded: "Your payment was refunded.",
      payment_failed: "Payment failed.", buyer: "Order cancelled.", paying: "Confirming your payment.",
      bank: "Your bank wants to know that it's you.", open: "You can pay again.",
    }[phase];
  }

  async function cancelOrder() {
    const isSure = await confirm({
      title: "Give this ticket up?", text: "It goes back on sale at once, and somebody else may buy it.",
      yes: "Give it up", no: "Keep it",
    });
    if (!isSure) return;
    try {
      await api.send("DELETE", path);
    } catch (error) {
      problem.textContent = sentence(error);
    }
    await refresh();
  }

  let told = Infinity;
  function tick() {
    const millis = deadline() - clock.now();
    say(time, left(millis));
    const held = Math.max(1, deadline() - Date.parse(order.createdAt));
    bar.value = Math.min(1, Math.max(0, millis / held));
    countdown.dataset.hurry = millis < 60_000 ? "yes" : "no";
    const seconds = Math.ceil(millis / 1000);
    const due = TOLD_AT.find((limit) => seconds <= limit && told > limit && seconds > limit - 2);
    if (due && (phase === "open" || phase === "bank")) {
      told = due;
      announce(`${due >= 60 ? `${due / 60} minutes` : `${due} seconds`} left to order`);
    }
  }

  function adopt(next) {
    if (next.id !== order.id || next.version < order.version) return;
    order = next;
    show();
  }

  async function refresh() {
    try {
      adopt(await api.get(path, { signal }));
    } catch {
      // The next event or look brings it.
    }
  }

  listen(signal, ({ type, data }) => {
    if (type.startsWith("Order")) adopt(data);
    else if (data.orderId === order.id) refresh();
  }, refresh);
  const ticking = setInterval(() => {
    if (!isOpen()) return;
    tick();
    show();
  }, 100);
  const polling = setInterval(() => {
    const isOverdue = isOpen() && clock.now() >= deadline();
    if (isPaying() || isOverdue) refresh();
  }, POLL_MILLIS);
  signal.addEventListener("abort", () => {
    clearInterval(ticking);
    clearInterval(polling);
  });

  show();
  return {
    title: `Purchasing ${order.ticket.title}`,
    node: h("article.stub", {},
      h("div.stub-main", {}, eyebrow, heading, h("div.facts", {}, amount, state)),
      h("div.stub-side", {}, body, problem)),
  };
}
