/** Helpers shared by the page's modules. */

/** The element with this id. */
export const $ = (id) => document.getElementById(id);

/**
 * Creates an element. Properties beginning with "on" are listeners, null or false ones are left out, all
 * others are attributes. Children are nodes or text, never markup.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** An icon from the stroke path of a 24 by 24 drawing. */
export function icon(path, size = 18) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  const line = document.createElementNS(ns, "path");
  const set = (element, attributes) => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  };
  set(svg, { viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true" });
  set(line, { d: path, fill: "none", stroke: "currentColor" });
  set(line, { "stroke-width": "1.8", "stroke-linecap": "round", "stroke-linejoin": "round" });
  svg.append(line);
  return svg;
}

/** Calls the simulator. Rejects with the message of its refusal. */
export async function api(path, body = {}) {
  const response = await fetch(`api/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({ error: `The simulator answered ${response.status}` }));
  if (!response.ok) throw new Error(answer.error ?? `The simulator answered ${response.status}`);
  return answer;
}

let toastTimer;

/** Shows an error for a while. */
export function complain(error) {
  const toast = $("toast");
  toast.textContent = error instanceof TypeError
    ? "The stack is not responding. Is it running?"
    : error.message;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => toast.hidden = true, 6000);
}

/** 14:05, or 14:05:09, in the browser's locale. */
export function clock(at, seconds = false) {
  return new Date(at).toLocaleTimeString([], { timeStyle: seconds ? "medium" : "short" });
}

/** Mon 14:05, in the browser's locale. */
export function dayAndTime(at) {
  return new Date(at).toLocaleString([], { weekday: "short", hour: "numeric", minute: "2-digit" });
}

/** Opens a popover beside an element, within the window. */
export function openBeside(menu, element) {
  menu.showPopover();
  const anchor = element.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const above = anchor.top - height - 8;
  menu.style.left = `${Math.max(8, Math.min(anchor.left, innerWidth - width - 8))}px`;
  menu.style.top = `${above > 8 ? above : Math.min(anchor.bottom + 8, innerHeight - height - 8)}px`;
  menu.querySelector("button")?.focus();
}
