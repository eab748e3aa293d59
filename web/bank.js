// 3-D Secure: a payment that waits for its buyer to answer the bank. It outlives a reload, and can
// be given up for another card.

import * as api from "./api.js";
import { announce, h, uniqueId } from "./dom.js";
import { sentence } from "./errors.js";
import { price } from "./format.js";
import { action } from "./forms.js";
import { t } from "./i18n.js";
import { loadStripe } from "./stripe.js";

/** What the bank is asked with, by the id of the charge. */
const secrets = new Map();
/** Charges that the server told the secret of again: those it also lets go of. */
const canBeGivenUp = new Set();

export const bank = {
  /** Keeps what came with the answer to a payment. */
  keep(chargeId, secret) {
    secrets.set(chargeId, secret);
    stored((storage) => storage.setItem(storageKey(chargeId), secret));
  },

  /** Finds out how to ask the bank about an order's payment, where it waits for that. */
  async lookUp({ charge, status }, { signal } = {}) {
    if (status !== "AwaitingPayment" || charge?.status !== "Created") return;
    if (canBeGivenUp.has(charge.id)) return;
    const { clientSecret } = await api.get(`/api/payments/${charge.id}`, { signal });
    if (!clientSecret) return;
    bank.keep(charge.id, clientSecret);
    canBeGivenUp.add(charge.id);
  },

  /** Whether an order's payment waits for its buyer to answer the bank, and can be gone on with. */
  waitsFor({ charge }) {
    return Boolean(charge) && secretOf(charge.id) !== null;
  },

  /** Brings a payment before the bank. */
  async ask(context, chargeId) {
    const secret = secretOf(chargeId);
    if (context.config.provider === "stripe") {
      const stripe = await loadStripe(context.config.publishableKey);
      const { error } = await stripe.handleNextAction({ clientSecret: secret });
      if (error) announce(error.message, { urgent: true });
      else forget(chargeId);
    } else {
      await sandboxBank(context, chargeId, secret);
    }
    await context.refresh();
  },

  /** The way on to the bank, and the way back to another card. */
  buttons(context) {
    const { id } = context.order.charge;
    const problem = h("p.form-error", { role: "alert" });
    const button = (look, text, work) => {
      const it = h(`button.button.wide${look}`, { type: "button" }, text);
      it.addEventListener("click", action(it, async () => {
        problem.textContent = "";
        try {
          await work();
        } catch (error) {
          problem.textContent = sentence(error);
          await context.refresh();
        }
      }));
      return it;
    };
    const giveUp = async () => {
      await api.send("DELETE", `/api/payments/${id}`);
      forget(id);
      await context.refresh();
    };
    return [problem, button(".primary", t("bank-go-on"), () => bank.ask(context, id)),
      canBeGivenUp.has(id) && button("", t("bank-other-card"), giveUp)];
  },
};

function forget(chargeId) {
  secrets.delete(chargeId);
  canBeGivenUp.delete(chargeId);
  stored((storage) => storage.removeItem(storageKey(chargeId)));
}

function secretOf(chargeId) {
  return secrets.get(chargeId) ?? stored((storage) => storage.getItem(storageKey(chargeId)));
}

const storageKey = (chargeId) => `gittix-bank-${chargeId}`;

/** Does something with the tab's storage, where there is one. */
function stored(work) {
  try {
    return work(sessionStorage);
  } catch {
    return null;
  }
}

/** The sandbox's bank: a dialog that asks what a bank would ask. */
function sandboxBank({ order, refresh }, chargeId, secret) {
  if (document.querySelector("dialog.bank")) return Promise.resolve();
  return new Promise((resolve) => {
    const heading = uniqueId("bank");
    const problem = h("p.form-error", { role: "alert" });
    const answer = (approve) => async () => {
      try {
        await api.send("POST", "/api/sandbox/authenticate", { body: { clientSecret: secret, approve } });
        forget(chargeId);
        dialog.close();
      } catch (error) {
        problem.textContent = error.status === 404 ? t("bank-closed") : sentence(error);
        await refresh();
      }
    };
    const dialog = h("dialog.dialog.bank", { "aria-labelledby": heading },
      h("p.eyebrow", {}, t("bank-name")),
      h("h2", { id: heading }, t("bank-question")),
      h("p", {}, t("bank-text", { price: price(order.total, order.currency) })),
      problem,
      h("div.actions", {},
        h("button.button.primary", { type: "button", onclick: answer(true) }, t("bank-yes")),
        h("button.button", { type: "button", onclick: answer(false) }, t("bank-no"))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
