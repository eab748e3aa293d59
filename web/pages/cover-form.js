// The picture of a show, for those who may change it.

import * as api from "../api.js";
import { announce, h, say } from "../dom.js";
import { sentence } from "../errors.js";
import { t } from "../i18n.js";

/** A form that sends a picture. `path` is that of the show, and `adopt` takes the show that has it. */
export function coverForm({ path, signal, adopt }) {
  const input = h("input.hidden-text", { type: "file", id: "cover", accept: "image/jpeg,image/png,image/webp", "aria-describedby": "cover-hint" });
  const label = h("label.button", { for: "cover" }, t("cover-choose"));
  const problem = h("p.form-error", { role: "alert" });
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file || label.hasAttribute("aria-busy")) return;
    say(problem, "");
    label.setAttribute("aria-busy", "true");
    try {
      adopt(await api.upload("PUT", `${path}/cover`, file, { signal }));
      announce(t("cover-changed"));
    } catch (error) {
      if (error.name !== "AbortError") say(problem, sentence(error));
    }
    label.removeAttribute("aria-busy");
    input.value = "";
  });
  return h("div.cover-form", {}, input, label, h("p.hint", { id: "cover-hint" }, t("cover-hint")), problem);
}
