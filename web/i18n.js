// The language of the page, and every text in it. The server chooses the language and says so in
// the document; the texts are in `locales/`, in Fluent's syntax.

import { FluentBundle, FluentResource } from "./vendor/fluent/index.js";

/** The languages there are, each by its own name. */
export const LANGUAGES = { en: "English", de: "Deutsch" };

/** The language of this page. */
export const language = document.documentElement.lang in LANGUAGES ? document.documentElement.lang : "en";

/** How numbers and dates are written: as the browser's user does, where that is this language. */
export const locale = navigator.languages.find((it) => it.split("-")[0].toLowerCase() === language) ?? language;

const bundle = new FluentBundle([locale, language], { useIsolating: false });

/** Fetches the texts. */
export async function loadTexts() {
  const response = await fetch(new URL(`./locales/${language}.ftl`, import.meta.url));
  if (!response.ok) throw new Error(`no texts: ${response.status}`);
  bundle.addResource(new FluentResource(await response.text()));
}

/** A text of the catalogue. */
export function t(id, values = {}) {
  const message = bundle.getMessage(id);
  // The tests hold the catalogue complete. A text that is missing all the same is seen by its name.
  return message?.value ? bundle.formatPattern(message.value, values, []) : id;
}

/** A text with elements in it, as a list to append: each element stands where its value would. */
export function parts(id, values) {
  const nodes = [];
  const texts = Object.fromEntries(Object.entries(values).map(([name, value]) => {
    if (!(value instanceof Node)) return [name, value];
    nodes.push(value);
    return [name, `\uE000${nodes.length - 1}\uE000`];
  }));
  return t(id, texts).split("\uE000").map((text, index) => (index % 2 === 1 ? nodes[Number(text)] : text));
}

/** Takes another language from now on. The server reads the choice from a cookie. */
export function choose(next) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `language=${next}; path=/; max-age=31536000; samesite=lax${secure}`;
  location.reload();
}
