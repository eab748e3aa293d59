// What a seller says of a ticket: what it is for, where one sits, how many, and the price.

import { h } from "../dom.js";
import { decimals } from "../format.js";
import { choiceField, field, moneyField, priceField } from "../forms.js";
import { t } from "../i18n.js";
import { MAX_SEATS, readSeats, seatNames } from "../seats.js";

const SPLITS = ["avoidOne", "any", "pairs", "none"];
const SPLIT_TEXTS = {
  avoidOne: ["split-avoid-one", "split-avoid-one-text"],
  any: ["split-any", "split-any-text"],
  pairs: ["split-pairs", "split-pairs-text"],
  none: ["split-none", "split-none-text"],
};

/** The title of a ticket that is for no show of the catalogue. */
export function titleField(ticket = {}) {
  return field({ label: t("title"), name: "title", value: ticket.title ?? "", autocomplete: "off", required: true });
}

/** Where one sits: section, row and seats. With sections that the venue has, one of them. */
export function placeFields(ticket = {}, sections = []) {
  const choice = sections.length > 0
    ? { element: "select", options: [["", t("section-choose")], ...sections.map((it) => [it, it])] }
    : {};
  const seats = field({
    label: t("seats"), name: "seats", value: seatNames(ticket.seats ?? []), autocomplete: "off", hint: t("seats-hint"),
    read: () => {
      const { names, fault } = readSeats(seats.input.value);
      return fault ? { fault: t(fault, { most: MAX_SEATS }) } : { value: names.length > 0 ? names : null };
    },
  });
  return {
    section: label({ label: t("section"), name: "section", value: ticket.section ?? "", ...choice }),
    row: label({ label: t("row"), name: "row", value: ticket.row ?? "" }),
    seats,
  };
}

/** A name as it is printed on a ticket. What is left empty is not said. */
function label(options) {
  const it = field({
    autocomplete: "off", maxlength: "40",
    read: () => ({ value: it.input.value.trim() || null }),
    ...options,
  });
  return it;
}

/** How many seats, which their names may say, and how they may be divided. */
export function countFields({ seats }, ticket = {}) {
  const quantity = field({
    label: t("quantity"), name: "quantity", type: "number", min: "1", max: String(MAX_SEATS), step: "1", inputmode: "numeric",
    value: String(ticket.quantity ?? 1), hint: t("quantity-hint", { most: MAX_SEATS }), autocomplete: "off",
    read: () => {
      const count = Number(quantity.input.value);
      return Number.isInteger(count) && count >= 1 && count <= MAX_SEATS
        ? { value: count } : { fault: t("quantity-unreadable", { most: MAX_SEATS }) };
    },
  });
  const split = choiceField({
    label: t("split"), name: "split", value: ticket.split ?? "avoidOne",
    options: SPLITS.map((it) => [it, ...SPLIT_TEXTS[it].map((id) => t(id))]),
  });
  const follow = () => {
    const { names = [] } = readSeats(seats.input.value);
    quantity.input.readOnly = names.length > 0;
    if (names.length > 0) quantity.input.value = String(names.length);
    const count = Number(quantity.input.value);
    // One seat is not divided.
    split.node.hidden = !(count > 1);
  };
  for (const it of [seats, quantity]) it.input.addEventListener("input", follow);
  follow();
  return { quantity, split };
}

/** The price of a seat, and what it cost at first. */
export function moneyFields(config, ticket = {}) {
  const inputmode = decimals(config.currency) === 0 ? "numeric" : "decimal";
  return {
    price: priceField({ label: t("price"), name: "price", config, value: ticket.price, inputmode, required: true }),
    faceValue: moneyField({
      label: t("face-value"), name: "faceValue", currency: config.currency, value: ticket.faceValue, inputmode,
      empty: t("face-value-hint"), none: null,
    }),
  };
}

/** What else the seller says. */
export function notesField(ticket = {}) {
  const notes = field({
    label: t("notes"), name: "notes", element: "textarea", rows: "3", maxlength: "500", value: ticket.notes ?? "",
    hint: t("notes-hint"), read: () => ({ value: notes.input.value.trim() || null }),
  });
  return notes;
}

/** Fields side by side. */
export function beside(...fields) {
  return h("div.beside", {}, fields.map((it) => it.node));
}

/** Everything that is said of a ticket, or, once some of its seats are taken, what may still change. */
export function ticketForm(config, ticket = {}) {
  const title = titleField(ticket);
  const { price, faceValue } = moneyFields(config, ticket);
  const notes = notesField(ticket);
  const isTaken = ticket.available < ticket.quantity;
  if (isTaken) {
    const fields = [title, price, faceValue, notes];
    return { fields, content: fields.map((it) => it.node), first: title };
  }
  const { section, row, seats } = placeFields(ticket);
  const { quantity, split } = countFields({ seats }, ticket);
  return {
    fields: [title, section, row, seats, quantity, split, price, faceValue, notes],
    content: [title.node, beside(section, row), beside(seats, quantity), split.node, beside(price, faceValue), notes.node],
    first: title,
  };
}
