// Listing a ticket.

import * as api from "../api.js";
import { h } from "../dom.js";
import { decimals, symbol } from "../format.js";
import { field, form } from "../forms.js";

export function sell({ config, go }) {
  const intention = api.intention();
  const fields = ticketFields(config.currency);
  // A different ticket is a different intention; the same one again is a retry.
  for (const it of fields) it.input.addEventListener("input", intention.renew);
  const { node } = form({
    fields,
    label: "Submit",
    submit: async (values) => {
      const ticket = await api.send("POST", "/api/tickets", { body: values, key: intention.key });
      await go(`/tickets/${ticket.id}`, { replace: true });
    },
  });
  return {
    title: "Create a Ticket",
    node: h(
      "section.narrow",
      {},
      h("h1", {}, "Create a Ticket"),
      h("p.lead", {}, "It's for sale the moment you submit it."),
      h("div.panel", {}, node),
      h("p.aside", {}, h("a", { href: "/tickets/mine" }, "See what you're selling")),
    ),
  };
}

/** Title and price. */
export function ticketFields(currency, ticket = {}) {
  const places = decimals(currency);
  return [
    field({ label: "Title", name: "title", value: ticket.title ?? "", autocomplete: "off", required: true }),
    field({
      label: "Price", name: "price", value: ticket.price === undefined ? "" : ticket.price.toFixed(Number.isInteger(ticket.price) ? 0 : places),
      prefix: symbol(currency), inputmode: places === 0 ? "numeric" : "decimal", autocomplete: "off", required: true,
    }),
  ];
}
