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
    if (name.startsWith("on")) listen(element, name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** What each element does at which event: an element that stays takes over what its successor would do. */
const listeners = new WeakMap();

function listen(element, event, listener) {
  const own = listeners.get(element) ?? {};
  listeners.set(element, own);
  if (!(event in own)) element.addEventListener(event, (given) => own[event](given));
  own[event] = listener;
}

/**
 * Gives an element the children that it is to have now. What is there already stays, and is changed where it differs: it
 * keeps the focus, and a click that has begun on it counts, which would be lost on what is replaced. A child is known by
 * its `data-key`, or by its place among those without one.
 */
export function renew(parent, children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const place = [...parent.children].find((child) => child.contains(focused))?.dataset.key;
  const keyed = new Map(), others = [];
  for (const child of parent.childNodes) {
    if (child.dataset?.key === undefined) others.push(child);
    else keyed.set(child.dataset.key, child);
  }
  const kept = children.map((child) => {
    const { key } = child.dataset ?? {};
    const old = key === undefined ? others.shift() : keyed.get(key);
    keyed.delete(key);
    return old !== undefined && change(old, child) ? old : child;
  });
  for (const child of [...parent.childNodes]) if (!kept.includes(child)) child.remove();
  let next = parent.firstChild;
  for (const child of kept) {
    if (child === next) next = next.nextSibling;
    else parent.insertBefore(child, next);
  }
  if (focused === null || document.activeElement === focused) return;
  // What moves loses the focus; of a button that has gone it stays beside it.
  if (focused.isConnected) focused.focus();
  else kept.find((child) => child.dataset?.key === place)?.querySelector?.("button")?.focus();
}

/** Makes a node what `next` is; false if it cannot be. A button that means something else is another one. */
function change(node, next) {
  if (node.nodeName !== next.nodeName) return false;
  if (node.nodeType === Node.TEXT_NODE) {
    // What is selected in it would not be any more.
    if (node.data !== next.data) node.data = next.data;
    return true;
  }
  if (node.matches("button:not([data-key])") && !node.isEqualNode(next)) return false;
  for (const { name } of [...node.attributes]) {
    // Whoever unfolded it wants to read it.
    if (!next.hasAttribute(name) && name !== "open") node.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  for (const [event, listener] of Object.entries(listeners.get(next) ?? {})) listen(node, event, listener);
  const { value } = next;
  renew(node, [...next.childNodes]);
  if (node.nodeName === "SELECT") node.value = value;
  return true;
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
