// Signing up and in.

import * as api from "../api.js";
import { h } from "../dom.js";
import { field, form, passwordField } from "../forms.js";
import * as session from "../session.js";

export const signUp = (context) => authenticate(context, {
  title: "Sign Up",
  lead: "Sell what you can't use, and buy what you can.",
  path: "/api/users/signup",
  autocomplete: "new-password",
  hint: "8 to 128 characters. A few words you can remember make a good one.",
  other: ["Already have an account?", "/auth/signin", "Sign in"],
});

export const signIn = (context) => authenticate(context, {
  title: "Sign In",
  lead: "Welcome back.",
  path: "/api/users/signin",
  autocomplete: "current-password",
  other: ["New to GitTix?", "/auth/signup", "Sign up"],
});

function authenticate({ query, go }, { title, lead, path, autocomplete, hint, other }) {
  const next = ownPath(query.get("next"));
  const email = field({
    label: "Email", name: "email", type: "email", autocomplete: "username", inputmode: "email",
    autocapitalize: "none", spellcheck: "false", required: true,
  });
  const password = passwordField({ label: "Password", name: "password", autocomplete, hint, required: true });
  const { node } = form({
    fields: [email, password],
    label: "Submit",
    submit: async (values) => {
      session.change(await api.send("POST", path, { body: values }));
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
      h("p.lead", {}, next === "/" ? lead : "Sign in to continue.".replace("Sign in", title)),
      h("div.panel", {}, node),
      h("p.aside", {}, `${question} `, h("a", { href: href + search }, answer)),
    ),
  };
}

/** A page of our own, whatever an address says. */
export function ownPath(text) {
  return text && /^\/(?![/\\])/.test(text) ? text : "/";
}
