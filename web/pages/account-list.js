// What belongs to an account, page by page.

import * as api from "../api.js";
import { announce, h } from "../dom.js";
import { sentence } from "../errors.js";
import { action } from "../forms.js";
import { t } from "../i18n.js";

/** The list with its first page, and the button for the next. */
export async function accountList({ label, path, row, signal }) {
  const list = h("ul.items", { "aria-label": label });
  const more = h("button.button.more", { type: "button", hidden: true }, t("show-more"));
  let next = null;
  const read = async (path) => {
    const page = await api.page(path, { signal });
    next = page.next;
    more.hidden = next === null;
    list.append(...page.items.map(row));
  };
  more.addEventListener("click", action(more, () => read(next).catch((error) => announce(sentence(error), { urgent: true }))));
  await read(path);
  return { list, more };
}
