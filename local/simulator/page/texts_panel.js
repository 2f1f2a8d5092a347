/** What the pages of texts share: bubbles, the webhooks that Twilio posted, and the form of its faults. */
import { $, api, clock, h } from "./dom.js";
import { fillForm, place, watchForm } from "./panel.js";

/** The other side's number of a text, and ours. */
export const otherOf = (text) => text.direction === "inbound" ? text.from : text.to;
export const oursOf = (text) => text.direction === "inbound" ? text.to : text.from;

/** The form's parts. A number that may be empty stands for no limit then. */
const FAULTS = [
  ["API: sending a text", [
    { name: "answer", label: "Answer", choices: "answers" },
    { name: "times", label: "Number of texts (empty: all)", min: 1, max: 1_000_000 },
  ]],
  ["What becomes of texts", [
    { name: "fate", label: "Outcome of each text", choices: "fates" },
    { name: "statuses", label: "Report statuses", check: true },
    { name: "delayMs", label: "Time between reports, ms", min: 0, max: 600_000, step: 100, required: true },
  ]],
  ["Webhooks", [
    { name: "lostPercent", label: "Lost for good, percent", min: 0, max: 100, required: true },
    { name: "copies", label: "Repetitions of each", min: 0, max: 50, required: true },
  ]],
  ["Pace of each number", [
    { name: "perSecond", label: "Segments a second (empty: no limit)", min: 1, max: 1_000 },
    { name: "queueSeconds", label: "Longest queue, seconds", min: 1, max: 36_000, required: true },
  ]],
];

let calm = {};

/** Builds the form of the faults; call it once. */
export function startFaults() {
  const form = $("trouble");
  form.append(
    ...FAULTS.map(([legend, fields]) => h("fieldset", {}, h("legend", {}, legend), fields.map(field))),
  );
  watchForm(form, ({ answer, ...change }) => {
    const code = Number(answer);
    configure(answer === undefined ? change : { answer: code > 0 ? code : answer }, "Saved.");
  });
  $("calm").addEventListener("click", () => configure(calm, "Faults are off."));
}

function field({ name, label, choices, check, min, max, step = 1, required }) {
  if (check) {
    return h("label", { class: "check" }, h("input", { type: "checkbox", name }), h("span", {}, label));
  }
  return h(
    "label",
    {},
    h("span", {}, label),
    choices
      ? h("select", { name, "data-choices": choices })
      : h("input", { type: "number", name, min, max, step, required }),
  );
}

async function configure(change, said) {
  // An empty number means no limit.
  for (const name of ["times", "perSecond"]) if (change[name] === 0) change[name] = null;
  try {
    showSettings(await api("texts/settings", change));
    $("trouble-result").textContent = said;
  } catch (error) {
    $("trouble-result").textContent = error.message;
  }
}

/** Shows what Twilio does and did, from the state that a page gets first. */
export function showTwilio(state) {
  ({ calm } = state);
  for (const select of $("trouble").querySelectorAll("[data-choices]")) {
    select.replaceChildren(
      ...state[select.dataset.choices].map(({ value, label }) => h("option", { value }, label)),
    );
  }
  $("posts").replaceChildren();
  $("no-posts").hidden = false;
  for (const post of state.posts) showPost(post);
  showSettings(state.settings);
}

export function showPost(post) {
  $("no-posts").hidden = true;
  const { answer } = post;
  const tone = answer === "waiting" ? "wait" : answer >= 200 && answer < 300 ? "good" : "bad";
  place(
    $("posts"),
    `post-${post.id}`,
    h(
      "div",
      { id: `post-${post.id}`, class: "row" },
      h("span", { class: `badge ${tone}` }, answer === "waiting" ? "…" : String(answer)),
      h("span", { class: "main" }, post.what),
      h("time", { class: "quiet" }, clock(post.at, true)),
    ),
  );
}

export function showSettings(settings) {
  fillForm($("trouble"), settings);
  $("trouble-on").hidden = Object.entries(settings).every(([name, value]) => value === calm[name]);
}

/** A text as the phone of the other side shows it. */
export function bubble(text) {
  const inbound = text.direction === "inbound";
  const facts = [
    clock(text.at),
    inbound ? `to ${oursOf(text)}` : `from ${oursOf(text)}`,
    `${text.segments} ${text.segments === 1 ? "segment" : "segments"}`,
    ...(inbound ? [] : [text.errorCode ? `${text.status}, ${text.errorCode}` : text.status]),
  ];
  return h(
    "li",
    { class: inbound ? "user" : "business", "data-key": text.sid },
    h(
      "div",
      { class: "bubble" },
      text.media.length > 0 &&
        h("p", { class: "quiet" }, text.media.length === 1 ? "A file" : `${text.media.length} files`),
      h("p", {}, text.body),
      h("p", { class: "quiet" }, facts.join(" · ")),
    ),
  );
}

/** Sends what is written in a composer at Enter and at its button. */
export function startComposer(form, send) {
  const text = form.querySelector("textarea");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const body = text.value.trim();
    if (body === "") return;
    text.value = "";
    send(body);
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
}

/** Shows one of the page's parts where there is no room for all. */
export function view(name) {
  document.body.dataset.view = name;
  for (const button of document.querySelectorAll(".views button")) {
    if (button.dataset.view === name) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

/** Connects the buttons of {@link view}. */
export function startViews() {
  for (const button of document.querySelectorAll(".views button")) {
    button.addEventListener("click", () => view(button.dataset.view));
  }
}
