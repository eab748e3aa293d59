// How values are written for people.

const formats = new Map();

/** An amount in major units: `$20`, `$25.50`, `¥500`. */
export function price(amount, currency) {
  const code = currency.toUpperCase();
  if (!formats.has(code)) {
    formats.set(code, new Intl.NumberFormat(undefined, {
      style: "currency",
      currency: code,
      currencyDisplay: "narrowSymbol",
      trailingZeroDisplay: "stripIfInteger",
    }));
  }
  return formats.get(code).format(amount);
}

/** How many decimals the currency has: 2 for usd, 0 for jpy, 3 for kwd. */
export function decimals(currency) {
  const format = new Intl.NumberFormat("en", { style: "currency", currency: currency.toUpperCase() });
  return format.resolvedOptions().maximumFractionDigits;
}

/** The symbol alone: `$`. */
export function symbol(currency) {
  const format = new Intl.NumberFormat(undefined, {
    style: "currency",
    currency: currency.toUpperCase(),
    currencyDisplay: "narrowSymbol",
  });
  return format.formatToParts(0).find((part) => part.type === "currency")?.value ?? currency.toUpperCase();
}

/** A moment: `22 Nov 2026, 14:05`. */
export function moment(iso) {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

/** What is left: `14:59`. A second that has begun counts, so `0:00` means that it is over. */
export function left(millis) {
  const seconds = Math.max(0, Math.ceil(millis / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** A length of time in words: `15 minutes`, `3 seconds`. */
export function duration(seconds) {
  const [count, unit] = seconds >= 60 ? [Math.round(seconds / 60), "minute"] : [Math.round(seconds), "second"];
  return new Intl.NumberFormat(undefined, { style: "unit", unit, unitDisplay: "long" }).format(count);
}
