// The account: its address, its password, its second factor, where it is signed in, and
// tokens for programs.

import * as api from "../api.js";
import { fill, h, say } from "../dom.js";
import { sentence } from "../errors.js";
import { action, form, passwordField } from "../forms.js";
import { t } from "../i18n.js";
import * as session from "../session.js";
import { sessionsPanel } from "./account-sessions.js";
import { tokensPanel } from "./account-tokens.js";
import { totpPanel } from "./account-totp.js";
import { emailField } from "./auth.js";

export async function account({ signal }) {
  const [verification, ...panels] = await Promise.all([
    addressVerification(signal), totpPanel(signal), sessionsPanel(signal), tokensPanel(signal),
  ]);
  const address = h("strong.own-address");
  const show = () => say(address, session.currentUser()?.email ?? "");
  show();
  return {
    title: t("account-title"),
    node: h("section.narrow", {},
      h("h1", {}, t("account-title")),
      h("p.lead", {}, t("account-signed-in"), " ", address),
      addressPanel(verification, show),
      passwordPanel(),
      panels),
  };
}

/** Whether the address is known to be its owner's, and the way there. */
async function addressVerification(signal) {
  const node = h("div.form.before-form");
  const read = async () => (await api.get("/api/users/currentuser", { signal })).currentUser;
  const show = (user) => fill(node, user?.emailVerified ? h("p.hint", {}, t("account-verified")) : unverified());
  show(await read());
  return { node, refresh: async () => show(await read()) };
}

function unverified() {
  const done = h("p.done", { role: "status" });
  const fault = h("p.form-error", { role: "alert" });
  const button = h("button.button", { type: "button" }, t("account-verify-again"));
  button.addEventListener("click", action(button, async () => {
    for (const it of [done, fault]) say(it, "");
    try {
      await api.send("POST", "/api/users/verification", { body: {} });
      say(done, t("account-verify-sent"));
    } catch (error) {
      say(fault, sentence(error));
    }
  }));
  return [h("p", {}, t("account-unverified")), h("div.actions", {}, button), done, fault];
}

function addressPanel(verification, show) {
  const email = emailField({ label: t("account-new-email"), name: "email", autocomplete: "email" });
  const current = currentPassword();
  const done = h("p.done", { role: "status" });
  const { node } = form({
    fields: [email, current],
    label: t("account-change-email"),
    submit: async (values) => {
      say(done, "");
      session.change(await api.send("PATCH", "/api/users/me", { body: values }));
      show();
      for (const it of [email, current]) it.input.value = "";
      say(done, t("account-email-changed"));
      await verification.refresh();
    },
  });
  return panel(t("account-email"), verification.node, node, done);
}

function passwordPanel() {
  const current = currentPassword();
  const next = passwordField({
    label: t("account-new-password"), name: "password", autocomplete: "new-password", hint: t("password-hint"), required: true,
  });
  const done = h("p.done", { role: "status" });
  const { node } = form({
    fields: [current, next],
    label: t("account-change-password"),
    submit: async (values) => {
      say(done, "");
      await api.send("PATCH", "/api/users/me", { body: values });
      for (const it of [current, next]) it.input.value = "";
      say(done, t("account-password-changed"));
    },
  });
  return panel(t("password"), node, done);
}

function currentPassword() {
  return passwordField({ label: t("account-current-password"), name: "currentPassword", autocomplete: "current-password", required: true });
}

function panel(title, ...content) {
  return h("div.panel", {}, h("h2", {}, title), content);
}
