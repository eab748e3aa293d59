// Builds elements. Text is only ever set as text, so nothing that a user wrote becomes markup.

/** An element: `h("a.button", { href: "/", onclick: f }, "text", child, …)`. */
export function h(spec, props = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length > 0) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replaces what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets a text unless it is there already, so that nothing is announced twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A small mark with the state of something, in words. */
export function badge(status, text) {
  return h("span.badge", { dataset: { status } }, text);
}

/** Tells those who cannot see it: politely, or at once. */
export function announce(text, { urgent = false } = {}) {
  const region = document.getElementById(urgent ? "alarm" : "news");
  // The same words twice are only heard twice if they were gone in between.
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = text));
}

let ids = 0;
/** An id that no other element has. */
export function uniqueId(prefix) {
  ids += 1;
  return `${prefix}-${ids}`;
}
