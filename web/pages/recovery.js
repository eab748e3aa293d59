// What the links in messages lead to, and the way to one for who has forgotten the password.

import * as api from "../api.js";
import { fill, h, say } from "../dom.js";
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
  const sent = h("p.done", { role: "status" });
  const { node } = form({
    fields: [emailField({ label: t("email"), name: "email" })],
    label: t("forgotten-submit"),
    submit: async (values) => {
      say(sent, "");
      await api.send("POST", "/api/users/password-reset", { body: values });
      say(sent, t("forgotten-done"));
    },
  });
  return page(t("forgotten-title"), h("p.lead", {}, t("forgotten-lead")), h("div.panel", {}, node, sent));
}

/** What was asked for is done, and where to go on. */
function done(panel, text, href, label) {
  const status = h("p.done", { role: "status", tabindex: "-1" }, text);
  fill(panel, status, h("p.go-on", {}, h("a", { href }, label)));
  status.focus();
}

export function reset() {
  const token = takeToken();
  const panel = h("div.panel");
  const password = passwordField({
    label: t("account-new-password"), name: "password", autocomplete: "new-password", hint: t("password-hint"), required: true,
  });
  const { node } = form({
    fields: [password],
    label: t("reset-submit"),
    submit: async (values) => {
      await api.send("POST", "/api/users/password-reset/confirm", { body: { ...values, token } });
      session.change(null);
      another.remove();
      done(panel, t("reset-done"), "/auth/signin", t("sign-in"));
    },
  });
  fill(panel, node);
  const another = h("p.aside", {}, h("a", { href: "/auth/forgotten" }, t("reset-again")));
  return page(t("reset-title"), h("p.lead", {}, t("reset-lead")), panel, another);
}

export function verify() {
  const token = takeToken();
  const panel = h("div.panel");
  const { node } = form({
    fields: [],
    label: t("verify-submit"),
    submit: async () => {
      await api.send("POST", "/api/users/verify", { body: { token } });
      done(panel, t("verify-done"), "/", t("verify-go-on"));
    },
  });
  fill(panel, node);
  return page(t("verify-title"), h("p.lead", {}, t("verify-lead")), panel);
}
