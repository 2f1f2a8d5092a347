/**
 * The page of two phones: a client's and a sitter's, and the business in between. Texts come as events of the simulated
 * Twilio; what the business knows is asked for after each of them.
 */
import { $, api, clock, complain, dayAndTime, h, renew } from "./dom.js";
import { startTabs } from "./panel.js";
import { listen } from "./stream.js";
import {
  bubble,
  otherOf,
  oursOf,
  showPost,
  showSettings,
  showTwilio,
  startComposer,
  startFaults,
  startViews,
  view,
} from "./texts_panel.js";

/** After an event the business is asked once it has had time to follow; more events meanwhile ask once. */
const ASK_MS = [150, 1_200];
const TONES = { leg: "good", owner_inbox: "warn", held: "warn", blocked: "bad" };
const OUTCOMES = { leg: "relayed", owner_inbox: "owner inbox", held: "held", blocked: "blocked" };
const REASONS = {
  relayed: "to the other side",
  no_active_window: "no time of work is open",
  no_sitter: "nobody works for this client",
  opted_out: "the other side wants no texts",
  keyword: "a keyword: the provider answers",
  anti_poaching: "leads around the business",
  front_desk: "for the front desk",
  unknown_sender: "a stranger to this number",
  late: "the number was taken back",
  feature_off: "sending is off",
  off: "masked messaging is off",
};
const WINDOWS = { active: "works now", upcoming: "works later", past: "is off" };

const texts = new Map();
let samples = [];
let business = { org: null, people: [], numbers: [], pairs: [], decisions: [], off: [] };

/** One of the phones. */
class Phone {
  #role;
  #root;
  #who = "";
  #to = "";

  constructor(role, title) {
    this.#role = role;
    this.#root = document.querySelector(`[data-role=${role}]`);
    this.#root.append($("phone").content.cloneNode(true));
    const heading = this.#part("h2");
    heading.id = `${role}-title`;
    heading.textContent = title;
    this.#part(".person").setAttribute("aria-label", title);
    this.#part(".to").setAttribute("aria-label", `${title}: write to`);
    this.#part(".log").setAttribute("aria-label", `Texts of the ${role}`);
    this.#part("textarea").setAttribute("aria-label", `Text of the ${role}`);
    this.#part(".person").addEventListener("change", ({ target }) => {
      this.#who = target.value;
      this.#to = "";
      draw();
    });
    this.#part(".to").addEventListener("change", ({ target }) => (this.#to = target.value, draw()));
    startComposer(this.#part("form"), (body) => this.#send(body));
    this.#part(".picture").addEventListener("click", () => samples[0] && this.#send("", [samples[0].id]));
    for (const button of this.#root.querySelectorAll("[data-word]")) {
      button.addEventListener("click", () => this.#send(button.dataset.word));
    }
  }

  #part = (selector) => this.#root.querySelector(selector);

  async #send(body, media = []) {
    if (!this.#who || !this.#to) return;
    try {
      await api("texts/send", { from: this.#who, to: this.#to, body, media });
    } catch (error) {
      complain(error);
    }
  }

  /** The numbers that this phone has reason to write to: those between it and somebody, those it knows, the front desk. */
  #numbers() {
    const between = business.pairs
      .filter((pair) => pair[this.#role] === this.#who && pair.number !== null)
      .map(({ number }) => number);
    const known = [...texts.values()].filter((text) => otherOf(text) === this.#who).map(oursOf);
    const desk = business.numbers.filter((number) => number.class === "front_desk").map(({ number }) =>
      number
    );
    const ours = new Set(business.numbers.map(({ number }) => number));
    return [...new Set([...between, ...known.toReversed(), ...desk])].filter((number) => ours.has(number));
  }

  draw() {
    const people = business.people.filter(({ role }) => role === this.#role);
    if (!people.some(({ phone }) => phone === this.#who)) this.#who = people[0]?.phone ?? "";
    const numbers = business.org === null ? [] : this.#numbers();
    if (!numbers.includes(this.#to)) this.#to = numbers[0] ?? "";
    fill(this.#part(".person"), people.map(({ name, phone }) => [phone, `${name}, ${phone}`]), this.#who);
    fill(this.#part(".to"), numbers.map((number) => [number, number]), this.#to);
    const number = business.numbers.find(({ number }) => number === this.#to);
    this.#part("h3").textContent = this.#to || "No number";
    this.#part(".phone-top p").textContent = number === undefined
      ? ""
      : number.class === "front_desk"
      ? "The front desk"
      : "Nobody's own number";
    for (const control of this.#root.querySelectorAll("button, textarea")) control.disabled = this.#to === "";
    const shown = [...texts.values()].filter((text) => otherOf(text) === this.#who);
    const empty = this.#part(".empty");
    empty.hidden = shown.length > 0;
    empty.textContent = business.org === null ? "There is no organisation yet." : "No texts yet.";
    const log = this.#part(".log");
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 40;
    renew(this.#part(".messages"), shown.map(bubble));
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
}

/** Gives a list its options, without closing it where nothing changed. */
function fill(select, options, chosen) {
  const same = select.options.length === options.length &&
    options.every(([value, label], i) =>
      select.options[i].value === value && select.options[i].textContent === label
    );
  if (!same) select.replaceChildren(...options.map(([value, label]) => h("option", { value }, label)));
  select.value = chosen;
}

const phones = [new Phone("client", "Client"), new Phone("sitter", "Sitter")];

function draw() {
  for (const phone of phones) phone.draw();
}

function drawBusiness() {
  const { org, numbers, pairs, decisions, off } = business;
  $("none").hidden = org !== null;
  $("org").hidden = org === null;
  $("org-name").textContent = org?.name ?? "";
  $("off").hidden = off.length === 0;
  $("off").textContent = off.length === 0 ? "" : `Off here: ${off.join(", ")}. Texts may go nowhere.`;
  renew($("pairs"), pairs.map(pairRow));
  renew(
    $("numbers"),
    numbers.map((number) =>
      h(
        "li",
        { "data-key": number.number },
        h(
          "div",
          { class: "row" },
          h("span", { class: "main" }, number.number),
          h(
            "span",
            { class: "quiet" },
            number.class === "front_desk"
              ? "front desk"
              : number.pairs === 0
              ? "free"
              : number.pairs === 1
              ? "lent to one thread"
              : `lent to ${number.pairs} threads, of different people`,
          ),
        ),
      )
    ),
  );
  $("no-decisions").hidden = decisions.length > 0;
  renew($("decisions"), decisions.map(decisionRow));
}

const nameOf = (phone) => business.people.find((one) => one.phone === phone)?.name ?? phone;

function pairRow({ client, sitter, number, number_class, window, opens_at }) {
  const names = `${nameOf(client)} and ${nameOf(sitter)}`;
  const facts = [
    number !== null
      ? `through ${number}`
      : number_class === null
      ? "no thread"
      : `${nameOf(sitter)} reads in the app alone`,
    window === null
      ? "never booked"
      : `${nameOf(sitter)} ${WINDOWS[window]}${
        window === "upcoming" ? `, from ${dayAndTime(opens_at)}` : ""
      }`,
  ];
  const act = (label, path, more = {}) =>
    h("button", {
      type: "button",
      class: "small",
      "data-key": `${path}-${more.when ?? ""}`,
      "aria-label": `${names}: ${label}`,
      onclick: () => change(path, path === "end" ? { client } : { client, sitter, ...more }),
    }, label);
  return h(
    "li",
    { "data-key": `${client}-${sitter}` },
    h(
      "div",
      { class: "row" },
      h(
        "span",
        { class: "main" },
        h("strong", {}, names),
        " ",
        h("span", { class: "quiet block" }, facts.join(" · ")),
      ),
      h(
        "div",
        { class: "tools" },
        act("Assign now", "assign", { when: "now" }),
        act("Tomorrow", "assign", { when: "tomorrow" }),
        window !== null && window !== "past" && act("Take off", "unassign"),
        number_class !== null && act("End thread", "end"),
      ),
    ),
  );
}

function decisionRow({ at, from_role, from_last4, number_last4, outcome, reason, types, text }) {
  const facts = [
    `${from_role}${from_last4 ? ` …${from_last4}` : ""} to ${number_last4 ? `…${number_last4}` : "a thread"}`,
    REASONS[reason] ?? reason.replaceAll("_", " "),
    ...types,
  ];
  return h(
    "li",
    {},
    h(
      "div",
      { class: "row" },
      h("span", { class: `badge wide ${TONES[outcome]}` }, OUTCOMES[outcome]),
      h("span", { class: "main" }, text ?? "", h("span", { class: "quiet block" }, facts.join(" · "))),
      h("time", { class: "quiet" }, clock(at, true)),
    ),
  );
}

/** Asks the business for an act, and shows it afterwards. */
async function change(path, body = {}) {
  try {
    business = await api(`masked/${path}`, body);
    $("org-result").textContent = "";
    redraw();
  } catch (error) {
    complain(error);
  }
}

function redraw() {
  draw();
  drawBusiness();
}

const waiting = new Set();

/** Asks the business how it stands, soon and once more. */
function ask() {
  for (const ms of ASK_MS) {
    if (waiting.has(ms)) continue;
    waiting.add(ms);
    setTimeout(async () => {
      waiting.delete(ms);
      try {
        const response = await fetch("api/masked/state");
        if (response.status === 404) {
          $("org-result").textContent =
            "This simulator runs without a stack: there is no business behind it.";
        } else if (response.ok) {
          business = await response.json();
          redraw();
        }
      } catch {
        // The header says that the stack does not respond.
      }
    }, ms);
  }
}

const handlers = {
  state(state) {
    texts.clear();
    ({ samples } = state);
    for (const text of state.texts) texts.set(text.sid, text);
    showTwilio(state);
    draw();
    ask();
  },
  text({ text }) {
    texts.set(text.sid, text);
    draw();
    ask();
  },
  post({ post }) {
    showPost(post);
    ask();
  },
  settings: ({ settings }) => showSettings(settings),
};

$("begin").addEventListener("click", async () => {
  $("begin").disabled = true;
  $("org-result").textContent = "Making it; the functions read their flags every few seconds.";
  await change("begin");
  $("begin").disabled = false;
  if (business.org === null) $("org-result").textContent = "";
  if (matchMedia("(max-width: 720px)").matches) view("client");
});
$("minute").addEventListener("click", async () => {
  await change("minute");
  ask();
});
startViews();
startTabs();
startFaults();
redraw();
listen("api/texts/events", handlers);
