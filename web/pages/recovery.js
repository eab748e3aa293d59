// What the links in messages lead to, and the way to one for who has forgotten the password.

import * as api from "../api.js";
import { h, say } from "../dom.js";
import { form, passwordField } from "../forms.js";
import { t } from "../i18n.js";
import * as session from "../session.js";
import { emailField } from "./auth.js";

/** The token of the link, which the address keeps no longer than it is needed. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  history.replaceState(history.state, "", location.pathname);
  return token;
}

function page(title, ...content) {
  return { title, node: h("section.narrow", {}, h("h1", {}, title), content) };
}

export function forgotten() {
  const done = h("p.done", { role: "status" });
  const { node } = form({
    fields: [emailField({ label: t("email"), name: "email" })],
    label: t("forgotten-submit"),
    submit: async (values) => {
      say(done, "");
      await api.send("POST", "/api/users/password-reset", { body: values });
      say(done, t("forgotten-done"));
    },
  });
  return page(t("forgotten-title"), h("p.lead", {}, t("forgotten-lead")), h("div.panel", {}, node, done));
}

export function reset({ go }) {
  const token = takeToken();
  const password = passwordField({
    label: t("account-new-password"), name: "password", autocomplete: "new-password", hint: t("password-hint"), required: true,
  });
  const { node } = form({
    fields: [password],
    label: t("reset-submit"),
    submit: async (values) => {
      await api.send("POST", "/api/users/password-reset/confirm", { body: { ...values, token } });
      session.change(null);
      await go("/auth/signin", { replace: true });
    },
  });
  return page(t("reset-title"), h("p.lead", {}, t("reset-lead")), h("div.panel", {}, node));
}

export function verify() {
  const token = takeToken();
  const done = h("p.done", { role: "status" });
  const { node } = form({
    fields: [],
    label: t("verify-submit"),
    submit: async () => {
      await api.send("POST", "/api/users/verify", { body: { token } });
      say(done, t("verify-done"));
    },
  });
  return page(t("verify-title"), h("p.lead", {}, t("verify-lead")), h("div.panel", {}, node, done));
}
