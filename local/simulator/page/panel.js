/** What the panels of both pages share: tabs, rows with the newest first, and the form of the faults. */
import { $, h } from "./dom.js";

const SHOW = 100;

/** Connects the tabs of the page: with clicks, arrows, Home and End. */
export function startTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const select = (tab) => {
    for (const one of tabs) {
      one.setAttribute("aria-selected", String(one === tab));
      one.tabIndex = one === tab ? 0 : -1;
      $(one.getAttribute("aria-controls")).hidden = one !== tab;
    }
  };
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const next = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[key];
      if (next === undefined) return;
      const target = tabs.at(next % tabs.length);
      select(target);
      target.focus();
    });
  });
}

/** Fills a form with settings. */
export function fillForm(form, settings) {
  for (const [name, value] of Object.entries(settings)) {
    const field = form.elements[name];
    // What is being typed is not overwritten.
    if (!field || (field === document.activeElement && field.type === "number")) continue;
    if (field.type === "checkbox") field.checked = value;
    else field.value = value ?? "";
    const output = field.parentElement.querySelector("output");
    if (output) output.textContent = `${Math.round(value * 100)} %`;
  }
}

/** Calls `configure` with each setting that is changed in the form. */
export function watchForm(form, configure) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", ({ target }) => {
    const output = target.parentElement.querySelector("output");
    if (output) output.textContent = `${Math.round(target.value * 100)} %`;
  });
  form.addEventListener("change", ({ target }) => {
    if (!target.name || !target.reportValidity()) return;
    const number = target.type === "number" || target.type === "range";
    const value = target.type === "checkbox"
      ? target.checked
      : number
      ? Number(target.value)
      : target.value || null;
    configure({ [target.name]: value });
  });
}

/** Inserts newest first; a known item keeps its place and open state. */
export function place(list, id, element) {
  const known = $(id);
  if (known) {
    const focused = known.contains(document.activeElement);
    element.open = known.open;
    known.replaceWith(element);
    if (focused) element.querySelector("summary").focus();
    return;
  }
  list.prepend(h("li", {}, element));
  while (list.children.length > SHOW) list.lastElementChild.remove();
}
