// Where the account is signed in, and signing out from afar.

import * as api from "../api.js";
import { announce, fill, h } from "../dom.js";
import { sentence } from "../errors.js";
import { moment } from "../format.js";
import { action } from "../forms.js";
import { t } from "../i18n.js";

const PATH = "/api/users/me/sessions";

export async function sessionsPanel(signal) {
  const list = h("ul.items", { "aria-label": t("sessions") });
  const more = h("button.button.more", { type: "button", hidden: true }, t("show-more"));
  let next = null;
  const read = async (path) => {
    const page = await api.page(path, { signal });
    next = page.next;
    more.hidden = next === null;
    list.append(...page.items.map(row));
  };
  more.addEventListener("click", action(more, () => read(next).catch((error) => announce(sentence(error), { urgent: true }))));
  await read(PATH);
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
