// Stripe's own script, fetched when somebody is about to pay and not before.

import { h } from "./dom.js";
import { Told } from "./errors.js";
import { language, t } from "./i18n.js";

let loading = null;

/** Stripe, in the language of the page. */
export function loadStripe(key) {
  loading ??= new Promise((resolve, reject) => {
    const script = h("script", { src: "https://js.stripe.com/v3/", async: true });
    script.addEventListener("load", () => resolve(window.Stripe(key, { locale: language })));
    script.addEventListener("error", () => {
      loading = null;
      script.remove();
      reject(new Told(t("stripe-unreachable")));
    });
    document.head.append(script);
  });
  return loading;
}
