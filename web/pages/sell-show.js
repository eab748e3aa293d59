// The first step of selling: finding the show, adding it with its venue, or naming something else.

import * as api from "../api.js";
import { announce, fill, h } from "../dom.js";
import { Told, sentence } from "../errors.js";
import { action, field, form, showFaults, showProblem } from "../forms.js";
import { locale, t } from "../i18n.js";
import { currentUser } from "../session.js";
import { CATEGORIES, categoryText, countryName, ownZone, showLine } from "../shows.js";

const FOUND = 6;
const TYPING_PAUSE_MILLIS = 250;
/** ISO 3166-1. */
const COUNTRIES = "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSYEYTZAZMZW".match(/../g);

/** `chosen` gets a show, or a title. */
export function showStep({ config, signal, title, chosen }) {
  const node = h("div.form");
  const mayAdd = config.showsOpen || currentUser()?.roles?.includes("operator");
  const finding = () => {
    const { field, list } = finder({
      label: t("sell-find"), hint: t("sell-find-hint"), signal, none: t("sell-find-none"),
      path: (q) => `/api/shows?limit=${FOUND}${q && `&q=${encodeURIComponent(q)}`}`,
      describe: (show) => [show.name, showLine(show)],
      choose: (show) => chosen({ show }),
    });
    fill(node, field.node, list,
      h("div.actions", {},
        mayAdd && h("button.button", { type: "button", onclick: () => adding(field.input.value) }, t("sell-add-show")),
        h("button.button", { type: "button", dataset: { untitled: "" }, onclick: naming }, t("sell-no-show"))));
  };
  const back = () => h("button.button", { type: "button", onclick: () => {
    finding();
    node.querySelector("input").focus();
  } }, t("back"));
  const naming = () => {
    const it = form({
      fields: [title], label: t("continue"), extra: [back()],
      submit: ({ title: text }) => {
        if (text.trim() === "") {
          title.setError(t("error-title-required"));
          title.input.focus();
          return;
        }
        chosen({ title: text.trim() });
      },
    });
    fill(node, it.node);
    title.input.focus();
  };
  const adding = (name) => {
    const it = showForm({ name, signal, extra: back(), added: (show) => {
      announce(t("sell-show-added"));
      chosen({ show });
    } });
    fill(node, it.node);
    it.focus();
  };
  finding();
  return node;
}

/** A search whose finds are chosen. */
function finder({ label, hint, path, describe, choose, none, signal }) {
  const it = field({ label, name: "find", type: "search", autocomplete: "off", hint });
  const list = h("ul.finds", { "aria-label": label });
  let reading = null;
  const look = async () => {
    reading?.abort();
    const own = new AbortController();
    reading = own;
    try {
      const found = await api.get(path(it.input.value.trim()), { signal: AbortSignal.any([signal, own.signal]) });
      fill(list, found.map((item) => {
        const [name, more] = describe(item);
        return h("li", {}, h("button.find", { type: "button", onclick: () => choose(item) }, h("span.find-name", {}, name), h("span.hint", {}, more)));
      }), found.length === 0 && it.input.value.trim() !== "" && h("li.hint", { role: "status" }, none));
    } catch (error) {
      if (error.name !== "AbortError") fill(list, h("li.form-error", { role: "alert" }, sentence(error)));
    }
  };
  let typing = null;
  it.input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(look, TYPING_PAUSE_MILLIS);
  });
  // Return looks at once, and sends no form around it.
  it.input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    look();
  });
  look();
  return { field: it, list };
}

/** The form that adds a show, and its venue if that is not known either. */
function showForm({ name: given, signal, extra, added }) {
  const needed = (options) => required(field({ autocomplete: "off", maxlength: "200", ...options }));
  const name = needed({ label: t("show-name"), name: "name", value: given });
  const category = field({
    label: t("category"), name: "category", element: "select", value: "concert",
    options: Object.keys(CATEGORIES).map((it) => [it, categoryText(it)]),
  });
  const performers = field({
    label: t("show-performers"), name: "performers", autocomplete: "off", hint: t("show-performers-hint"),
    read: () => ({ value: pieces(performers.input.value) }),
  });
  const startsAt = required(field({ label: t("show-starts"), name: "startsAt", type: "datetime-local", hint: t("show-starts-hint") }));
  const venue = venuePicker(signal);
  const intention = api.intention();
  const it = form({
    fields: [name, category, performers, venue, startsAt],
    label: t("sell-add-show"),
    extra: [extra],
    submit: async ({ venue: at, startsAt: local, ...said }) => {
      const show = await api.send("POST", "/api/shows", {
        body: { ...said, venueId: at.id, startsAt: instant(local, at.timeZone) }, key: intention.key,
      });
      added(show);
    },
  });
  it.node.addEventListener("input", intention.renew);
  return { node: it.node, focus: () => name.input.focus() };
}

/** A venue that is found, or added. */
function venuePicker(signal) {
  const node = h("fieldset.venue-picker", {}, h("legend", {}, t("venue")));
  const place = h("div.form");
  const error = h("p.field-error", { role: "alert" });
  node.append(place, error);
  let chosen = null;
  const choose = (venue) => {
    chosen = venue;
    error.textContent = "";
    const change = h("button.link-button", { type: "button", onclick: () => find(true) }, t("sell-change"));
    fill(place, h("p.chosen", {}, h("strong", {}, venue.name), " ", h("span.hint", {}, cityLine(venue)), " ", change));
    change.focus();
  };
  const find = (focus = false) => {
    chosen = null;
    const it = finder({
      label: t("venue-find"), hint: t("venue-find-hint"), signal, none: t("venue-find-none"), choose,
      path: (q) => `/api/venues?limit=${FOUND}${q && `&q=${encodeURIComponent(q)}`}`,
      describe: (venue) => [venue.name, cityLine(venue)],
    });
    fill(place, it.field.node, it.list,
      h("div.actions", {}, h("button.button", { type: "button", onclick: () => add(it.field.input.value) }, t("venue-add"))));
    if (focus) it.field.input.focus();
    current = it.field.input;
  };
  const add = (given) => {
    const it = venueForm(given, choose, () => find(true));
    fill(place, it.node);
    it.first.focus();
    current = it.first;
  };
  let current = null;
  find();
  return {
    name: "venue", node, get input() { return current; },
    setError: (text) => (error.textContent = text),
    read: () => (chosen ? { value: chosen } : { fault: t("venue-needed") }),
  };
}

/** The fields of a venue, which stand in the form of its show and are sent by a button of their own. */
function venueForm(given, added, stop) {
  const needed = (options) => required(field({ autocomplete: "off", ...options }));
  const name = needed({ label: t("venue-name"), name: "name", maxlength: "200", value: given });
  const city = needed({ label: t("city"), name: "city", maxlength: "100" });
  const countries = COUNTRIES.map((code) => [code, countryName(code)]).sort(([, a], [, b]) => a.localeCompare(b, locale));
  const region = new Intl.Locale(navigator.language).maximize().region;
  const country = field({
    label: t("country"), name: "country", element: "select", options: countries, value: COUNTRIES.includes(region) ? region : "US",
  });
  const zones = Intl.supportedValuesOf("timeZone");
  const timeZone = field({
    label: t("time-zone"), name: "timeZone", element: "select", value: ownZone,
    options: (zones.includes(ownZone) ? zones : [ownZone, ...zones]).map((it) => [it, it.replaceAll("_", " ")]),
  });
  const address = field({
    label: t("venue-address"), name: "address", autocomplete: "off", maxlength: "300",
    read: () => ({ value: address.input.value.trim() || null }),
  });
  const sections = field({
    label: t("venue-sections"), name: "sections", autocomplete: "off", hint: t("venue-sections-hint"),
    read: () => ({ value: pieces(sections.input.value) }),
  });
  const fields = [name, city, country, timeZone, address, sections];
  const message = h("p.form-error", { role: "alert" });
  const button = h("button.button", { type: "button" }, t("venue-save"));
  button.addEventListener("click", action(button, async () => {
    message.textContent = "";
    const read = fields.map((it) => [it, it.read()]);
    if (showFaults(read.map(([it, { fault }]) => [it, fault ?? ""]))) return;
    try {
      const body = Object.fromEntries(read.map(([it, { value }]) => [it.name, value]));
      added(await api.send("POST", "/api/venues", { body }));
    } catch (error) {
      showProblem(error, fields, message);
    }
  }));
  const node = h("div.form", {}, name.node, h("div.beside", {}, city.node, country.node), timeZone.node, address.node, sections.node,
    message, h("div.actions", {}, button, h("button.button", { type: "button", onclick: stop }, t("back"))));
  return { node, first: name.input };
}

function cityLine(venue) {
  return [venue.city, venue.region, countryName(venue.country)].filter(Boolean).join(", ");
}

/** What is between commas. */
function pieces(text) {
  return text.split(",").map((it) => it.trim()).filter(Boolean);
}

/** A field that has to be filled in. */
function required(it) {
  it.input.setAttribute("aria-required", "true");
  return { ...it, read: () => (it.input.value.trim() === "" ? { fault: t("error-required") } : { value: it.input.value.trim() }) };
}

/** The moment at which the clock of a zone shows a time such as `2031-06-01T19:30`. */
function instant(local, timeZone) {
  const wall = Date.parse(`${local}Z`);
  if (Number.isNaN(wall)) throw new Told(t("error-required"));
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  });
  const shown = (at) => {
    const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
  };
  // The offset at the moment itself, which may be another than at the first guess.
  const guess = wall - (shown(wall) - wall);
  return new Date(guess - (shown(guess) - wall)).toISOString();
}
