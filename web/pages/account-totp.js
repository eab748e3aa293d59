// The second factor: turning it on with a device that shows codes, and off.

import * as api from "../api.js";
import { fill, h } from "../dom.js";
import { form, passwordField } from "../forms.js";
import { t } from "../i18n.js";
import { codeField } from "./auth.js";

const PATH = "/api/users/me/totp";
const SVG = "http://www.w3.org/2000/svg";

export async function totpPanel(signal) {
  const { currentUser } = await api.get("/api/users/currentuser", { signal });
  const content = h("div.form");
  const showOff = (...said) => fill(content, said, h("p", {}, t("totp-off")), passwordForm(t("totp-begin"), async (values) => {
    showSecret(await api.send("POST", PATH, { body: values }));
  }));
  const showOn = (...said) => fill(content, said, h("p", {}, t("totp-on")), passwordForm(t("totp-end"), async (values) => {
    await api.send("DELETE", PATH, { body: values });
    showOff(done(t("totp-ended")));
  }));
  const showSecret = ({ secret, qrSvg }) => {
    const code = codeField({ label: t("totp-code"), name: "code", inputmode: "numeric", required: true });
    const { node } = form({
      fields: [code],
      label: t("totp-confirm"),
      submit: async (values) => showRecovery(await api.send("POST", `${PATH}/confirm`, { body: values })),
    });
    fill(content, h("p", {}, t("totp-scan")), picture(qrSvg), h("p.hint", {}, t("totp-type")), h("p.secret", {}, spaced(secret)), node);
    code.input.focus();
  };
  const showRecovery = ({ recoveryCodes }) => {
    const title = h("p.done", { role: "status", tabindex: "-1" }, t("totp-begun"));
    showOn(title, h("p", {}, t("totp-recovery")),
      h("ul.secret", { "aria-label": t("totp-recovery-codes") }, recoveryCodes.map((code) => h("li", {}, code))));
    title.focus();
  };
  if (currentUser?.totp) showOn();
  else showOff();
  return h("div.panel", {}, h("h2", {}, t("totp")), content);
}

function passwordForm(label, submit) {
  const current = passwordField({
    label: t("account-current-password"), name: "currentPassword", autocomplete: "current-password", required: true,
  });
  return form({ fields: [current], label, submit }).node;
}

function done(text) {
  return h("p.done", { role: "status" }, text);
}

function spaced(secret) {
  return secret.replace(/(.{4})(?=.)/g, "$1 ");
}

/** Draws the server's picture anew, path by path: markup is never taken as it comes. */
function picture(svg) {
  const node = document.createElementNS(SVG, "svg");
  node.setAttribute("viewBox", /viewBox="([\d ]+)"/.exec(svg)?.[1] ?? "0 0 1 1");
  node.setAttribute("class", "qr");
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", t("totp-picture"));
  for (const [, path] of svg.matchAll(/ d="([^"]*)"/g)) {
    const element = document.createElementNS(SVG, "path");
    element.setAttribute("d", path);
    node.append(element);
  }
  return node;
}
