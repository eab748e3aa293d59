// Where there is nothing.

import { h } from "../dom.js";
import { t } from "../i18n.js";

const WORDS = {
  page: ["missing-page", "missing-page-text"],
  ticket: ["missing-ticket", "missing-ticket-text"],
  show: ["missing-show", "missing-show-text"],
  order: ["missing-order", "missing-order-text"],
};

export function missing({ what = "page" } = {}) {
  const [title, text] = WORDS[what];
  return {
    title: t("missing-title"),
    node: h(
      "section.narrow.missing",
      {},
      h("p.missing-code", { "aria-hidden": "true" }, "404"),
      h("h1", {}, t(title)),
      h("p.lead", {}, t(text)),
      h("div.actions", {}, h("a.button.primary", { href: "/" }, t("browse"))),
    ),
  };
}
