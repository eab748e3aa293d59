// The storefront: which page is shown, and what surrounds it.

import * as api from "./api.js";
import { announce, fill, h } from "./dom.js";
import { Offline, sentence } from "./errors.js";
import { action } from "./forms.js";
import { LANGUAGES, choose, language, loadTexts, t } from "./i18n.js";
import * as live from "./live.js";
import * as places from "./places.js";
import * as session from "./session.js";
import { empty } from "./tickets.js";
import { ownPath, signIn, signUp } from "./pages/auth.js";
import { home } from "./pages/home.js";
import { mine } from "./pages/mine.js";
import { missing } from "./pages/missing.js";
import { orders } from "./pages/orders.js";
import { show as showPage } from "./pages/show.js";
import { ticket } from "./pages/ticket.js";
import { tickets } from "./pages/tickets.js";

/** What the first page does not need is fetched after it, or when somebody goes there. */
const LATER = {
  account: () => import("./pages/account.js"),
  order: () => import("./pages/order.js"),
  forgotten: () => import("./pages/recovery.js"),
  reset: () => import("./pages/recovery.js"),
  verify: () => import("./pages/recovery.js"),
  sell: () => import("./pages/sell.js"),
};
const FETCH_LATER_AFTER_MILLIS = 1000;

/** A page that is fetched when it is gone to, if it is not there yet. */
const later = (name) => async (context) => {
  let pages;
  try {
    pages = await LATER[name]();
  } catch {
    // The server may have another version by now, whose pages come with its document.
    throw Object.assign(new Offline(), { needsReload: true });
  }
  return pages[name](context);
};

const PAGES = [
  ["/", home],
  ["/shows/:id", showPage],
  ["/tickets", tickets],
  ["/account", later("account"), { needsUser: true }],
  ["/auth/signup", signUp, { needsNobody: true }],
  ["/auth/signin", signIn, { needsNobody: true }],
  ["/auth/forgotten", later("forgotten"), { needsNobody: true }],
  ["/reset", later("reset")],
  ["/verify", later("verify")],
  ["/tickets/new", later("sell"), { needsUser: true }],
  ["/tickets/mine", mine, { needsUser: true }],
  ["/tickets/:id", ticket],
  ["/orders", orders, { needsUser: true }],
  ["/orders/:id", later("order"), { needsUser: true }],
].map(([pattern, page, options = {}]) => ({
  pattern: new RegExp(`^${pattern.replace(/:(\w+)/g, "(?<$1>[^/]+)")}/?$`), page, ...options,
}));

/** A page that is there sooner needs no sign that it is on its way. */
const LOADING_AFTER_MILLIS = 200;

const main = document.getElementById("main");
let config = null;
let leaving = new AbortController();

/** Shows a page of ours. */
async function go(href, { replace = false } = {}) {
  places.leave(href, { replace });
  await show({ isNavigation: true });
}

async function show({ isNavigation = false } = {}) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const url = new URL(location.href);
  const found = PAGES.map((it) => [it, it.pattern.exec(url.pathname)]).find(([, match]) => match);
  const [route, match] = found ?? [];
  if (route?.needsUser && !session.currentUser()) {
    const next = encodeURIComponent(url.pathname + url.search);
    return go(`/auth/signin?next=${next}`, { replace: true });
  }
  if (route?.needsNobody && session.currentUser()) {
    return go(ownPath(url.searchParams.get("next")), { replace: true });
  }
  const place = places.current();
  main.setAttribute("aria-busy", "true");
  // What the server drew stays until the page takes its place.
  const slow = isNavigation && setTimeout(showLoading, LOADING_AFTER_MILLIS);
  let page;
  try {
    page = route
      ? await route.page({ params: match.groups ?? {}, query: url.searchParams, config, signal, go, replaceQuery, entitle, place })
      : missing();
  } catch (error) {
    if (signal.aborted) return;
    page = failure(error);
  } finally {
    clearTimeout(slow);
  }
  // Somebody has gone on to another page meanwhile.
  if (signal.aborted) return;
  main.removeAttribute("aria-busy");
  fill(main, page.node);
  entitle(page.title);
  markCurrent(url.pathname);
  places.restore(place, main);
  const heading = main.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  if (isNavigation) (heading ?? main).focus({ preventScroll: true });
}

function showLoading() {
  fill(main, h("p.loading", { role: "status" }, h("span.spinner", { "aria-hidden": "true" }), t("loading")));
}

/** Names the page in the browser's tab. */
function entitle(title) {
  document.title = location.pathname === "/" ? t("page-title-home", { title }) : t("page-title", { title });
}

function replaceQuery(query) {
  history.replaceState(history.state, "", location.pathname + (query && `?${query}`));
}

function failure(error) {
  return {
    title: t("failure-page"),
    node: h("section.narrow", { role: "alert" }, h("h1", {}, t("failure-title")), h("p.lead", {}, sentence(error)),
      h("button.button.primary", { type: "button", onclick: () => (error.needsReload ? location.reload() : show({ isNavigation: true })) }, t("try-again"))),
  };
}

/** Links of ours change the page in place; everything else is left to the browser. */
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  // Until everything is there, a link leads where it would without us.
  if (!config || !link || !isPlain || event.defaultPrevented || link.target || link.origin !== location.origin) return;
  const isInPage = link.pathname === location.pathname && link.hash;
  if (isInPage || link.pathname.startsWith("/api/")) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
places.whenReturned(() => config && show({ isNavigation: true }));

function showHeader() {
  const nav = document.getElementById("nav");
  const user = session.currentUser();
  if (!user) {
    fill(nav, h("span.who", {}, h("a", { href: "/auth/signup" }, t("sign-up")), h("a.strong", { href: "/auth/signin" }, t("sign-in"))));
    return;
  }
  const out = h("button.link", { type: "button" }, t("sign-out"));
  out.addEventListener("click", action(out, async () => {
    try {
      await api.send("POST", "/api/users/signout");
      await go("/");
      session.change(null);
      announce(t("signed-out"));
    } catch (error) {
      announce(sentence(error), { urgent: true });
    }
  }));
  const address = h("a.address", { href: "/account", "aria-label": t("nav-account", { email: user.email }) }, user.email);
  fill(nav,
    h("span.ways", {}, h("a", { href: "/orders" }, t("nav-orders")), h("a", { href: "/tickets/mine" }, t("nav-selling")),
      h("a", { href: "/tickets/new" }, t("nav-sell"))),
    h("span.who", {}, address, out));
}

function markCurrent(path) {
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.pathname === path) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function showFooter() {
  if (config.provider === "sandbox") document.getElementById("terms").textContent = t("terms-sandbox");
  const choice = ([code, name]) => h("button.link", {
    type: "button", lang: code, "aria-pressed": String(code === language), onclick: () => code === language || choose(code),
  }, name);
  fill(document.getElementById("languages"), Object.entries(LANGUAGES).map(choice));
}

session.whenChanged(() => {
  // Until everything is there, the page is drawn once, at the end of the start.
  if (!config) return;
  showHeader();
  markCurrent(location.pathname);
  live.restart();
  const isPrivate = PAGES.some((it) => it.needsUser && it.pattern.test(location.pathname));
  if (isPrivate && !session.currentUser()) show({ isNavigation: true });
});

async function boot() {
  try {
    await loadTexts();
  } catch {
    // Without texts there is one thing to say, which the document brings along.
    document.getElementById("unreachable").hidden = false;
    return;
  }
  let known;
  try {
    [known] = await Promise.all([api.config(), session.load()]);
  } catch (error) {
    fill(main, empty(t("unreachable-title"), sentence(error),
      h("button.button.primary", { type: "button", onclick: () => location.reload() }, t("try-again"))));
    return;
  }
  config = known;
  // Not before it is known who looks: what one would press must not move away.
  showHeader();
  showFooter();
  live.start(config.lastEventId);
  await show();
  setTimeout(() => Object.values(LATER).forEach((load) => load().catch(() => {})), FETCH_LATER_AFTER_MILLIS);
}

boot();
