// API tokens: for programs that act for the account.

import * as api from "../api.js";
import { announce, fill, h } from "../dom.js";
import { sentence } from "../errors.js";
import { moment } from "../format.js";
import { action, confirm, field, form, passwordField } from "../forms.js";
import { t } from "../i18n.js";
import { accountList } from "./account-list.js";

const PATH = "/api/users/me/tokens";

export async function tokensPanel(signal) {
  const { list, more } = await accountList({ label: t("tokens"), path: PATH, row, signal });
  const fresh = h("div.form");
  const name = field({ label: t("token-name"), name: "name", autocomplete: "off", hint: t("token-name-hint"), required: true });
  const current = passwordField({
    label: t("account-current-password"), name: "currentPassword", autocomplete: "current-password", required: true,
  });
  const { node } = form({
    fields: [name, current],
    label: t("token-create"),
    submit: async (values) => {
      const made = await api.send("POST", PATH, { body: values });
      const title = h("p.done", { role: "status", tabindex: "-1" }, t("token-created"));
      fill(fresh, title, h("p.secret", {}, made.token));
      list.prepend(row({ ...made, lastUsedAt: null, createdAt: new Date().toISOString() }));
      for (const it of [name, current]) it.input.value = "";
      title.focus();
    },
  });
  return h("div.panel", {}, h("h2", {}, t("tokens")), h("p.hint", {}, t("tokens-hint")), list, more, fresh, node);
}

function row(token) {
  const used = token.lastUsedAt ? t("session-seen", { when: moment(token.lastUsedAt) }) : t("token-unused");
  const about = h("div", {},
    h("p.item-name", {}, token.name),
    h("p.hint", {}, used),
    h("p.hint", {}, t("token-made", { when: moment(token.createdAt) })));
  const button = h("button.button", { type: "button", "aria-label": t("token-revoke-label", { name: token.name }) }, t("token-revoke"));
  const node = h("li.item", {}, about, button);
  button.addEventListener("click", action(button, async () => {
    const question = { title: t("token-revoke-title", { name: token.name }), text: t("token-revoke-text"), yes: t("token-revoke"), no: t("keep") };
    if (!(await confirm(question))) return;
    try {
      await api.send("DELETE", `${PATH}/${token.id}`);
    } catch (error) {
      if (error.code !== "not_found") return announce(sentence(error), { urgent: true });
    }
    fill(node, h("p.hint", { tabindex: "-1" }, t("token-revoked", { name: token.name })));
    node.firstChild.focus();
  }));
  return node;
}
