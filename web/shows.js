// How shows look: their cards, their dates in two zones, their states.

import { badge, fill, h, say } from "./dom.js";
import { price } from "./format.js";
import { locale, parts, t } from "./i18n.js";

/** The kinds of show, as the server names them, with their texts. */
export const CATEGORIES = {
  concert: "category-concert", sports: "category-sports", theatre: "category-theatre",
  comedy: "category-comedy", festival: "category-festival", other: "category-other",
};
const STATES = { Postponed: "show-postponed", Cancelled: "show-cancelled", Over: "show-over" };

/** A kind of show in words. */
export function categoryText(category) {
  return t(CATEGORIES[category] ?? "category-other");
}

/** The zone of whoever looks. */
export const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function format(timeZone, options) {
  try {
    return new Intl.DateTimeFormat(locale, { timeZone, ...options });
  } catch {
    // A zone that this browser does not know yet.
    return new Intl.DateTimeFormat(locale, { timeZone: "UTC", timeZoneName: "short", ...options });
  }
}

/** A moment by the clock of a place: `Sat, 5 Dec 2026, 20:00`. */
export function momentIn(timeZone, iso) {
  return format(timeZone, {
    weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "numeric", minute: "2-digit",
  }).format(new Date(iso));
}

/** Whether the clocks of two zones show the same at a moment. */
function isSameTime(one, other, iso) {
  const clock = { dateStyle: "short", timeStyle: "short" };
  const read = (timeZone) => format(timeZone, clock).format(new Date(iso));
  return read(one) === read(other);
}

/** When a show starts: by the clock of its place, and by one's own where that is another. */
export function when({ startsAt, status, venue }) {
  if (status === "Postponed") return [h("p.when", {}, t("show-no-date"))];
  const there = h("time", { datetime: startsAt }, momentIn(venue.timeZone, startsAt));
  if (isSameTime(venue.timeZone, ownZone, startsAt)) return [h("p.when", {}, there)];
  return [h("p.when", {}, there, " ", h("span.when-zone", {}, t("when-there", { city: venue.city }))),
    h("p.hint", {}, t("when-here", { when: momentIn(ownZone, startsAt) }))];
}

/** What a ticket says of the show it admits to, with the way to its page, and to a calendar file if there is one. */
export function showFacts(show, { calendar = null } = {}) {
  return h("div.admits", {}, when(show), stateBadge(show.status),
    h("p.venue", {}, h("span.venue-name", {}, show.venue.name), h("span", {}, `${show.venue.city}, ${countryName(show.venue.country)}`)),
    h("p", {}, h("a", { href: `/shows/${show.id}` }, t("show-see")),
      calendar && [" · ", h("a", { href: calendar, download: true }, t("show-calendar"))]));
}

/** Where the calendar file of a show is. */
export function calendarPath({ id }) {
  return `/api/shows/${id}/calendar.ics`;
}

/** The mark of a show that does not simply take place, or null. */
export function stateBadge(status) {
  return STATES[status] ? badge(status, t(STATES[status])) : null;
}

/** The country by its name. */
export function countryName(code) {
  try {
    return new Intl.DisplayNames(locale, { type: "region" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** Where a show takes place, in a line. */
export function placeLine(venue) {
  return [venue.name, venue.city].join(" · ");
}

/** When and where a show is, in a line. */
export function showLine({ startsAt, status, venue }) {
  return [status === "Postponed" ? t("show-no-date") : momentIn(venue.timeZone, startsAt), placeLine(venue)].join(" · ");
}

/** What draws covers comes after what is read. */
let drawings = null;

function drawn(show, className) {
  const room = h(`span.${className}.drawn`, { "aria-hidden": "true" });
  drawings ??= import("./covers.js");
  drawings.then(({ drawing }) => room.replaceWith(drawing(show, className)), () => {
    drawings = null;
  });
  return room;
}

/** The picture of a show; without one, a drawing. Its day lies on it. */
export function cover(show, { className = "cover" } = {}) {
  const picture = show.coverUrl
    ? h(`img.${className}`, { src: show.coverUrl, alt: "", loading: "lazy", width: "640", height: "360" })
    : drawn(show, className);
  const day = dayParts(show).map(({ type, value }) => h("span", { dataset: { part: type } }, value));
  return [picture, day.length > 0 && h("span.cover-day", { "aria-hidden": "true" }, day)];
}

function dayParts({ startsAt, status, venue }) {
  if (status === "Postponed") return [];
  const all = format(venue.timeZone, { day: "numeric", month: "short" }).formatToParts(new Date(startsAt));
  return all.filter(({ type }) => type === "day" || type === "month");
}

/** What is on sale for a show, and from how much; nothing is said of one that is not known to have any. */
function offers({ listings }, currency) {
  if (!listings.available || listings.fromTotal === null) return "\u00a0";
  const from = h("strong.from", {}, price(listings.fromTotal, currency));
  return [h("span", {}, parts("show-from", { price: from })),
    h("span.hint", {}, t("tickets-count", { count: listings.available }))];
}

/** A show in a list. It changes in place when the show does. */
export function showCard(show, currency) {
  const picture = h("span.show-picture");
  const name = h("span.show-name");
  const date = h("span.show-date");
  const place = h("span.show-place");
  const sale = h("span.show-sale");
  const node = h("li", { dataset: { show: show.id } }, h("a.show", { href: `/shows/${show.id}` },
    picture, h("span.show-body", {}, date, name, place), h("span.hidden-text", {}, " - "), sale));
  let version = -1;
  const update = (next) => {
    if (next.version < version) return;
    version = next.version;
    fill(picture, cover(next));
    say(name, next.name);
    fill(date, next.status === "Postponed" ? null : momentIn(next.venue.timeZone, next.startsAt), stateBadge(next.status));
    say(place, placeLine(next.venue));
    fill(sale, offers(next, currency));
  };
  update(show);
  return { node, update };
}
