// Where there is nothing.

import { h } from "../dom.js";

export function missing({ what = "page" } = {}) {
  return {
    title: "Not found",
    node: h(
      "section.narrow.missing",
      {},
      h("p.missing-code", { "aria-hidden": "true" }, "404"),
      h("h1", {}, `We can't find that ${what}`),
      h("p.lead", {}, what === "page"
        ? "The address may be mistyped, or the page has moved."
        : `It may have been withdrawn, or it isn't yours to see.`),
      h("div.actions", {}, h("a.button.primary", { href: "/" }, "Browse tickets")),
    ),
  };
}
