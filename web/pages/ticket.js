// One ticket: for its buyer-to-be, and for its seller.

import * as api from "../api.js";
import { announce, fill, h, say, uniqueId } from "../dom.js";
import { price } from "../format.js";
import { action, confirm, form, sentence } from "../forms.js";
import { listen } from "../live.js";
import { currentUser } from "../session.js";
import { badge } from "../tickets.js";
import { missing } from "./missing.js";
import { ticketFields } from "./sell.js";

export async function ticket({ params, config, signal, go }) {
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
  const intention = api.intention();

  const heading = h("h1");
  const amount = h("p.fact");
  const state = h("p.fact", { role: "status" });
  const controls = h("div.controls");
  const problem = h("p.form-error", { role: "alert" });

  function show() {
    say(heading, ticket.title);
    say(amount, `Price - ${price(ticket.price, ticket.currency)}`);
    const status = isWithdrawn ? "Withdrawn" : ticket.status;
    if (state.dataset.status !== status) {
      state.dataset.status = status;
      fill(state, h("span.hidden-text", {}, `Status - ${status}`), h("span", { "aria-hidden": "true" }, "Status - "),
        h("span", { "aria-hidden": "true" }, badge(status)));
    }
    if (!isEditing) showControls();
  }

  function showControls() {
    // A control that is replaced while it has the focus would send it to the top of the page.
    const hadFocus = controls.contains(document.activeElement);
    fill(controls, choices());
    if (hadFocus) (controls.querySelector("a, button:not(:disabled)") ?? heading).focus();
  }

  function choices() {
    if (isWithdrawn) return h("p", {}, "The seller has withdrawn this ticket. ", h("a", { href: "/" }, "See what else is for sale"));
    if (ticket.userId === currentUser()?.id) return ownersChoices();
    if (mine) return myOrder();
    if (ticket.status === "Sold") return h("p", {}, "It's gone. ", h("a", { href: "/" }, "See what else is for sale"));
    const isLocked = ticket.status === "Locked";
    const reason = isLocked && h("p.hint", { id: uniqueId("reason") },
      "Somebody is paying for it right now. If they don't, it's for sale again: this page will tell you.");
    if (!currentUser()) {
      if (isLocked) return reason;
      return h("a.button.primary.wide", { href: `/auth/signin?next=/tickets/${ticket.id}` }, "Sign in to purchase");
    }
    const button = h("button.button.primary.wide", { type: "button", disabled: isLocked, "aria-describedby": reason && reason.id }, "Purchase");
    button.addEventListener("click", action(button, purchase));
    return [button, reason];
  }

  function myOrder() {
    const text = ticket.status === "Sold" ? "It's yours." : "You are holding it.";
    return [h("p", {}, text), h("a.button.primary.wide", { href: `/orders/${mine}` }, ticket.status === "Sold" ? "See your order" : "Go on to pay")];
  }

  function ownersChoices() {
    const reasons = {
      Locked: "A buyer is paying for it right now, so it can't be changed.",
      Sold: "It has been sold, so it can't be changed.",
    };
    const text = reasons[ticket.status];
    const reason = text && h("p.hint", { id: uniqueId("reason") }, text);
    const state = { type: "button", disabled: Boolean(text), "aria-describedby": reason && reason.id };
    const edit = h("button.button", state, "Edit");
    const withdraw = h("button.button.danger", state, "Withdraw");
    edit.addEventListener("click", startEditing);
    withdraw.addEventListener("click", action(withdraw, withdrawTicket));
    return [h("div.actions", {}, edit, withdraw), reason];
  }

  async function purchase() {
    problem.textContent = "";
    try {
      const order = await api.send("POST", "/api/orders", { body: { ticketId: ticket.id }, key: intention.key });
      await go(`/orders/${order.id}`);
    } catch (error) {
      // What was answered is settled; only what got no answer is tried again as the same.
      if (error.status > 0) intention.renew();
      problem.textContent = sentence(error);
      if (error.status === 409) await refresh();
    }
  }

  function startEditing() {
    isEditing = true;
    problem.textContent = "";
    const version = ticket.version;
    const fields = ticketFields(config.currency, ticket);
    const stop = () => {
      isEditing = false;
      showControls();
      controls.querySelector("button")?.focus();
    };
    const cancel = h("button.button", { type: "button", onclick: stop }, "Cancel");
    const { node } = form({
      fields,
      label: "Save",
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
        announce("Saved");
      },
    });
    fill(controls, node);
    fields[0].input.focus();
  }

  async function withdrawTicket() {
    const isSure = await confirm({
      title: "Withdraw this ticket?", text: `“${ticket.title}” is taken off the market for good.`,
      yes: "Withdraw", no: "Keep it",
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
    if (type === "OrderCreated" && data.ticketId === ticket.id) mine = data.id;
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
      h("div.stub-main", {}, h("p.eyebrow", {}, "Ticket"), heading, h("div.facts", {}, amount, state)),
      h("div.stub-side", {}, controls, problem)),
  };
}
