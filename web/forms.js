// Forms: labelled fields, what the server says about each beside it, one submission at a time.

import { fill, h, uniqueId } from "./dom.js";

/** A field. `type` "money" shows the currency before it. */
export function field({ label, name, type = "text", hint, prefix, value = "", ...attributes }) {
  const id = uniqueId(name);
  const error = h("p.field-error", { id: `${id}-error` });
  const help = hint && h("p.hint", { id: `${id}-hint` }, hint);
  const described = [help && help.id, error.id].filter(Boolean).join(" ");
  const input = h("input", { id, name, type, "aria-describedby": described, ...attributes });
  input.value = value;
  const control = prefix ? h("div.prefixed", {}, h("span.prefix", { "aria-hidden": "true" }, prefix), input) : input;
  const node = h("div.field", {}, h("label", { for: id }, label), control, help, error);
  const setError = (text) => {
    error.textContent = text;
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };
  input.addEventListener("input", () => setError(""));
  return { name, node, input, setError };
}

/** A password that can be looked at. */
export function passwordField(options) {
  const it = field({ ...options, type: "password" });
  const toggle = h("button.reveal", { type: "button", "aria-pressed": "false" }, "Show");
  toggle.setAttribute("aria-label", "Show password");
  toggle.addEventListener("click", () => {
    const isShown = it.input.type === "text";
    it.input.type = isShown ? "password" : "text";
    toggle.textContent = isShown ? "Show" : "Hide";
    toggle.setAttribute("aria-pressed", String(!isShown));
    it.input.focus();
  });
  const wrapper = h("div.revealing");
  it.input.replaceWith(wrapper);
  wrapper.append(it.input, toggle);
  return it;
}

/** A button that shows that it is at work. Pressing it again meanwhile does nothing. */
export function action(button, work) {
  return async (event) => {
    event?.preventDefault();
    if (button.getAttribute("aria-busy") === "true" || button.disabled) return;
    button.setAttribute("aria-busy", "true");
    try {
      await work(event);
    } finally {
      button.removeAttribute("aria-busy");
    }
  };
}

/** A form. `submit` gets the values; what it throws is shown where it belongs. */
export function form({ fields, label, submit, extra = [], className = "form" }) {
  const message = h("p.form-error", { role: "alert" });
  const button = h("button.button.primary", { type: "submit" }, label);
  const node = h(`form.${className}`, { novalidate: true }, fields.map((it) => it.node), message, h("div.actions", {}, button, ...extra));
  node.addEventListener("submit", action(button, async () => {
    message.textContent = "";
    for (const it of fields) it.setError("");
    try {
      await submit(Object.fromEntries(fields.map((it) => [it.name, it.input.value])));
    } catch (error) {
      showProblem(error, fields, message);
    }
  }));
  node.addEventListener("submit", (event) => event.preventDefault());
  return { node, button, message };
}

/** Shows each fault beside its field, and the rest above the button. */
function showProblem(error, fields, message) {
  if (error.name === "AbortError") return;
  let first = null;
  for (const it of fields) {
    const text = error.field?.(it.name) ?? "";
    it.setError(text);
    if (text) first ??= it;
  }
  if (first) {
    first.input.focus();
    return;
  }
  const wait = error.retryAfter ? ` Try again in ${error.retryAfter} seconds.` : "";
  fill(message, `${sentence(error)}${wait}`);
}

/** What went wrong, as a sentence for people. */
export function sentence(error) {
  const text = {
    email_in_use: "An account with this email exists already. Sign in instead?",
    invalid_credentials: "That email and password don't match. Check both and try again.",
    too_many_requests: "Too many attempts.",
    ticket_locked: "Somebody else is buying this ticket right now.",
    ticket_sold: "This ticket has been sold.",
    too_many_holds: "You hold as many unpaid tickets as one person may. Pay for one or cancel one first.",
    precondition_failed: "This ticket has changed since you opened it. Look again before you save.",
    payment_in_progress: "A payment for this order is under way.",
    unauthenticated: "You are signed out. Sign in and try again.",
  }[error.code];
  return text ?? error.message ?? "Something went wrong.";
}

/** Asks before something that cannot be undone. Resolves to whether it was confirmed. */
export function confirm({ title, text, yes, no }) {
  return new Promise((resolve) => {
    const heading = uniqueId("dialog");
    const dialog = h(
      "dialog.dialog",
      { "aria-labelledby": heading },
      h("h2", { id: heading }, title),
      h("p", {}, text),
      h(
        "form.actions",
        { method: "dialog" },
        h("button.button.danger", { value: "yes" }, yes),
        h("button.button", { value: "no", autofocus: true }, no),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
