// Listing a ticket.

import * as api from "../api.js";
import { h } from "../dom.js";
import { decimals } from "../format.js";
import { field, form, moneyField } from "../forms.js";
import { t } from "../i18n.js";

export function sell({ config, go }) {
  const intention = api.intention();
  const fields = ticketFields(config.currency);
  // A different ticket is a different intention; the same one again is a retry.
  for (const it of fields) it.input.addEventListener("input", intention.renew);
  const { node } = form({
    fields,
    label: t("sell-submit"),
    submit: async (values) => {
      const ticket = await api.send("POST", "/api/tickets", { body: values, key: intention.key });
      await go(`/tickets/${ticket.id}`, { replace: true });
    },
  });
  return {
    title: t("sell-title"),
    node: h(
      "section.narrow",
      {},
      h("h1", {}, t("sell-title")),
      h("p.lead", {}, t("sell-lead")),
      h("div.panel", {}, node),
      h("p.aside", {}, h("a", { href: "/tickets/mine" }, t("sell-see-mine"))),
    ),
  };
}

/** Title and price. */
export function ticketFields(currency, ticket = {}) {
  return [
    field({ label: t("title"), name: "title", value: ticket.title ?? "", autocomplete: "off", required: true }),
    moneyField({
      label: t("price"), name: "price", currency, value: ticket.price,
      inputmode: decimals(currency) === 0 ? "numeric" : "decimal", required: true,
    }),
  ];
}
