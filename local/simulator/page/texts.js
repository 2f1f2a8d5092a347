/** The page of phones: keeps the state from the simulator, and turns clicks into what people do with texts. */
import { $, api, clock, complain, h, renew } from "./dom.js";
import { startTabs } from "./panel.js";
import { listen } from "./stream.js";
import {
  bubble,
  otherOf,
  showPost,
  showSettings,
  showTwilio,
  startComposer,
  startFaults,
  startViews,
  view,
} from "./texts_panel.js";

const texts = new Map();
const phones = new Set();
let current = localStorage.getItem("phone");
let samples = [];

const handlers = {
  state(state) {
    texts.clear();
    phones.clear();
    ({ samples } = state);
    for (const phone of state.phones) phones.add(phone);
    for (const text of state.texts) texts.set(text.sid, text);
    showNumbers(state.numbers);
    showTwilio(state);
    open(phones.has(current) ? current : phones.values().next().value);
  },
  text({ text }) {
    texts.set(text.sid, text);
    phones.add(otherOf(text));
    draw();
  },
  post: ({ post }) => showPost(post),
  numbers: ({ numbers }) => showNumbers(numbers),
  settings: ({ settings }) => showSettings(settings),
};

function showNumbers(numbers) {
  const chosen = $("number").value;
  $("number").replaceChildren(...numbers.map((number) => h("option", { value: number }, number)));
  if (numbers.includes(chosen)) $("number").value = chosen;
}

function open(phone) {
  current = phone ?? null;
  if (current) localStorage.setItem("phone", current);
  draw();
}

function draw() {
  renew(
    $("people"),
    [...phones].map((phone, i) => {
      const last = [...texts.values()].findLast((text) => otherOf(text) === phone);
      return h(
        "li",
        { "data-key": phone },
        h(
          "button",
          {
            type: "button",
            "data-key": phone,
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
    }),
  );
  $("owner").textContent = current ? `The phone ${current}` : "No phone selected";
  $("identity").textContent = current
    ? "Texts of all its conversations with your numbers"
    : "Add a phone to begin";
  $("keywords").hidden = !current;
  $("business").textContent = $("number").value;
  const shown = [...texts.values()].filter((text) => otherOf(text) === current);
  $("empty").hidden = shown.length > 0;
  renew($("messages"), shown.map(bubble));
  $("log").scrollTop = $("log").scrollHeight;
}

async function send(body, media = []) {
  if (!current) return;
  try {
    await api("texts/send", { from: current, to: $("number").value, body, media });
  } catch (error) {
    complain(error);
  }
}

startComposer($("composer"), send);
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
startViews();
startTabs();
startFaults();
draw();
listen("api/texts/events", handlers);
