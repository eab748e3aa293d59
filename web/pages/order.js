// One order: what is left of its time, paying, and how it ended.

import * as api from "../api.js";
import * as clock from "../clock.js";
import { announce, badge, fill, h, say } from "../dom.js";
import { sentence } from "../errors.js";
import { duration, left, moment, price } from "../format.js";
import { action, confirm } from "../forms.js";
import { parts, t } from "../i18n.js";
import { listen } from "../live.js";
import { showFacts } from "../shows.js";
import { placeTable, sum } from "../tickets.js";
import { bank } from "../bank.js";
import { cardForm, declineText } from "../pay.js";
import { missing } from "./missing.js";
import { orderState, refundOf } from "./orders.js";

/** At how many seconds left those who don't see the countdown are told. */
const TOLD_AT = [600, 300, 120, 60, 30, 10];
/** What there is to see of money that goes back. */
const REFUND_PHASES = { pending: "refund_pending", succeeded: "refunded", failed: "refund_failed" };
const DISPUTES = { open: "order-dispute-open", won: "order-dispute-won", lost: "order-dispute-lost" };
/** How often an outcome that is not known yet is asked for, should its event be lost. */
const POLL_MILLIS = 4000;

export async function order({ params, config, signal, entitle }) {
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
  const place = placeTable({ ...order.ticket, seats: order.seats });
  const admits = h("div");
  const notes = order.ticket.notes && h("p.notes", {}, order.ticket.notes);
  const amount = h("p.fact", {}, t("price-is", { price: price(order.total, order.currency) }));
  const count = order.quantity > 1 && h("p.fact", {}, t("tickets-count", { count: order.quantity }));
  const state = h("p.fact");
  const dispute = h("p.hint", { role: "status" });
  const body = h("div.controls");
  const problem = h("p.form-error", { role: "alert" });
  const time = h("span.time");
  const bar = h("progress.bar", { max: "1", "aria-hidden": "true" });
  const countdown = h("p.countdown", { role: "timer" }, parts("order-left", { time }));

  /** What the page has to say; it is drawn anew only when this changes. */
  function currentPhase() {
    const refund = REFUND_PHASES[refundOf(order)];
    if (refund) return refund;
    if (order.status === "Completed") return "completed";
    if (order.status === "Cancelled") return order.cancelReason;
    // The event that says that a payment waits may be here before the answer that says for whom.
    if (isPaying()) return bank.waitsFor(order) ? "bank" : "paying";
    // The server's timer may come a moment later. The time is up all the same.
    return clock.now() >= deadline() ? "expired" : "open";
  }

  function show() {
    const next = currentPhase();
    say(dispute, DISPUTES[order.charge?.disputeStatus] ? t(DISPUTES[order.charge.disputeStatus]) : "");
    fill(state, parts("status-is", { status: badge(order.status, next === "expired" ? t("order-state-expired") : orderState(order)) }));
    if (next === phase) return;
    const hadFocus = body.contains(document.activeElement);
    const isChange = phase !== null;
    phase = next;
    say(eyebrow, next === "completed" ? t("order-yours") : t("order"));
    say(heading, title(next));
    if (isChange) entitle(title(next));
    const calendar = next === "completed" ? `${path}/calendar.ics` : null;
    fill(admits, order.ticket.show && showFacts(order.ticket.show, { calendar }));
    fill(body, view(next));
    if (next !== "open") say(problem, "");
    if (isChange) announce(outcome(next), { urgent: next !== "completed" });
    if (hadFocus) heading.focus();
  }

  function title(phase) {
    const isUnderWay = phase === "open" || phase === "bank" || phase === "paying";
    return isUnderWay ? t("order-title", { title: order.ticket.title }) : order.ticket.title;
  }

  function view(phase) {
    switch (phase) {
      case "open":
        return openView();
      case "bank":
        return bankView();
      case "paying":
        return [waiting(t("order-confirming")),
          h("p", {}, t("order-confirming-text"))];
      case "completed":
        return [h("p.outcome.good", {}, t("order-complete")),
          h("p", {}, t("order-complete-text", {
            price: price(order.total, order.currency), when: moment(order.charge?.createdAt ?? order.createdAt),
          })),
          h("a.button.wide", { href: "/orders" }, t("orders-title"))];
      case "refunded":
        return ended(t("order-refunded"), t("order-refunded-text", { price: price(order.total, order.currency) }));
      case "refund_pending":
        return ended(t("order-refund-pending"), t("order-refund-pending-text", { price: price(order.total, order.currency) }));
      case "refund_failed":
        return ended(t("order-refund-failed"), t("order-refund-failed-text", { price: price(order.total, order.currency) }));
      case "expired":
        return ended(t("order-expired"), t("order-expired-text"));
      case "payment_failed":
        return ended(t("order-failed"), t("order-failed-text", { reason: declineText(order.charge?.failureCode) }));
      default:
        return ended(t("order-cancelled"), t("order-cancelled-text"));
    }
  }

  function ended(title, text) {
    return [h("p.outcome.bad", {}, title), h("p", {}, text),
      h("a.button.primary.wide", { href: `/tickets/${order.ticketId}` }, t("order-see-ticket")),
      h("a.button.wide", { href: "/" }, t("order-browse"))];
  }

  function cancelButton() {
    const cancel = h("button.button.wide", { type: "button" }, t("cancel"));
    cancel.addEventListener("click", action(cancel, cancelOrder));
    return cancel;
  }

  function openView() {
    const pay = h("button.button.primary.wide", { type: "button", "aria-expanded": "false" }, t("pay"));
    const form = h("div");
    pay.addEventListener("click", action(pay, async () => {
      problem.textContent = "";
      const it = await cardForm({ order, config, signal, adopt, refresh });
      fill(form, it.node);
      pay.hidden = true;
      it.focus();
    }));
    const warning = h("p.hint", {}, t("pay-decline", { tries: config.maxAttempts ?? 1 }));
    const failed = order.charge?.status === "Failed" && h("p.form-error", {}, declineText(order.charge.failureCode));
    tick();
    const cost = sum({ ...order, each: order.price });
    return [countdown, bar, cost, failed, form, pay, warning, cancelButton()];
  }

  /** The time runs on while the bank asks, and the buyer may still think better of it. */
  function bankView() {
    tick();
    return [waiting(t("order-bank")), h("p", {}, t("order-bank-text")),
      countdown, bar, ...bank.buttons({ order, config, refresh }), cancelButton()];
  }

  function waiting(text) {
    return h("p.outcome", {}, h("span.spinner", { "aria-hidden": "true" }), text);
  }

  function outcome(phase) {
    const texts = {
      completed: "told-completed", expired: "told-expired", refunded: "told-refunded", refund_pending: "order-refund-pending", refund_failed: "order-refund-failed", payment_failed: "told-failed",
      buyer: "told-cancelled", paying: "told-paying", bank: "told-bank", open: "told-open",
    };
    return t(texts[phase] ?? "told-cancelled");
  }

  async function cancelOrder() {
    const isSure = await confirm({
      title: t("give-up-title"), text: t("give-up-text"), yes: t("give-up"), no: t("keep"),
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
      announce(t("order-left-told", { time: duration(due) }));
    }
  }

  function adopt(next) {
    if (next.id !== order.id || next.version < order.version) return;
    order = next;
    show();
  }

  async function refresh() {
    try {
      const next = await api.get(path, { signal });
      await bank.lookUp(next, { signal }).catch(() => {});
      adopt(next);
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

  await bank.lookUp(order, { signal }).catch(() => {});
  show();
  return {
    title: title(phase),
    node: h("article.stub", {},
      h("div.stub-main", {}, eyebrow, heading, admits, place, notes, h("div.facts", {}, count, amount, state, dispute)),
      h("div.stub-side", {}, body, problem)),
  };
}
