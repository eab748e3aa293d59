// How values are written for people, in the language of the page.

import { locale, t } from "./i18n.js";

const formats = new Map();

function currencyFormat(currency) {
  const code = currency.toUpperCase();
  if (!formats.has(code)) {
    formats.set(code, new Intl.NumberFormat(locale, {
      style: "currency",
      currency: code,
      currencyDisplay: "narrowSymbol",
      trailingZeroDisplay: "stripIfInteger",
    }));
  }
  return formats.get(code);
}

/** An amount in major units, which never breaks: `$20`, `$25.50`, `18,50 €`, `¥500`. */
export function price(amount, currency) {
  return currencyFormat(currency).format(amount).replace(/\s/g, "\u00A0");
}

/** How many decimals the currency has: 2 for usd, 0 for jpy, 3 for kwd. */
export function decimals(currency) {
  const format = new Intl.NumberFormat("en", { style: "currency", currency: currency.toUpperCase() });
  return format.resolvedOptions().maximumFractionDigits;
}

/** The symbol alone, and whether it stands before the number: `$`, true. */
export function symbol(currency) {
  const parts = currencyFormat(currency).formatToParts(0);
  const at = parts.findIndex((part) => part.type === "currency");
  return { text: parts[at]?.value ?? currency.toUpperCase(), isBefore: at < parts.findIndex((part) => part.type === "integer") };
}

/** An amount as it is typed: `1249`, `12,50`. */
export function typed(amount, currency) {
  const places = Number.isInteger(amount) ? 0 : decimals(currency);
  return new Intl.NumberFormat(locale, { useGrouping: false, minimumFractionDigits: places, maximumFractionDigits: places }).format(amount);
}

/** A moment: `22 Nov 2026, 14:05`. */
export function moment(iso) {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

/** A few numbers, any of which will do: `1, 2, or 4`. */
export function numbers(list) {
  return new Intl.ListFormat(locale, { type: "disjunction" }).format(list.map(String));
}

/** What is left: `14:59`. A second that has begun counts, so `0:00` means that it is over. */
export function left(millis) {
  const seconds = Math.max(0, Math.ceil(millis / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** A length of time in words: `15 minutes`, `3 seconds`. */
export function duration(seconds) {
  return seconds >= 60
    ? t("duration-minutes", { count: Math.round(seconds / 60) })
    : t("duration-seconds", { count: Math.round(seconds) });
}
