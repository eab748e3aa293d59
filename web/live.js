// What happens in the marketplace, as it happens.
//
// One event stream per visible tab: browsers allow a handful of connections per server, so a
// tab that nobody looks at gives its own back, and catches up when it is looked at again.

import * as api from "./api.js";
import { say } from "./dom.js";
import { t } from "./i18n.js";
import * as session from "./session.js";

const TYPES = [
  "TicketCreated", "TicketUpdated", "TicketDeleted", "TicketClosed",
  "ShowCreated", "ShowUpdated", "ShowPostponed", "ShowCancelled", "ShowOver", "ShowDeleted",
  "OrderCreated", "OrderAwaitingPayment", "OrderCompleted", "OrderCancelled", "OrderExpired",
  "ChargeCreated", "ChargeCompleted", "ChargeFailed", "ChargeRefunded", "ChargeDisputed",
];
/** A loss shorter than this is nobody's business. */
const PATIENCE_MILLIS = 1200;
/** After a longer absence reading everything anew is cheaper than catching up event by event. */
const STALE_MILLIS = 60_000;
const RETRY_MILLIS = [1000, 2000, 4000, 8000, 15_000];
const BACK_MILLIS = 4000;

let source = null;
let position = null;
let lostAt = null;
let failures = 0;
let timer = null;
let patience = null;
let hiddenSince = null;
let isShownAsLost = false;
const listeners = new Set();
const refreshers = new Set();

/** Calls back with every event until the signal; `refresh` when events may have been missed. */
export function listen(signal, callback, refresh = () => {}) {
  listeners.add(callback);
  refreshers.add(refresh);
  signal.addEventListener("abort", () => {
    listeners.delete(callback);
    refreshers.delete(refresh);
  });
}

/** Begins to listen after an event, by its number. */
export function start(lastEventId) {
  position = lastEventId;
  document.addEventListener("visibilitychange", visibilityChanged);
  window.addEventListener("online", () => lostAt !== null && connect());
  // Leaving a page keeps it in the browser's memory, ready for a step back; a connection would not.
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => event.persisted && connect());
  connect();
}

/** Begins anew as whoever is signed in now. */
export function restart() {
  if (position !== null) connect();
}

function connect() {
  close();
  if (document.hidden) return;
  source = new EventSource(`/api/events?after=${position}`);
  source.addEventListener("open", opened);
  source.addEventListener("error", failed);
  for (const type of TYPES) source.addEventListener(type, received);
}

function close() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

function received(message) {
  position = Number(message.lastEventId);
  const event = JSON.parse(message.data);
  for (const listener of [...listeners]) listener(event);
}

function opened() {
  // The server ends the stream of a session that is over, such as one ended from elsewhere.
  if (lostAt !== null) session.load().catch(() => {});
  failures = 0;
  lostAt = null;
  clearTimeout(patience);
  patience = null;
  document.documentElement.dataset.live = "yes";
  if (isShownAsLost) {
    isShownAsLost = false;
    show("back", t("connection-back"));
    setTimeout(() => !isShownAsLost && show("", ""), BACK_MILLIS);
  }
}

function failed() {
  lostAt ??= performance.now();
  patience ??= setTimeout(showLost, PATIENCE_MILLIS);
  if (source?.readyState !== EventSource.CLOSED) return; // The browser tries again by itself.
  close();
  const wait = RETRY_MILLIS[Math.min(failures, RETRY_MILLIS.length - 1)];
  failures += 1;
  // What the server refused may be a place in its log that it does not know.
  const retry = failures > 1 ? beginAnew : connect;
  timer = setTimeout(retry, wait * (0.75 + Math.random() / 2));
}

function showLost() {
  delete document.documentElement.dataset.live;
  isShownAsLost = true;
  show("lost", t("connection-lost"));
}

function show(state, text) {
  const banner = document.getElementById("connection");
  banner.dataset.state = state;
  say(banner, text);
}

/** Reads everything anew and listens from there. */
async function beginAnew() {
  try {
    position = (await api.config()).lastEventId;
  } catch {
    return failed();
  }
  connect();
  for (const refresh of [...refreshers]) refresh();
}

function visibilityChanged() {
  if (document.hidden) {
    hiddenSince = performance.now();
    close();
    return;
  }
  const wasAway = hiddenSince !== null && performance.now() - hiddenSince;
  hiddenSince = null;
  if (wasAway > STALE_MILLIS) beginAnew();
  else connect();
}
