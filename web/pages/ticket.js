// One ticket: for its buyer-to-be, and for its seller.

import * as api from "../api.js";
import { announce, badge, fill, h, say, uniqueId } from "../dom.js";
import { Offline, sentence } from "../errors.js";
import { times } from "../fees.js";
import { numbers, price } from "../format.js";
import { action, choiceField, confirm, form } from "../forms.js";
import { parts, t } from "../i18n.js";
import { listen } from "../live.js";
import { currentUser } from "../session.js";
import { showFacts } from "../shows.js";
import { placeTable, statusText, sum } from "../tickets.js";
import { missing } from "./missing.js";

export async function ticket({ params, query, config, signal, go }) {
  const path = `/api/tickets/${encodeURIComponent(params.id)}`;
  let ticket;
  try {
    ticket = await api.get(path, { signal });
  } catch (error) {
    if (error.status === 404) return missing({ what: "ticket" });
    throw error;
  }
  let isWithdrawn = false;
  /** My own order, if it is what holds or bought the ticket. */
  let mine = null;
  let isEditing = false;
  /** How many seats somebody wants of it. */
  let wanted = Number(query.get("quantity")) || null;
  const intention = api.intention();

  const heading = h("h1");
  const admits = h("div");
  const place = h("div");
  const notes = h("p.notes");
  const amount = h("p.fact");
  const left = h("p.fact");
  const faceValue = h("p.hint");
  const state = h("p.fact", { role: "status" });
  const controls = h("div.controls");
  const problem = h("p.form-error", { role: "alert" });

  function show() {
    say(heading, ticket.title);
    fill(admits, ticket.show && showFacts(ticket.show));
    fill(place, placeTable(ticket));
    say(notes, ticket.notes ?? "");
    const isOne = ticket.quantity === 1;
    say(amount, t(isOne ? "price-is" : "price-each-is", { price: price(ticket.total, ticket.currency) }));
    say(faceValue, ticket.faceValue === null ? "" : t("face-value-is", { price: price(ticket.faceValue, ticket.currency) }));
    say(left, isOne ? "" : t("seats-left", { available: ticket.available, count: ticket.quantity }));
    const status = isWithdrawn ? "Withdrawn" : ticket.status;
    if (state.dataset.status !== status) {
      state.dataset.status = status;
      const text = statusText(status);
      // In one piece for those who hear it, with a mark for those who see it.
      fill(state, h("span.hidden-text", {}, t("status-is", { status: text })),
        h("span", { "aria-hidden": "true" }, parts("status-is", { status: badge(status, text) })));
    }
    if (!isEditing) showControls();
  }

  function showControls() {
    // A control that is replaced while it has the focus would send it to the top of the page.
    const had = controls.contains(document.activeElement) && document.activeElement.tagName;
    fill(controls, choices());
    if (!had) return;
    const same = controls.querySelector(had === "INPUT" ? "input:checked" : `${had}:not(:disabled)`);
    (same ?? controls.querySelector("a, button:not(:disabled)") ?? heading).focus();
  }

  function choices() {
    if (isWithdrawn) return h("p", {}, t("ticket-withdrawn"), " ", elsewhere());
    if (ticket.userId === currentUser()?.id) return ownersChoices();
    if (mine) return myOrder();
    if (ticket.status === "Sold") return h("p", {}, t("ticket-gone"), " ", elsewhere());
    const isLocked = ticket.status === "Locked";
    const reason = isLocked && h("p.hint", { id: uniqueId("reason") }, t("ticket-held"));
    if (ticket.status === "Closed") return h("p", {}, t("ticket-closed"), " ", elsewhere());
    if (!currentUser()) {
      if (isLocked) return reason;
      return [seatChoice(),
        h("a.button.primary.wide", { href: `/auth/signin?next=/tickets/${ticket.id}` }, t("ticket-sign-in"))];
    }
    const button = h("button.button.primary.wide", { type: "button", disabled: isLocked, "aria-describedby": reason && reason.id }, t("ticket-purchase"));
    button.addEventListener("click", action(button, purchase));
    return [isLocked ? null : seatChoice(), button, reason];
  }

  /** How many seats, of what can be ordered now, and what they cost. */
  function seatChoice() {
    const { buyable } = ticket;
    if (!buyable.includes(wanted)) wanted = buyable[0] ?? null;
    if (wanted === null) return null;
    const cost = h("div", { role: "status" });
    const tell = () => fill(cost, sum({
      quantity: wanted, currency: ticket.currency, each: ticket.price,
      fee: times(ticket.fee, wanted, ticket.currency), total: totalOf(wanted),
    }));
    tell();
    if (buyable.length === 1) return cost;
    const it = choiceField({
      label: t("how-many"), name: "quantity", className: "numbers", value: wanted, options: buyable.map((count) => [String(count), String(count)]),
    });
    it.node.addEventListener("change", () => {
      wanted = Number(it.read().value);
      problem.textContent = "";
      intention.renew();
      tell();
    });
    return [it.node, cost];
  }

  function totalOf(quantity) {
    return times(ticket.total, quantity, ticket.currency);
  }

  function myOrder() {
    const isSold = ticket.status === "Sold";
    return [h("p", {}, isSold ? t("ticket-yours") : t("ticket-holding")),
      h("a.button.primary.wide", { href: `/orders/${mine}` }, isSold ? t("ticket-see-order") : t("ticket-go-on"))];
  }

  function elsewhere() {
    return h("a", { href: "/" }, t("ticket-see-others"));
  }

  function ownersChoices() {
    const reasons = {
      Locked: t("ticket-own-locked"),
      Sold: t("ticket-own-sold"),
      Closed: t("ticket-own-closed"),
    };
    const text = reasons[ticket.status];
    const reason = text && h("p.hint", { id: uniqueId("reason") }, text);
    const state = { type: "button", disabled: Boolean(text), "aria-describedby": reason && reason.id };
    const edit = h("button.button", state, t("edit"));
    const withdraw = h("button.button.danger", state, t("withdraw"));
    edit.addEventListener("click", action(edit, startEditing));
    withdraw.addEventListener("click", action(withdraw, withdrawTicket));
    return [h("div.actions", {}, edit, withdraw), reason];
  }

  async function purchase() {
    problem.textContent = "";
    try {
      const order = await api.send("POST", "/api/orders", {
        body: { ticketId: ticket.id, quantity: wanted, expectedTotal: totalOf(wanted) }, key: intention.key,
      });
      await go(`/orders/${order.id}`);
    } catch (error) {
      // What was answered is settled; only what got no answer is tried again as the same.
      if (error.status > 0) intention.renew();
      if (error.status === 409) await refresh();
      // It is held by an order of one's own, which the page now leads to.
      if (mine) return;
      problem.textContent = refusal(error);
    }
  }

  function refusal(error) {
    switch (error.code) {
      case "price_changed":
        return t("ticket-price-changed", { price: price(error.document.total ?? totalOf(wanted), ticket.currency) });
      case "quantity_unavailable":
        return t("quantity-unavailable", { count: error.document.buyable?.length ?? 0, numbers: numbers(error.document.buyable ?? []) });
      case "too_many_seats":
        return t("too-many-seats", { most: config.maxSeatsPerShow });
      default:
        return sentence(error);
    }
  }

  async function startEditing() {
    problem.textContent = "";
    let ticketForm;
    try {
      ({ ticketForm } = await import("./seat-fields.js"));
    } catch {
      problem.textContent = sentence(new Offline());
      return;
    }
    isEditing = true;
    const version = ticket.version;
    const { fields, content, first } = ticketForm(config, ticket);
    const stop = () => {
      isEditing = false;
      showControls();
      controls.querySelector("button")?.focus();
    };
    const cancel = h("button.button", { type: "button", onclick: stop }, t("cancel"));
    const { node } = form({
      fields,
      content,
      label: t("save"),
      extra: [cancel],
      submit: async (values) => {
        try {
          adopt(await api.send("PUT", path, { body: values, version }));
        } catch (error) {
          if (["ticket_locked", "ticket_sold", "precondition_failed"].includes(error.code)) {
            await refresh();
            stop();
            problem.textContent = sentence(error);
            return;
          }
          throw error;
        }
        stop();
        announce(t("saved"));
      },
    });
    fill(controls, node);
    first.input.focus();
  }

  async function withdrawTicket() {
    const isSure = await confirm({
      title: t("withdraw-title"), text: t("withdraw-text", { title: ticket.title }), yes: t("withdraw"), no: t("keep"),
    });
    if (!isSure) return;
    try {
      await api.send("DELETE", path);
      await go("/tickets/mine", { replace: true });
    } catch (error) {
      problem.textContent = sentence(error);
      await refresh();
    }
  }

  function adopt(next) {
    if (next.version < ticket.version) return;
    ticket = next;
    if (ticket.status === "Available") mine = null;
    show();
  }

  async function refresh() {
    try {
      adopt(await api.get(path, { signal }));
      await findMine();
    } catch (error) {
      if (error.status !== 404) return;
      isWithdrawn = true;
      show();
    }
  }

  /** An order is for its buyer's eyes, so asking for it tells whether it is mine. */
  async function findMine() {
    const isTaken = ticket.orderId !== null && currentUser() && ticket.userId !== currentUser().id;
    if (!isTaken) return;
    try {
      mine = (await api.get(`/api/orders/${ticket.orderId}`, { signal })).id;
      show();
    } catch {
      mine = null;
    }
  }

  listen(signal, ({ type, data }) => {
    // An order of some of the seats leaves others to be had.
    if (type === "OrderCreated" && data.ticketId === ticket.id && data.quantity === ticket.quantity) mine = data.id;
    if (data.id !== ticket.id) return;
    problem.textContent = "";
    isWithdrawn ||= type === "TicketDeleted";
    adopt(data);
  }, refresh);

  await findMine();
  show();
  return {
    title: ticket.title,
    node: h("article.stub", {},
      h("div.stub-main", {}, h("p.eyebrow", {}, t("ticket")), heading, admits, place, notes, h("div.facts", {}, amount, faceValue, left, state)),
      h("div.stub-side", {}, controls, problem)),
  };
}
