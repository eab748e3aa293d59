// What can be told about a card from what was typed, before anybody is asked.

/** Whether a card's number can be right: its length, and its check digit (Luhn). */
export function isCardNumber(text) {
  const digits = text.replace(/[\s-]/g, "");
  if (!/^\d{12,19}$/.test(digits)) return false;
  const sum = [...digits].reverse().reduce((sum, digit, index) => {
    const value = Number(digit) * (index % 2 === 1 ? 2 : 1);
    return sum + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

/** The month and year of `12/27` or `12/2027`, or null. */
export function readExpiry(text) {
  const [, month, year] = /^\s*(\d{1,2})\s*[/.-]?\s*(\d{4}|\d{2})\s*$/.exec(text) ?? [];
  if (month === undefined || Number(month) < 1 || Number(month) > 12) return null;
  return { month: Number(month), year: year.length === 2 ? 2000 + Number(year) : Number(year) };
}

/** Whether a card has run out by a moment. It is good until the end of its month, wherever that ends last. */
export function isPast({ month, year }, millis) {
  const LAST_ZONE_MILLIS = 12 * 3_600_000;
  return Date.UTC(year, month, 1) + LAST_ZONE_MILLIS <= millis;
}

/** Whether a security code can be right. */
export function isSecurityCode(text) {
  return /^\d{3,4}$/.test(text.trim());
}
