/** The page of Telegram's chats: keeps the state from the simulator, and turns clicks into what people do there. */
import { $, api, clock, complain, h, renew } from "./dom.js";
import { listen } from "./stream.js";
import { fillForm, place, startTabs, watchForm } from "./panel.js";
import { showOnCall, startOnCall } from "./oncall_panel.js";
import { startComposer, startViews, view } from "./texts_panel.js";

const chats = new Map();
let people = [];
let current = Number(localStorage.getItem("chat")) || undefined;
let replyTo = null;
let calm = {};
const unfolded = new Set();

const handlers = {
  state(state) {
    chats.clear();
    ({ calm, people } = state);
    for (const chat of state.chats) chats.set(chat.id, chat);
    const chosen = $("person").value;
    $("person").replaceChildren(
      ...people.map(({ id, first_name }) => h("option", { value: id }, first_name)),
    );
    if (people.some(({ id }) => String(id) === chosen)) $("person").value = chosen;
    $("trouble").elements.fault.replaceChildren(
      ...state.faults.map(({ value, label }) => h("option", { value }, label)),
    );
    $("posts").replaceChildren();
    $("no-posts").hidden = false;
    for (const post of state.posts) showPost(post);
    showSettings(state.settings);
    $("tab-model").hidden = state.model === null;
    if (state.model !== null) {
      $("model").elements.fault.replaceChildren(
        ...state.model.faults.map(({ value, label }) => h("option", { value }, label)),
      );
      showModel(state.model);
    }
    $("tab-oncall").hidden = state.oncall === null;
    if (state.oncall !== null) {
      $("oncall").elements.fault.replaceChildren(
        ...state.oncall.faults.map(({ value, label }) => h("option", { value }, label)),
      );
      showOnCall(state.oncall);
    }
    open(chats.has(current) ? current : chats.keys().next().value);
  },
  chat({ chat }) {
    chats.set(chat.id, chat);
    draw();
  },
  post: ({ post }) => showPost(post),
  toast: ({ text }) => complain(new Error(text)),
  settings: ({ settings }) => showSettings(settings),
  ai: (change) => showModel(change),
  oncall: (change) => showOnCall(change),
};

function open(id) {
  current = id;
  replyTo = null;
  if (current !== undefined) localStorage.setItem("chat", String(current));
  draw();
}

function draw() {
  renew(
    $("people"),
    [...chats.values()].map((chat, i) =>
      h(
        "li",
        { "data-key": chat.id },
        h(
          "button",
          {
            type: "button",
            "data-key": chat.id,
            "aria-current": chat.id === current && "true",
            onclick: () => (open(chat.id), view("chat")),
          },
          h("span", { class: `avatar tone-${i % 6}`, "aria-hidden": "true" }, chat.title.slice(0, 2)),
          h(
            "span",
            { class: "who" },
            h("strong", {}, chat.title),
            h("span", { class: "quiet" }, chat.messages.at(-1)?.text.slice(0, 60) || kindOf(chat)),
          ),
          h(
            "span",
            { class: "side" },
            chat.messages.length > 0 && h("time", { class: "quiet" }, clock(chat.messages.at(-1).at)),
          ),
        ),
      )
    ),
  );
  const chat = chats.get(current);
  $("owner").textContent = chat?.title ?? "No chat selected";
  $("identity").textContent = chat === undefined
    ? "Choose a chat to begin"
    : `${kindOf(chat)} · ${chat.id}${chat.movedTo === null ? "" : ` · became ${chat.movedTo}`}`;
  $("title").textContent = chat?.title ?? "Telegram";
  $("business").textContent = chat === undefined ? "" : chat.hasBot ? "with the bot" : "without the bot";
  $("member").hidden = chat === undefined || chat.movedTo !== null;
  $("member").textContent = !chat?.hasBot
    ? "Add the bot"
    : chat.type === "private"
    ? "Block the bot"
    : "Remove the bot";
  $("upgrade").hidden = chat?.type !== "group" || chat.movedTo !== null;
  const shown = chat?.messages ?? [];
  $("empty").hidden = shown.length > 0;
  renew($("messages"), shown.map((message) => bubble(chat, message)));
  const replied = shown.find(({ message_id }) => message_id === replyTo);
  $("replying").hidden = replied === undefined;
  if (replied) $("replying").textContent = `Answers: ${replied.text.slice(0, 80)}`;
  $("log").scrollTop = $("log").scrollHeight;
}

const kindOf = ({ type, is_forum }) =>
  is_forum ? "Forum" : type === "private" ? "Private chat" : type === "group" ? "Group" : "Supergroup";

function bubble(chat, message) {
  const topic = chat.topics.find(({ id }) => id === message.topic);
  const facts = [
    message.from.is_bot ? null : message.from.first_name,
    topic && `in ${topic.name}`,
    clock(message.at),
    message.edits > 0 && "edited",
  ].filter(Boolean);
  return h(
    "li",
    { class: message.from.is_bot ? "business" : "user", "data-key": `${chat.id}-${message.message_id}` },
    h(
      "div",
      { class: "bubble" },
      message.file && h("p", { class: "quiet" }, `${message.file.name}, ${message.file.size} bytes`),
      h("div", {}, ...formatted(message)),
      h(
        "p",
        { class: "quiet" },
        facts.join(" · "),
        " ",
        h("button", {
          type: "button",
          class: "more",
          onclick: () => {
            replyTo = message.message_id;
            draw();
            $("text").focus();
          },
        }, "Answer"),
      ),
    ),
    message.buttons.length > 0 && h(
      "div",
      { class: "keyboard", role: "group", "aria-label": "Buttons of the card" },
      message.buttons.map((row) =>
        h(
          "div",
          {},
          row.map(({ text, callback_data }) =>
            h("button", {
              type: "button",
              class: "small",
              onclick: () => press(chat, message, callback_data),
            }, text)
          ),
        )
      ),
    ),
  );
}

/** A text with its entities as elements: offsets are those of JavaScript's strings. */
function formatted({ message_id, text, entities }) {
  const parts = [];
  let at = 0;
  for (const { type, offset, length } of entities) {
    parts.push(text.slice(at, offset));
    const piece = text.slice(offset, offset + length);
    if (type === "expandable_blockquote") {
      const isOpen = unfolded.has(message_id);
      parts.push(
        h("blockquote", { class: isOpen && "open" }, piece),
        h("button", {
          type: "button",
          class: "more",
          "aria-expanded": String(isOpen),
          onclick: () => {
            if (isOpen) unfolded.delete(message_id);
            else unfolded.add(message_id);
            draw();
          },
        }, isOpen ? "Less" : "More"),
      );
    } else {parts.push(
        h(
          { bold: "strong", italic: "em", code: "code", blockquote: "blockquote" }[type] ?? "span",
          {},
          piece,
        ),
      );}
    at = offset + length;
  }
  return [...parts, text.slice(at)];
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

/** Settings of the model, and what it got: that nothing personal is in there can be seen here. */
function showModel({ settings, questions }) {
  fillForm($("model"), settings);
  $("model-on").hidden = settings.fault === "none";
  $("no-questions").hidden = questions.length > 0;
  renew(
    $("questions"),
    questions.map(({ at, body, status }) => {
      let text = body;
      try {
        text = JSON.parse(body).messages.at(-1).content;
      } catch {
        // Shown as it came.
      }
      return h(
        "li",
        { "data-key": at },
        h(
          "details",
          { class: "question" },
          h(
            "summary",
            {},
            h(
              "span",
              { class: `badge ${status === 200 ? "good" : "bad"}` },
              status === null ? "…" : String(status),
            ),
            " ",
            h("time", { class: "quiet" }, clock(at, true)),
          ),
          h("pre", {}, text),
        ),
      );
    }),
  );
}

async function configure(change, said) {
  // An empty number means always.
  if (change.times === 0) change.times = null;
  try {
    showSettings(await api("telegram/settings", change));
    $("trouble-result").textContent = said;
  } catch (error) {
    $("trouble-result").textContent = error.message;
  }
}

/** Calls the simulator for the open chat. */
async function act(path, body) {
  try {
    return await api(`telegram/${path}`, { chat: current, ...body });
  } catch (error) {
    complain(error);
  }
}

const from = () => Number($("person").value);
const press = (chat, message, data) =>
  act("press", { chat: chat.id, message: message.message_id, data, from: from() });

async function say(text) {
  if (current === undefined) return;
  if (await act("say", { text, from: from(), replyTo }) === undefined) return;
  replyTo = null;
  draw();
}

startComposer($("composer"), say);
$("member").addEventListener("click", () => act("member", { member: !chats.get(current).hasBot }));
$("upgrade").addEventListener("click", async () => {
  const next = await act("upgrade", {});
  if (next) open(next.id);
});
$("new-group").addEventListener("click", () => {
  $("group-form").reset();
  $("group-error").textContent = "";
  $("group").showModal();
});
$("group-form").querySelector("[data-cancel]").addEventListener("click", () => $("group").close());
$("group-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { title, kind } = $("group-form").elements;
  try {
    const chat = await api("telegram/group", { title: title.value, kind: kind.value });
    chats.set(chat.id, chat);
    open(chat.id);
    view("chat");
    $("group").close();
  } catch (error) {
    $("group-error").textContent = error.message;
  }
});
startViews();
$("calm").addEventListener("click", () => configure({ ...calm }, "Nothing fails any more."));
watchForm($("model"), async (change) => {
  if (change.times === 0) change.times = null;
  try {
    await api("telegram/model", change);
    $("model-result").textContent = "Changed.";
  } catch (error) {
    $("model-result").textContent = error.message;
  }
});
watchForm($("trouble"), (change) => configure(change, "Changed."));
startOnCall(from);
startTabs();
draw();
listen("api/telegram/events", handlers);
