// Amounts as people type them: `12,50`, `$25`, `1,000`, `1.000,50`.

import { decimals, symbol } from "./format.js";
import { locale } from "./i18n.js";

/**
 * What somebody means by an amount: `{ amount: "12.5" }`, a plain number for the server;
 * `{ fault }` with a text's id if it can't be told; `{}` if there is nothing.
 */
export function readAmount(text, currency) {
  const plain = bare(text, currency);
  if (plain === "") return {};
  if (!/^\d[\d.,]*$|^[.,]\d+$/.test(plain)) return { fault: "amount-unreadable" };
  const places = decimals(currency);
  const point = decimalMark(plain, places);
  const at = point === null ? plain.length : plain.lastIndexOf(point);
  const whole = plain.slice(0, at);
  const marks = whole.match(/[.,]/g);
  // Groups of three, or of two and at last three as in India.
  const isGrouped = new Set(marks).size === 1 && /^[1-9]\d{0,2}(?:[.,]\d{2,3})*[.,]\d{3}$/.test(whole);
  if (marks && !isGrouped) return { fault: "amount-unreadable" };
  const fraction = plain.slice(at + 1).replace(/0+$/, "");
  if (fraction.length > places) return { fault: "amount-too-precise" };
  const digits = whole.replace(/[.,]/g, "").replace(/^0+(?=\d)/, "") || "0";
  return { amount: fraction === "" ? digits : `${digits}.${fraction}` };
}

/** Without the currency, spaces and apostrophes. */
function bare(text, currency) {
  const plain = text.normalize("NFKC").replace(/[\s'’]/g, "");
  const names = [currency, symbol(currency).text].map((name) => name.normalize("NFKC").replace(/[\s'’]/g, "").toLowerCase());
  const name = names.find((it) => plain.toLowerCase().startsWith(it) || plain.toLowerCase().endsWith(it));
  const number = name === undefined ? plain
    : plain.toLowerCase().startsWith(name) ? plain.slice(name.length) : plain.slice(0, -name.length);
  return number.replace(/^(?:[A-Z]{1,3})?\p{Sc}|\p{Sc}$/gu, "");
}

/** The mark after which the decimals come, or null if there are none. */
function decimalMark(plain, places) {
  const marks = plain.match(/[.,]/g) ?? [];
  const last = marks.at(-1) ?? null;
  if (new Set(marks).size === 2) return last;
  if (marks.length !== 1) return null;
  const [whole, fraction] = plain.split(last);
  // Three digits after a mark are thousands, unless the currency has as many decimals and the
  // language writes them so.
  const isGroup = fraction.length === 3 && /^[1-9]\d{0,2}$/.test(whole) && (places < 3 || last !== localPoint());
  return isGroup ? null : last;
}

function localPoint() {
  const parts = new Intl.NumberFormat(locale).formatToParts(1.5);
  return parts.find((part) => part.type === "decimal")?.value ?? ".";
}
