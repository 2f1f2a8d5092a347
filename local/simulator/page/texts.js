/** The page of phones: keeps the state from the simulator, and turns clicks into what people do with texts. */
import { $, api, clock, complain, h } from "./dom.js";
import { listen } from "./stream.js";
import { fillForm, place, startTabs, watchForm } from "./panel.js";

const texts = new Map();
const phones = new Set();
let current = localStorage.getItem("phone");
let calm = {};
let samples = [];

const otherOf = (text) => text.direction === "inbound" ? text.from : text.to;
const oursOf = (text) => text.direction === "inbound" ? text.to : text.from;

const handlers = {
  state(state) {
    texts.clear();
    phones.clear();
    ({ calm, samples } = state);
    for (const phone of state.phones) phones.add(phone);
    for (const text of state.texts) texts.set(text.sid, text);
    const chosen = $("number").value;
    $("number").replaceChildren(...state.numbers.map((number) => h("option", { value: number }, number)));
    if (state.numbers.includes(chosen)) $("number").value = chosen;
    const { answer, fate } = $("trouble").elements;
    answer.replaceChildren(...state.answers.map(({ value, label }) => h("option", { value }, label)));
    fate.replaceChildren(...state.fates.map(({ value, label }) => h("option", { value }, label)));
    $("posts").replaceChildren();
    $("no-posts").hidden = false;
    for (const post of state.posts) showPost(post);
    showSettings(state.settings);
    open(phones.has(current) ? current : phones.values().next().value);
  },
  text({ text }) {
    texts.set(text.sid, text);
    phones.add(otherOf(text));
    draw();
  },
  post: ({ post }) => showPost(post),
  settings: ({ settings }) => showSettings(settings),
};

function open(phone) {
  current = phone ?? null;
  if (current) localStorage.setItem("phone", current);
  draw();
}

function draw() {
  const focused = document.activeElement?.dataset?.phone;
  $("people").replaceChildren(...[...phones].map((phone, i) => {
    const last = [...texts.values()].findLast((text) => otherOf(text) === phone);
    return h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          "data-phone": phone,
          "aria-current": phone === current && "true",
          onclick: () => (open(phone), view("chat")),
        },
        h("span", { class: `avatar tone-${i % 6}`, "aria-hidden": "true" }, phone.slice(-2)),
        h(
          "span",
          { class: "who" },
          h("strong", {}, phone),
          h("span", { class: "quiet" }, last ? last.body.slice(0, 60) || "A file" : "No texts yet"),
        ),
        h("span", { class: "side" }, last && h("time", { class: "quiet" }, clock(last.at))),
      ),
    );
  }));
  if (focused) $("people").querySelector(`[data-phone="${focused}"]`)?.focus();
  $("owner").textContent = current ? `The phone ${current}` : "No phone selected";
  $("identity").textContent = current
    ? "Texts of all its conversations with your numbers"
    : "Add a phone to begin";
  $("keywords").hidden = !current;
  $("business").textContent = $("number").value;
  const shown = [...texts.values()].filter((text) => otherOf(text) === current);
  $("empty").hidden = shown.length > 0;
  $("messages").replaceChildren(...shown.map(bubble));
  $("log").scrollTop = $("log").scrollHeight;
}

function bubble(text) {
  const inbound = text.direction === "inbound";
  const facts = [
    clock(text.at),
    inbound ? `to ${oursOf(text)}` : `from ${oursOf(text)}`,
    `${text.segments} ${text.segments === 1 ? "segment" : "segments"}`,
    ...(inbound ? [] : [text.errorCode ? `${text.status}, ${text.errorCode}` : text.status]),
  ];
  return h(
    "li",
    { class: inbound ? "user" : "business", "data-sid": text.sid },
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

function showPost(post) {
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

function showSettings(settings) {
  fillForm($("trouble"), settings);
  $("trouble-on").hidden = Object.entries(settings).every(([name, value]) => value === calm[name]);
}

async function configure(change, said) {
  // An empty number means always.
  if (change.times === 0) change.times = null;
  try {
    showSettings(await api("texts/settings", change));
    $("trouble-result").textContent = said;
  } catch (error) {
    $("trouble-result").textContent = error.message;
  }
}

async function send(body, media = []) {
  if (!current) return;
  try {
    await api("texts/send", { from: current, to: $("number").value, body, media });
  } catch (error) {
    complain(error);
  }
}

function view(name) {
  document.body.dataset.view = name;
  for (const button of document.querySelectorAll(".views button")) {
    if (button.dataset.view === name) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const body = $("text").value.trim();
  if (body === "") return;
  $("text").value = "";
  send(body);
});
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
$("picture").addEventListener("click", () => samples[0] && send("", [samples[0].id]));
$("number").addEventListener("change", draw);
for (const button of $("keywords").querySelectorAll("button")) {
  button.addEventListener("click", () => send(button.dataset.word));
}
$("new-phone").addEventListener("click", () => {
  const form = $("phone-form");
  form.reset();
  $("phone-error").textContent = "";
  $("phone").showModal();
});
$("phone-form").querySelector("[data-cancel]").addEventListener("click", () => $("phone").close());
$("phone-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const { number } = await api("texts/phone", { number: $("phone-form").elements.number.value });
    phones.add(number);
    open(number);
    view("chat");
    $("phone").close();
  } catch (error) {
    $("phone-error").textContent = error.message;
  }
});
for (const button of document.querySelectorAll(".views button")) {
  button.addEventListener("click", () => view(button.dataset.view));
}
startTabs();
watchForm($("trouble"), ({ answer, ...change }) => {
  const code = Number(answer);
  configure(answer === undefined ? change : { answer: code > 0 ? code : answer }, "Saved.");
});
$("calm").addEventListener("click", () => configure(calm, "Faults are off."));
draw();
listen("api/texts/events", handlers);
