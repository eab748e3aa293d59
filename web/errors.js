// What went wrong, in people's words. The API speaks to programs; what it says is never shown as
// it is.

import { duration } from "./format.js";
import { t } from "./i18n.js";

/** The server was not reached, or its answer was lost. */
export class Offline extends Error {
  constructor() {
    super("offline");
    this.code = "offline";
    this.status = 0;
  }
}

/** Something that the page itself found, already in words. */
export class Told extends Error {}

const BY_CODE = {
  offline: "error-offline",
  email_in_use: "error-email-in-use",
  invalid_credentials: "error-invalid-credentials",
  wrong_password: "error-wrong-password",
  too_many_tokens: "error-too-many-tokens",
  token_invalid: "error-token-invalid",
  totp_required: "error-totp-required",
  totp_invalid: "error-totp-invalid",
  too_many_requests: "error-too-many-requests",
  too_many_holds: "error-too-many-holds",
  ticket_locked: "error-ticket-locked",
  ticket_sold: "error-ticket-sold",
  ticket_closed: "error-ticket-closed",
  own_ticket: "error-own-ticket",
  seat_listed: "error-seat-listed",
  show_over: "error-show-over",
  show_cancelled: "error-show-cancelled",
  not_operator: "error-not-operator",
  payload_too_large: "error-picture",
  unsupported_media_type: "error-picture",
  show_postponed: "error-show-postponed",
  precondition_failed: "error-precondition-failed",
  payment_in_progress: "error-payment-in-progress",
  order_completed: "error-order-completed",
  order_cancelled: "error-order-cancelled",
  order_expired: "error-order-expired",
  unauthenticated: "error-unauthenticated",
  not_found: "error-not-found",
  unavailable: "error-unavailable",
};

/** The rules that the server names, by how it words them. */
const BY_RULE = [
  [/^Email must be valid/, "error-email-invalid"],
  [/^Name is required/, "error-name-required"],
  [/^Name must be at most/, "error-name-long"],
  [/^Name/, "error-name-other"],
  [/^The code is wrong/, "error-totp-invalid"],
  [/^You must supply a password/, "error-password-missing"],
  [/^Password must be (between|at most)/, "error-password-length"],
  [/current password/i, "error-wrong-password"],
  [/^Password/, "error-password-common"],
  [/^Title is required/, "error-title-required"],
  [/^Title must be at most/, "error-title-long"],
  [/^Title/, "error-title-other"],
  [/^Price must be greater/, "error-price-zero"],
  [/^Price must be at most/, "error-price-high"],
  [/^Price must have at most/, "amount-too-precise"],
  [/^Price must be at least/, "error-price-low"],
  [/^Price/, "amount-unreadable"],
  [/^seats must not repeat/, "seats-repeated"],
  [/^seats must name as many/, "error-seats-count"],
  [/^(section|row|seats)/, "error-place"],
  [/^split "pairs"/, "error-split-pairs"],
  [/^split leaves nothing/, "error-split-nothing"],
  [/^startsAt must be in the future/, "error-starts-past"],
  [/^notes/, "error-notes"],
  [/^faceValue/, "amount-unreadable"],
];

/** What is wrong as a whole, as a sentence. */
export function sentence(error) {
  if (error instanceof Told) return error.message;
  // What is held too often is held again later; who holds too much gives something up.
  if (error.code === "too_many_holds" && error.retryAfter) return t("error-held-too-often", { time: duration(error.retryAfter) });
  const id = BY_CODE[error.code];
  if (error.code === "too_many_requests" && error.retryAfter) return t("error-too-many-requests-until", { time: duration(error.retryAfter) });
  if (id) return t(id);
  if (error.document?.requestId) return t("error-server", { id: error.document.requestId });
  return t("error-other");
}

/** What is wrong with one field, or nothing. */
export function fieldFault(error, name) {
  const faults = (error.errors ?? []).filter((it) => it.field === name);
  const texts = faults.map(({ message }) => t(BY_RULE.find(([rule]) => rule.test(message))?.[1] ?? "error-field"));
  return [...new Set(texts)].join(" ");
}
