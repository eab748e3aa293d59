// The storefront: which page is shown, and what surrounds it.

import * as api from "./api.js";
import { announce, fill, h } from "./dom.js";
import { action, sentence } from "./forms.js";
import * as live from "./live.js";
import * as session from "./session.js";
import { empty } from "./tickets.js";
import { ownPath, signIn, signUp } from "./pages/auth.js";
import { home } from "./pages/home.js";
import { mine } from "./pages/mine.js";
import { missing } from "./pages/missing.js";
import { order } from "./pages/order.js";
import { orders } from "./pages/orders.js";
import { sell } from "./pages/sell.js";
import { ticket } from "./pages/ticket.js";

const PAGES = [
  ["/", home],
  ["/auth/signup", signUp, { needsNobody: true }],
  ["/auth/signin", signIn, { needsNobody: true }],
  ["/tickets/new", sell, { needsUser: true }],
  ["/tickets/mine", mine, { needsUser: true }],
  ["/tickets/:id", ticket],
  ["/orders", orders, { needsUser: true }],
  ["/orders/:id", order, { needsUser: true }],
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
  history.replaceState({ ...history.state, scroll: scrollY }, "");
  history[replace ? "replaceState" : "pushState"]({}, "", href);
  await show({ isNavigation: true });
}

async function show({ isNavigation = false, scroll = 0 } = {}) {
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
  main.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => fill(main, h("p.loading", { role: "status" }, h("span.spinner", { "aria-hidden": "true" }), "Loading…")), LOADING_AFTER_MILLIS);
  let page;
  try {
    page = route
      ? await route.page({ params: match.groups ?? {}, query: url.searchParams, config, signal, go, replaceQuery })
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
  document.title = page.title === "Tickets For Sale" ? "GitTix – Tickets For Sale" : `${page.title} – GitTix`;
  markCurrent(url.pathname);
  scrollTo(0, scroll);
  if (isNavigation) {
    const heading = main.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    (heading ?? main).focus({ preventScroll: true });
  } else {
    main.querySelector("h1")?.setAttribute("tabindex", "-1");
  }
}

function replaceQuery(query) {
  history.replaceState(history.state, "", location.pathname + (query && `?${query}`));
}

function failure(error) {
  return {
    title: "Something went wrong",
    node: h("section.narrow", { role: "alert" }, h("h1", {}, "That didn't work"), h("p.lead", {}, sentence(error)),
      h("button.button.primary", { type: "button", onclick: () => show({ isNavigation: true }) }, "Try again")),
  };
}

/** Links of ours change the page in place; everything else is left to the browser. */
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain || event.defaultPrevented || link.target || link.origin !== location.origin) return;
  const isInPage = link.pathname === location.pathname && link.hash;
  if (isInPage || link.pathname.startsWith("/api/")) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
addEventListener("popstate", (event) => config && show({ isNavigation: true, scroll: event.state?.scroll ?? 0 }));
history.scrollRestoration = "manual";

function showHeader() {
  const nav = document.getElementById("nav");
  if (!session.currentUser()) {
    fill(nav, h("a", { href: "/auth/signup" }, "Sign Up"), h("a.strong", { href: "/auth/signin" }, "Sign In"));
    return;
  }
  const out = h("button.link", { type: "button", title: session.currentUser().email }, "Sign Out");
  out.addEventListener("click", action(out, async () => {
    try {
      await api.send("POST", "/api/users/signout");
      await go("/");
      session.change(null);
      announce("Signed out");
    } catch (error) {
      announce(sentence(error), { urgent: true });
    }
  }));
  fill(nav, h("a", { href: "/orders" }, "My Orders"), h("a", { href: "/tickets/new" }, "Sell Tickets"), out);
}

function markCurrent(path) {
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.pathname === path) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

session.whenChanged(() => {
  // Until everything is there, the page is drawn once, at the end of the start.
  if (!config) return;
  showHeader();
  live.restart();
  const isPrivate = PAGES.some((it) => it.needsUser && it.pattern.test(location.pathname));
  if (isPrivate && !session.currentUser()) show({ isNavigation: true });
});

async function boot() {
  try {
    [config] = await Promise.all([api.config(), session.load()]);
  } catch (error) {
    fill(main, empty("GitTix can't be reached", sentence(error),
      h("button.button.primary", { type: "button", onclick: () => location.reload() }, "Try again")));
    return;
  }
  // Not before it is known who looks: what one would press must not move away.
  showHeader();
  document.getElementById("terms").textContent = config.provider === "sandbox" ? "A sandbox: payments are imitations, and no money moves." : "";
  live.start(config.lastEventId);
  await show();
}

boot();
