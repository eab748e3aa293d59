// The card form: test cards in the sandbox, Stripe's own elements with Stripe. Card numbers
// never come to this server.

import * as api from "./api.js";
import { bank } from "./bank.js";
import { isCardNumber, isPast, isSecurityCode, readExpiry } from "./cards.js";
import * as clock from "./clock.js";
import { h, uniqueId } from "./dom.js";
import { Told } from "./errors.js";
import { price } from "./format.js";
import { field, form } from "./forms.js";
import { t } from "./i18n.js";
import { loadStripe } from "./stripe.js";

/** The sandbox's cards: token, number, and what happens. */
const TEST_CARDS = [
  ["pm_card_visa", "4242424242424242", "card-succeeds"],
  ["pm_card_chargeDeclined", "4000000000000002", "card-declined"],
  ["pm_card_chargeDeclinedInsufficientFunds", "4000000000009995", "card-insufficient-funds"],
  ["pm_card_chargeDeclinedExpiredCard", "4000000000000069", "card-expired"],
  ["pm_card_authenticationRequired", "4000002500003155", "card-bank-asks"],
];

const DECLINES = {
  insufficient_funds: "decline-insufficient-funds",
  expired_card: "decline-expired-card",
  incorrect_cvc: "decline-incorrect-cvc",
  processing_error: "decline-processing-error",
  authentication_failed: "decline-authentication",
  payment_intent_authentication_failure: "decline-authentication",
};

/** Why a card was declined, for people. */
export function declineText(code) {
  return t(DECLINES[code] ?? "decline-other");
}

/** The form for an order. `focus` puts the keyboard where it begins. */
export async function cardForm(context) {
  return context.config.provider === "stripe" ? stripeForm(context) : sandboxForm(context);
}

function sandboxForm(context) {
  const typed = typedCard();
  const choice = (value, index, name, outcome) => {
    const id = uniqueId("card");
    return h("div.card-choice", {},
      h("input", { type: "radio", name: "card", id, value, checked: index === 0 }),
      h("label", { for: id }, h("span.card-number", {}, name), h("span.card-outcome", {}, outcome)));
  };
  const cards = TEST_CARDS.map(([token, number, outcome], index) => choice(token, index, `Visa •••• ${number.slice(-4)}`, t(outcome)));
  const choices = h("fieldset.choices", {}, h("legend", {}, t("card-choose")), cards,
    choice("typed", -1, t("card-type"), t("card-type-hint")));
  const intention = api.intention();
  const chosen = () => choices.querySelector("input:checked");
  const isTyped = () => chosen().value === "typed";
  choices.addEventListener("change", () => {
    intention.renew();
    typed.node.hidden = !isTyped();
  });
  typed.node.addEventListener("input", intention.renew);
  const it = form({
    fields: typed.fields.map((field) => ({ ...field, read: () => (isTyped() ? field.read() : {}) })),
    label: payLabel(context.order),
    submit: () => pay(context, isTyped() ? typed.token() : chosen().value, intention),
  });
  typed.node.append(...typed.fields.map((field) => field.node));
  typed.node.hidden = true;
  it.node.prepend(h("p.hint", {}, t("sandbox-hint")), choices, typed.node);
  return { node: it.node, focus: () => chosen().focus() };
}

/** A card that is typed. What can be told to be wrong is, and nobody is asked. */
function typedCard() {
  const read = (input, isRight, fault) => (isRight(input().value) ? { value: input().value } : { fault: t(fault) });
  const digits = (text) => text.replace(/[\s-]/g, "");
  const tokenOf = (text) => TEST_CARDS.find(([, it]) => it === digits(text))?.[0];
  const common = { inputmode: "numeric", autocomplete: "off" };
  const number = field({
    label: t("card-number"), name: "number", placeholder: "4242 4242 4242 4242", ...common,
    read: () => {
      const right = read(() => number.input, isCardNumber, "card-number-wrong");
      return right.fault ? right : read(() => number.input, tokenOf, "card-not-a-test-card");
    },
  });
  const expiry = field({
    label: t("card-expiry"), name: "expiry", placeholder: t("card-expiry-example"), ...common,
    read: () => {
      const right = read(() => expiry.input, readExpiry, "card-expiry-wrong");
      return right.fault ? right : read(() => expiry.input, (text) => !isPast(readExpiry(text), clock.now()), "card-past");
    },
  });
  const code = field({
    label: t("card-code"), name: "code", placeholder: "123", ...common,
    read: () => read(() => code.input, isSecurityCode, "card-code-wrong"),
  });
  return { node: h("div.typed-card"), fields: [number, expiry, code], token: () => tokenOf(number.input.value) };
}

function payLabel(order) {
  return t("pay-price", { price: price(order.total, order.currency) });
}

async function pay(context, token, intention) {
  const { order, refresh } = context;
  try {
    const { status, document } = await api.sendForStatus("POST", "/api/payments", {
      body: { orderId: order.id, token }, key: intention.key,
    });
    if (status === 202 && document.clientSecret) {
      bank.keep(document.id, document.clientSecret);
      await refresh();
      await bank.ask(context, document.id);
    }
  } catch (error) {
    // A lost answer is asked for again with the same key; one that came is settled.
    if (error.status > 0) intention.renew();
    await refresh();
    if (error.code === "payment_failed") throw new Told(declineText(error.document.declineCode));
    throw error;
  }
  await refresh();
}

async function stripeForm(context) {
  const { order, config } = context;
  if (!config.publishableKey) {
    return { node: h("p.form-error", { role: "alert" }, t("stripe-no-key")), focus: () => {} };
  }
  const stripe = await loadStripe(config.publishableKey);
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const card = stripe.elements().create("card", {
    style: { base: { fontSize: "16px", color: isDark ? "#f3efe8" : "#1d1a16", iconColor: isDark ? "#f3efe8" : "#1d1a16" } },
  });
  const place = h("div.stripe-card");
  const fault = h("p.field-error", { role: "alert" });
  const intention = api.intention();
  let method = null;
  let isComplete = false;
  card.on("change", ({ complete, error }) => {
    intention.renew();
    method = null;
    isComplete = complete;
    fault.textContent = error?.message ?? "";
  });
  const it = form({
    fields: [],
    label: payLabel(order),
    submit: async () => {
      // A number that can't be right, or a date that is past, costs no attempt.
      if (!isComplete) {
        card.focus();
        if (fault.textContent === "") throw new Told(t("card-incomplete"));
        return;
      }
      // The same card is the same payment method, so that a retry has the same body.
      if (method === null) {
        const made = await stripe.createPaymentMethod({ type: "card", card });
        if (made.error) throw new Told(made.error.message);
        method = made.paymentMethod.id;
      }
      await pay(context, method, intention);
    },
  });
  it.node.prepend(h("p.label", {}, t("card")), place, fault);
  card.mount(place);
  return { node: it.node, focus: () => card.on("ready", () => card.focus()) };
}
