// One ticket: for its buyer-to-be, and for its seller.

import * as api from "../api.js";
import { announce, fill, h, say, uniqueId } from "../dom.js";
import { sentence } from "../errors.js";
import { price } from "../format.js";
import { action, confirm, form } from "../forms.js";
import { parts, t } from "../i18n.js";
import { listen } from "../live.js";
import { currentUser } from "../session.js";
import { badge, statusText } from "../tickets.js";
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
    say(amount, t("price-is", { price: price(ticket.total, ticket.currency) }));
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
    const hadFocus = controls.contains(document.activeElement);
    fill(controls, choices());
    if (hadFocus) (controls.querySelector("a, button:not(:disabled)") ?? heading).focus();
  }

  function choices() {
    if (isWithdrawn) return h("p", {}, t("ticket-withdrawn"), " ", elsewhere());
    if (ticket.userId === currentUser()?.id) return ownersChoices();
    if (mine) return myOrder();
    if (ticket.status === "Sold") return h("p", {}, t("ticket-gone"), " ", elsewhere());
    const isLocked = ticket.status === "Locked";
    const reason = isLocked && h("p.hint", { id: uniqueId("reason") }, t("ticket-held"));
    if (!currentUser()) {
      if (isLocked) return reason;
      return h("a.button.primary.wide", { href: `/auth/signin?next=/tickets/${ticket.id}` }, t("ticket-sign-in"));
    }
    const button = h("button.button.primary.wide", { type: "button", disabled: isLocked, "aria-describedby": reason && reason.id }, t("ticket-purchase"));
    button.addEventListener("click", action(button, purchase));
    return [button, reason];
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
    };
    const text = reasons[ticket.status];
    const reason = text && h("p.hint", { id: uniqueId("reason") }, text);
    const state = { type: "button", disabled: Boolean(text), "aria-describedby": reason && reason.id };
    const edit = h("button.button", state, t("edit"));
    const withdraw = h("button.button.danger", state, t("withdraw"));
    edit.addEventListener("click", startEditing);
    withdraw.addEventListener("click", action(withdraw, withdrawTicket));
    return [h("div.actions", {}, edit, withdraw), reason];
  }

  async function purchase() {
    problem.textContent = "";
    try {
      const order = await api.send("POST", "/api/orders", {
        body: { ticketId: ticket.id, expectedPrice: ticket.price }, key: intention.key,
      });
      await go(`/orders/${order.id}`);
    } catch (error) {
      // What was answered is settled; only what got no answer is tried again as the same.
      if (error.status > 0) intention.renew();
      if (error.status === 409) await refresh();
      // It is held by an order of one's own, which the page now leads to.
      if (mine) return;
      problem.textContent = error.code === "price_changed"
        ? t("ticket-price-changed", { price: price(error.document.price ?? ticket.price, ticket.currency) })
        : sentence(error);
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
    const cancel = h("button.button", { type: "button", onclick: stop }, t("cancel"));
    const { node } = form({
      fields,
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
    fields[0].input.focus();
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
      h("div.stub-main", {}, h("p.eyebrow", {}, t("ticket")), heading, h("div.facts", {}, amount, state)),
      h("div.stub-side", {}, controls, problem)),
  };
}
