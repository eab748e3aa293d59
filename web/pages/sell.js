// Listing a ticket.

import * as api from "../api.js";
import { h } from "../dom.js";
import { form } from "../forms.js";
import { t } from "../i18n.js";
import { ticketForm } from "./seat-fields.js";

export function sell({ config, go }) {
  const intention = api.intention();
  const { fields, content } = ticketForm(config);
  const { node } = form({
    fields,
    content,
    label: t("sell-submit"),
    submit: async (values) => {
      const ticket = await api.send("POST", "/api/tickets", { body: values, key: intention.key });
      await go(`/tickets/${ticket.id}`, { replace: true });
    },
  });
  // A different ticket is a different intention; the same one again is a retry.
  for (const kind of ["input", "change"]) node.addEventListener(kind, intention.renew);
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
