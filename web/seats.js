// Where one sits: names of seats as people type them, and as they are read.

import { t } from "./i18n.js";

/** As many as one listing has at most. */
export const MAX_SEATS = 50;

/**
 * The seats that somebody types, such as `12-15, 18` or `A1-A4`: `{ names }`, empty if there are
 * none, or `{ fault }` with a text's id.
 */
export function readSeats(text) {
  const names = [];
  for (const piece of text.split(/[,;\n]/).map((it) => it.trim()).filter(Boolean)) {
    const range = /^(\D*?)(\d{1,6})\s*(?:-|–|—|\.\.)\s*(\D*?)(\d{1,6})$/.exec(piece);
    if (!range) {
      names.push(piece);
      continue;
    }
    const [, letters, first, again, last] = range;
    if (again && again !== letters) return { fault: "seats-unreadable" };
    if (Number(last) < Number(first)) return { fault: "seats-upside-down" };
    if (Number(last) - Number(first) >= MAX_SEATS) return { fault: "seats-too-many" };
    for (let number = Number(first); number <= Number(last); number += 1) {
      // `01-04` are called 01, 02, 03 and 04.
      names.push(letters + String(number).padStart(first.length, "0"));
    }
  }
  if (names.length > MAX_SEATS) return { fault: "seats-too-many" };
  if (new Set(names).size < names.length) return { fault: "seats-repeated" };
  return { names };
}

/** Names of seats for people, runs of them in short: `12–15, 18`. */
export function seatNames(names) {
  const runs = [];
  for (const name of names) {
    const [, letters, digits] = /^(\D*)(\d{1,6})$/.exec(name) ?? [];
    const run = runs.at(-1);
    const follows = run && digits !== undefined && run.letters === letters
      && Number(digits) === run.number + 1 && digits.length === String(run.number + 1).padStart(run.width, "0").length;
    if (follows) Object.assign(run, { last: name, number: run.number + 1, count: run.count + 1 });
    else runs.push({ first: name, last: name, letters, number: Number(digits), width: digits?.length ?? 0, count: 1 });
  }
  return runs.map(({ first, last, count }) => (count === 1 ? first : count === 2 ? `${first}, ${last}` : `${first}–${last}`)).join(", ");
}

/** Where the seats of a ticket, or of an order of it, are: `Section A · Row 3 · Seats 12–15`. */
export function where({ section, row, seats }) {
  return [
    section && t("in-section", { section }),
    row && t("in-row", { row }),
    seats && t("in-seats", { count: seats.length, seats: seatNames(seats) }),
  ].filter(Boolean).join(" · ");
}

/** What there is to say of seats in a line: how many, if there are several, and where. */
export function seatsLine({ quantity, ...place }) {
  return [quantity > 1 && t("tickets-count", { count: quantity }), where(place)].filter(Boolean).join(" · ");
}
