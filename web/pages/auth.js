// Signing up and in.

import * as api from "../api.js";
import { h } from "../dom.js";
import { field, form, passwordField } from "../forms.js";
import { t } from "../i18n.js";
import * as session from "../session.js";

export const signUp = (context) => authenticate(context, {
  title: t("sign-up"),
  lead: t("sign-up-lead"),
  leadOn: t("sign-up-to-continue"),
  submit: t("sign-up-submit"),
  path: "/api/users/signup",
  autocomplete: "new-password",
  hint: t("password-hint"),
  other: [t("have-account"), "/auth/signin", t("have-account-link")],
});

export const signIn = (context) => authenticate(context, {
  title: t("sign-in"),
  lead: t("sign-in-lead"),
  leadOn: t("sign-in-to-continue"),
  submit: t("sign-in-submit"),
  path: "/api/users/signin",
  autocomplete: "current-password",
  takesCode: true,
  other: [t("no-account"), "/auth/signup", t("no-account-link")],
});

function authenticate({ query, go }, { title, lead, leadOn, submit, path, autocomplete, hint, takesCode, other }) {
  const next = ownPath(query.get("next"));
  const email = emailField({ label: t("email"), name: "email" });
  const password = passwordField({ label: t("password"), name: "password", autocomplete, hint, required: true });
  const code = codeField({
    label: t("totp-code"), name: "totp", hint: t("totp-code-hint"),
    read: () => ({ value: code.node.hidden ? undefined : code.input.value }),
  });
  code.node.hidden = true;
  const { node } = form({
    fields: takesCode ? [email, password, code] : [email, password],
    label: submit,
    submit: async (values) => {
      try {
        session.change(await api.send("POST", path, { body: values }));
      } catch (error) {
        // Only accounts with a second factor are asked for it.
        if (error.code?.startsWith("totp_")) {
          code.node.hidden = false;
          code.input.focus();
        }
        throw error;
      }
      await go(next, { replace: true });
    },
  });
  const search = next === "/" ? "" : `?next=${encodeURIComponent(next)}`;
  const [question, href, answer] = other;
  return {
    title,
    node: h(
      "section.narrow",
      {},
      h("h1", {}, title),
      h("p.lead", {}, next === "/" ? lead : leadOn),
      h("div.panel", {}, node),
      takesCode && h("p.aside", {}, h("a", { href: "/auth/forgotten" }, t("forgotten-link"))),
      h("p.aside", {}, `${question} `, h("a", { href: href + search }, answer)),
    ),
  };
}

/** An address for mail. */
export function emailField(options) {
  return field({
    type: "email", autocomplete: "username", inputmode: "email", autocapitalize: "none", spellcheck: "false", required: true,
    ...options,
  });
}

/** The code of a device, or a recovery code. */
export function codeField(options) {
  return field({ autocomplete: "one-time-code", autocapitalize: "none", spellcheck: "false", ...options });
}

/** A page of our own, whatever an address says. */
export function ownPath(text) {
  return text && /^\/(?![/\\])/.test(text) ? text : "/";
}
