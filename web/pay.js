// The card form: test cards in the sandbox, Stripe's own elements with Stripe. Card numbers
// never come to this server.

import * as api from "./api.js";
import { announce, h, uniqueId } from "./dom.js";
import { price } from "./format.js";
import { action, form, sentence } from "./forms.js";

const TEST_CARDS = [
  ["pm_card_visa", "Visa", "4242", "Succeeds"],
  ["pm_card_chargeDeclined", "Visa", "0002", "Declined"],
  ["pm_card_chargeDeclinedInsufficientFunds", "Visa", "9995", "Insufficient funds"],
  ["pm_card_chargeDeclinedExpiredCard", "Visa", "0069", "Expired card"],
  ["pm_card_authenticationRequired", "Visa", "3155", "3-D Secure: the bank asks you"],
];

const DECLINES = {
  insufficient_funds: "The card has insufficient funds.",
  expired_card: "The card has expired.",
  incorrect_cvc: "The card's security code is wrong.",
  processing_error: "The bank could not process the card.",
  authentication_failed: "Your bank did not confirm that it's you.",
  payment_intent_authentication_failure: "Your bank did not confirm that it's you.",
};

/** Why a card was declined, for people. */
export function declineText(code) {
  return DECLINES[code] ?? "The card was declined.";
}

/** The form for an order. `focus` puts the keyboard where it begins. */
export async function cardForm(context) {
  return context.config.provider === "stripe" ? stripeForm(context) : sandboxForm(context);
}

function sandboxForm(context) {
  const { order } = context;
  const cards = TEST_CARDS.map(([token, brand, digits, outcome], index) => {
    const id = uniqueId("card");
    return h("div.card-choice", {},
      h("input", { type: "radio", name: "card", id, value: token, checked: index === 0 }),
      h("label", { for: id }, h("span.card-number", {}, `${brand} •••• ${digits}`), h("span.card-outcome", {}, outcome)));
  });
  const choices = h("fieldset.choices", {}, h("legend", {}, "Choose a test card"), cards);
  const intention = api.intention();
  choices.addEventListener("change", intention.renew);
  const it = form({
    fields: [],
    className: "form",
    label: `Pay ${price(order.price, order.currency)}`,
    submit: () => pay(context, choices.querySelector("input:checked").value, intention),
  });
  it.node.prepend(h("p.hint", {}, "This is a sandbox: no money moves."), choices);
  return { node: it.node, focus: () => choices.querySelector("input:checked").focus() };
}

async function pay(context, token, intention) {
  const { order, refresh } = context;
  try {
    const { status, document } = await api.sendForStatus("POST", "/api/payments", {
      body: { orderId: order.id, token }, key: intention.key,
    });
    if (status === 202 && document.clientSecret) {
      keepSecret(document.id, document.clientSecret);
      await refresh();
      await askBank(context, document.id, document.clientSecret);
    }
  } catch (error) {
    // A lost answer is asked for again with the same key; one that came is settled.
    if (error.status > 0) intention.renew();
    await refresh();
    if (error.code === "payment_failed") throw new Error(declineText(error.document.declineCode));
    throw error;
  }
  await refresh();
}

// A payment that waits for the bank outlives a reload of the page.

const secrets = new Map();
const storageKey = (chargeId) => `gittix-bank-${chargeId}`;

/** Does something with the tab's storage. Without one a reload loses a secret, and the order runs out unpaid. */
function stored(work) {
  try {
    return work(sessionStorage);
  } catch {
    return null;
  }
}

function keepSecret(chargeId, secret) {
  secrets.set(chargeId, secret);
  stored((storage) => storage.setItem(storageKey(chargeId), secret));
}

function forgetSecret(chargeId) {
  secrets.delete(chargeId);
  stored((storage) => storage.removeItem(storageKey(chargeId)));
}

function keptSecret(chargeId) {
  return secrets.get(chargeId) ?? stored((storage) => storage.getItem(storageKey(chargeId)));
}

/** Whether a payment waits for its buyer to answer the bank, and this browser knows how to ask. */
export function isWithBank(order) {
  return Boolean(order.charge) && keptSecret(order.charge.id) !== null;
}

/** A button that brings a waiting payment before the bank again. */
export function goOnWithBank(context) {
  const { id } = context.order.charge;
  const button = h("button.button.primary.wide", { type: "button" }, "Go on to your bank");
  button.addEventListener("click", action(button, async () => {
    try {
      await askBank(context, id, keptSecret(id));
    } catch (error) {
      announce(sentence(error), { urgent: true });
    }
  }));
  return button;
}

async function askBank(context, chargeId, secret) {
  if (context.config.provider === "stripe") {
    const stripe = await loadStripe(context.config.publishableKey);
    const { error } = await stripe.handleNextAction({ clientSecret: secret });
    if (error) announce(error.message, { urgent: true });
    else forgetSecret(chargeId);
  } else {
    await sandboxBank(context, chargeId, secret);
  }
  await context.refresh();
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
        forgetSecret(chargeId);
        dialog.close();
      } catch (error) {
        problem.textContent = error.status === 404
          ? "The sandbox's bank is closed. The order runs out by itself, and nothing is charged."
          : sentence(error);
        await refresh();
      }
    };
    const dialog = h("dialog.dialog.bank", { "aria-labelledby": heading },
      h("p.eyebrow", {}, "Sandbox Bank"),
      h("h2", { id: heading }, "Is it you?"),
      h("p", {}, `GitTix asks to charge ${price(order.price, order.currency)} to your card ending in 3155.`),
      problem,
      h("div.actions", {},
        h("button.button.primary", { type: "button", onclick: answer(true) }, "Yes, pay"),
        h("button.button", { type: "button", onclick: answer(false) }, "No, it's not me")));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

let stripePromise = null;
/** Stripe's script, fetched when somebody is about to pay and not before. */
function loadStripe(key) {
  stripePromise ??= new Promise((resolve, reject) => {
    const script = h("script", { src: "https://js.stripe.com/v3/", async: true });
    script.addEventListener("load", () => resolve(window.Stripe(key)));
    script.addEventListener("error", () => {
      stripePromise = null;
      script.remove();
      reject(new Error("Stripe could not be reached. Try again in a moment."));
    });
    document.head.append(script);
  });
  return stripePromise;
}

async function stripeForm(context) {
  const { order, config } = context;
  if (!config.publishableKey) {
    const text = "Paying in the browser is not set up on this server: it has no publishable key.";
    return { node: h("p.form-error", { role: "alert" }, text), focus: () => {} };
  }
  const stripe = await loadStripe(config.publishableKey);
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const card = stripe.elements().create("card", {
    style: { base: { fontSize: "16px", color: isDark ? "#f3efe8" : "#1d1a16", iconColor: isDark ? "#f3efe8" : "#1d1a16" } },
  });
  const place = h("div.stripe-card");
  const label = h("p.label", {}, "Card");
  const intention = api.intention();
  card.on("change", intention.renew);
  let method = null;
  card.on("change", () => (method = null));
  const it = form({
    fields: [],
    className: "form",
    label: `Pay ${price(order.price, order.currency)}`,
    submit: async () => {
      // The same card is the same payment method, so that a retry has the same body.
      if (method === null) {
        const made = await stripe.createPaymentMethod({ type: "card", card });
        if (made.error) throw new Error(made.error.message);
        method = made.paymentMethod.id;
      }
      await pay(context, method, intention);
    },
  });
  it.node.prepend(label, place);
  card.mount(place);
  return { node: it.node, focus: () => card.on("ready", () => card.focus()) };
}
