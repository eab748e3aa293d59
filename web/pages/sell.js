// Listing tickets, step by step: what they are for, where one sits and how many, the price.

import * as api from "../api.js";
import { fill, h, say } from "../dom.js";
import { sharesOf, times } from "../fees.js";
import { price as amount } from "../format.js";
import { form, showProblem } from "../forms.js";
import { t } from "../i18n.js";
import { showLine } from "../shows.js";
import { beside, countFields, moneyFields, notesField, placeFields, titleField } from "./seat-fields.js";
import { showStep } from "./sell-show.js";

const STEPS = ["sell-step-show", "sell-step-seats", "sell-step-price"];

export async function sell({ config, query, signal, go }) {
  const intention = api.intention();
  const steps = h("ol.steps", { "aria-label": t("sell-steps") }, STEPS.map((id) => h("li", {}, t(id))));
  const heading = h("h2", { tabindex: "-1" });
  const about = h("div.sell-about");
  const place = h("div");
  /** What it is for: a show, or something that has a title alone. */
  let subject = await preselected(query.get("show"), signal);
  /** What was said in each step, as its fields. */
  let seats = null;
  const title = titleField();
  const money = priceStep();

  function goTo(step, { quietly = false } = {}) {
    [...steps.children].forEach((it, index) => {
      if (index === step) it.setAttribute("aria-current", "step");
      else it.removeAttribute("aria-current");
      it.dataset.done = index < step ? "yes" : "no";
    });
    say(heading, t(STEPS[step]));
    fill(about, step > 0 && aboutSubject());
    fill(place, step === 0 ? choosing() : step === 1 ? seats.node : money.node);
    if (step === 2) money.tell();
    if (!quietly) heading.focus();
  }

  function choosing() {
    return showStep({
      config, signal, title,
      chosen: (next) => {
        // Other sections, other fields.
        if (seats === null || next.show?.id !== subject?.show?.id) {
          subject = next;
          seats = seatsStep();
        }
        subject = next;
        intention.renew();
        goTo(1);
      },
    });
  }

  function aboutSubject() {
    const { show } = subject;
    const change = h("button.link-button", { type: "button", onclick: () => goTo(0) }, t("sell-change"));
    return show
      ? h("p", {}, h("strong", {}, show.name), h("span", {}, showLine(show)), change)
      : h("p", {}, h("strong", {}, subject.title), change);
  }

  function seatsStep() {
    const places = placeFields({}, subject.show?.venue.sections ?? []);
    const counts = countFields(places);
    const fields = [places.section, places.row, places.seats, counts.quantity, counts.split];
    const it = form({
      fields,
      content: [beside(places.section, places.row), beside(places.seats, counts.quantity), counts.split.node],
      label: t("continue"),
      extra: [back(0)],
      submit: () => goTo(2),
    });
    it.node.addEventListener("input", intention.renew);
    it.node.addEventListener("change", intention.renew);
    return { ...it, fields };
  }

  function priceStep() {
    const { price, faceValue } = moneyFields(config);
    const notes = notesField();
    const outlook = h("p.outlook", { role: "status" });
    const fields = [price, faceValue, notes];
    const it = form({
      fields,
      content: [price.node, faceValue.node, notes.node, outlook],
      label: t("sell-submit"),
      extra: [back(1)],
      submit: list,
    });
    const tell = () => {
      const { value: asked } = price.read();
      const { quantity } = said(seats.fields);
      const isSaid = asked !== undefined && Number(asked) > 0;
      say(outlook, isSaid && quantity > 1 ? t("sell-outlook", {
        count: quantity, proceeds: amount(times(sharesOf(Number(asked), config).proceeds, quantity, config.currency), config.currency),
      }) : "");
    };
    it.node.addEventListener("input", () => {
      intention.renew();
      tell();
    });
    return { ...it, fields, tell };
  }

  function back(step) {
    return h("button.button", { type: "button", onclick: () => goTo(step) }, t("back"));
  }

  function said(fields) {
    return Object.fromEntries(fields.map((it) => [it.name, it.read().value]));
  }

  async function list(values) {
    const what = subject.show ? { showId: subject.show.id, title: subject.show.name } : { title: subject.title };
    try {
      const body = { ...what, ...said(seats.fields), ...values };
      const ticket = await api.send("POST", "/api/tickets", { body, key: intention.key });
      await go(`/tickets/${ticket.id}`, { replace: true });
    } catch (error) {
      if (error.status > 0) intention.renew();
      // What is wrong is shown in the step that it belongs to.
      const faults = (error.errors ?? []).map((it) => it.field);
      if (seats.fields.some((it) => faults.includes(it.name))) {
        goTo(1, { quietly: true });
        showProblem(error, seats.fields, seats.message);
      } else if (faults.includes("title")) {
        goTo(0, { quietly: true });
        place.querySelector("[data-untitled]")?.click();
        showProblem(error, [title], money.message);
      } else throw error;
    }
  }

  if (subject) seats = seatsStep();
  goTo(subject ? 1 : 0, { quietly: true });
  return {
    title: t("sell-title"),
    node: h("section.narrow.sell", {},
      h("h1", {}, t("sell-title")),
      h("p.lead", {}, t("sell-lead")),
      steps, about,
      h("div.panel", {}, heading, place),
      h("p.aside", {}, h("a", { href: "/tickets/mine" }, t("sell-see-mine")))),
  };
}

/** The show that an address names, if there is one. */
async function preselected(id, signal) {
  if (!id) return null;
  try {
    return { show: await api.get(`/api/shows/${encodeURIComponent(id)}`, { signal }) };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return null;
  }
}
