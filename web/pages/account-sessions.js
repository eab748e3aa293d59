// Where the account is signed in, and signing out from afar.

import * as api from "../api.js";
import { announce, fill, h } from "../dom.js";
import { sentence } from "../errors.js";
import { moment } from "../format.js";
import { action } from "../forms.js";
import { t } from "../i18n.js";
import { accountList } from "./account-list.js";

const PATH = "/api/users/me/sessions";

export async function sessionsPanel(signal) {
  const { list, more } = await accountList({ label: t("sessions"), path: PATH, row, signal });
  return h("div.panel", {}, h("h2", {}, t("sessions")), list, more);
}

function row(session) {
  const client = session.client ? t("session-client", { client: session.client }) : t("session-unknown");
  const about = h("div", {},
    h("p.item-name", {}, client),
    h("p.hint", {}, t("session-seen", { when: moment(session.lastSeenAt) })),
    h("p.hint", {}, t("session-began", { when: moment(session.createdAt) })));
  const node = h("li.item", {}, about, session.current ? h("span.hint", {}, t("session-current")) : ending());
  return node;

  function ending() {
    const button = h("button.button", { type: "button", "aria-label": t("session-end-label", { client }) }, t("session-end"));
    button.addEventListener("click", action(button, async () => {
      try {
        await api.send("DELETE", `${PATH}/${session.id}`);
      } catch (error) {
        // It may have ended by itself.
        if (error.code !== "not_found") return announce(sentence(error), { urgent: true });
      }
      fill(node, h("p.hint", { tabindex: "-1" }, t("session-ended", { client })));
      node.firstChild.focus();
    }));
    return button;
  }
}
