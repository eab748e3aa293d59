// Forms: labelled fields, what is wrong with each beside it, one submission at a time.

import { fill, h, say, uniqueId } from "./dom.js";
import { fieldFault, sentence } from "./errors.js";
import { sharesOf } from "./fees.js";
import { price, symbol, typed } from "./format.js";
import { t } from "./i18n.js";
import { readAmount } from "./money.js";

/** A field. `read` tells its value, or the fault that the form itself can see. */
export function field({ label, name, element = "input", type = "text", hint, value = "", options = [], wrap = (input) => input, read, ...attributes }) {
  const id = uniqueId(name);
  const error = h("p.field-error", { id: `${id}-error` });
  const help = hint && h("p.hint", { id: `${id}-hint` }, hint);
  const described = [help && help.id, error.id].filter(Boolean).join(" ");
  const input = h(element, { id, name, type: element === "input" && type, "aria-describedby": described, ...attributes },
    options.map(([value, text]) => h("option", { value }, text)));
  input.value = value;
  const node = h("div.field", {}, h("label", { for: id }, label), wrap(input), help, error);
  const setError = (text) => {
    error.textContent = text;
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };
  input.addEventListener("input", () => setError(""));
  return { name, node, input, setError, read: read ?? (() => ({ value: input.value })) };
}

/** One of a few, all of which can be seen. An option is its value, its text, and perhaps more of it. */
export function choiceField({ label, name, options, value, className = "choices" }) {
  const error = h("p.field-error", { id: uniqueId(`${name}-error`) });
  const inputs = options.map(([value]) => h("input", { type: "radio", name, id: uniqueId(name), value }));
  const choice = ([, text, more], index) => h("div.choice", {}, inputs[index],
    h("label", { for: inputs[index].id }, h("span.choice-name", {}, text), more && h("span.choice-more", {}, more)));
  const node = h(`fieldset.${className}`, { "aria-describedby": error.id },
    h("legend", {}, label), h("div.choice-list", {}, options.map(choice)), error);
  const setError = (text) => (error.textContent = text);
  const chosen = () => inputs.find((it) => it.checked);
  const start = inputs.find((it) => it.value === String(value)) ?? inputs[0];
  if (start) start.checked = true;
  node.addEventListener("change", () => setError(""));
  return { name, node, get input() { return chosen() ?? inputs[0]; }, setError, read: () => ({ value: chosen()?.value }) };
}

/** What a seller asks: says what a buyer pays for it, and what the seller gets. */
export function priceField({ config, ...options }) {
  const tell = (amount) => {
    const { total, proceeds } = sharesOf(amount, config);
    const values = { price: price(total, config.currency), proceeds: price(proceeds, config.currency) };
    return total === proceeds ? t("price-understood", values) : t("price-shares", values);
  };
  const isFree = Object.values(config.fees).every((it) => it === 0);
  return moneyField({ currency: config.currency, empty: t(isFree ? "price-hint" : "price-hint-asked"), tell, ...options });
}

/**
 * An amount of money. What was understood is shown while it is typed, and `empty` before. `none` is
 * read where nothing is typed.
 */
export function moneyField({ currency, value, empty, none = "", tell = (amount) => price(amount, currency), ...options }) {
  const understood = h("span", { role: "status" });
  let input;
  const read = () => {
    const { amount, fault } = readAmount(input.value, currency);
    return fault ? { fault: t(fault) } : { value: amount ?? none };
  };
  const it = field({
    inputmode: "decimal", autocomplete: "off", hint: understood, read,
    value: value === undefined || value === null ? "" : typed(value, currency), wrap: (input) => money(input, currency), ...options,
  });
  input = it.input;
  const show = () => {
    const { amount } = readAmount(input.value, currency);
    const isSaid = amount !== undefined && Number(amount) > 0;
    say(understood, isSaid ? tell(Number(amount)) : empty);
  };
  input.addEventListener("input", show);
  show();
  return it;
}

/** An input with the currency's symbol where the language has it. */
export function money(input, currency) {
  const { text, isBefore } = symbol(currency);
  const affix = h("span.affix", { "aria-hidden": "true" }, text);
  const long = [...text].length > 1 ? "long" : "short";
  return h("div.money", { dataset: { side: isBefore ? "before" : "after", symbol: long } }, affix, input);
}

/** A password that can be looked at. */
export function passwordField(options) {
  const toggle = h("button.reveal", { type: "button", "aria-pressed": "false", "aria-label": t("password-show-label") }, t("password-show"));
  const it = field({ ...options, type: "password", wrap: (input) => h("div.revealing", {}, input, toggle) });
  toggle.addEventListener("click", () => {
    const isShown = it.input.type === "text";
    it.input.type = isShown ? "password" : "text";
    toggle.textContent = isShown ? t("password-show") : t("password-hide");
    toggle.setAttribute("aria-pressed", String(!isShown));
    it.input.focus();
  });
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

/**
 * A form. `submit` gets the values; what it throws is shown where it belongs. `content` is how the
 * fields are laid out, if not one below the other.
 */
export function form({ fields, label, submit, content, extra = [], className = "form" }) {
  const message = h("p.form-error", { role: "alert" });
  const button = h("button.button.primary", { type: "submit" }, label);
  const node = h(`form.${className}`, { novalidate: true }, content ?? fields.map((it) => it.node), message, h("div.actions", {}, button, ...extra));
  node.addEventListener("submit", action(button, async () => {
    message.textContent = "";
    const read = fields.map((it) => [it, it.read()]);
    if (showFaults(read.map(([it, { fault }]) => [it, fault ?? ""]))) return;
    try {
      await submit(Object.fromEntries(read.map(([it, { value }]) => [it.name, value])));
    } catch (error) {
      showProblem(error, fields, message);
    }
  }));
  node.addEventListener("submit", (event) => event.preventDefault());
  return { node, button, message };
}

/** Shows each fault beside its field and goes to the first. Says whether there is one. */
export function showFaults(faults) {
  for (const [it, text] of faults) it.setError(text);
  const [first] = faults.find(([, text]) => text) ?? [];
  first?.input.focus();
  return first !== undefined;
}

/** Shows each fault beside its field, or what is wrong as a whole above the button. */
export function showProblem(error, fields, message) {
  if (error.name === "AbortError") return;
  if (showFaults(fields.map((it) => [it, fieldFault(error, it.name)]))) return;
  fill(message, sentence(error));
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
