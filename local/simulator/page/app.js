/** The page: keeps the state from the simulator, and turns clicks into people's actions. */
import { showAccount, showAccounts } from "./account_panel.js";
import { Conversation } from "./bubbles.js";
import { ICONS, snippetOf } from "./content.js";
import { askChoice, askLink, askPerson } from "./dialogs.js";
import { $, api, clock, complain, dayAndTime, h, icon, openBeside, renew } from "./dom.js";
import { listen } from "./stream.js";
import { showCall, showMeta, showPost, showSettings, startMeta } from "./meta_panel.js";

const EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
const PLACES = {
  latitude: -1.9536,
  longitude: 30.0926,
  name: "Kigali Convention Centre",
  address: "KG 2 Roundabout, Kigali",
};
const CARD = [{
  name: { formatted_name: "Grace Uwase", first_name: "Grace", last_name: "Uwase" },
  phones: [{ phone: "+1 202-555-0143", type: "CELL" }],
}];
const AD = {
  source_url: "https://fb.me/example-ad",
  source_id: "120200000000000001",
  source_type: "ad",
  headline: "Fresh bread, brought to your door",
  body: "Order on WhatsApp",
  media_type: "image",
  image_url: "https://example.com/ad.jpg",
};

const WINDOW_MS = 24 * 3_600_000;
const contacts = new Map();
const messages = new Map();
const unread = new Map();
const typing = new Map();
let samples = [];
/** Ids of the files that the simulator has. */
let files = new Set();
let current = localStorage.getItem("person");
let hasPanel = false;
let isWindowEnforced = true;
/** Redraws the window when it closes. */
let closing;
let replyTo = null;

const conversation = new Conversation({ log: $("log"), list: $("messages"), empty: $("empty") }, {
  media: (id) => files.has(id) ? new URL(`media/${id}`, location.href).href : undefined,
  tap: (reply, to) =>
    send({
      ...(reply === "location" ? { type: "location", location: PLACES } : reply),
      context: { id: to.wamid },
    }),
  choose: async (message) => {
    const reply = await askChoice(message.message.interactive);
    if (reply) send({ ...reply, context: { id: message.wamid } });
  },
  menu: openBubbleMenu,
  author: ({ author }) => contacts.get(author)?.name,
});

// ---- what the simulator tells ----

const handlers = {
  media({ id }) {
    files.add(id);
  },
  state(state) {
    samples = state.samples;
    hasPanel = state.hasPanel;
    isWindowEnforced = state.settings.enforceWindow;
    drawNumbers(state.accounts);
    showAccounts(state.accounts);
    files = new Set(state.media);
    contacts.clear();
    messages.clear();
    for (const contact of state.contacts) contacts.set(contact.id, contact);
    for (const message of state.messages) messages.set(message.wamid, message);
    showMeta(state);
    open(contacts.has(current) ? current : state.contacts[0]?.id);
  },
  contact({ contact }) {
    contacts.set(contact.id, contact);
    if (!current) open(contact.id);
    else drawPeople();
    if (contact.id === current) drawOwner();
  },
  message({ message }) {
    const isNew = !messages.has(message.wamid);
    messages.set(message.wamid, message);
    if (message.from === "business") stopTyping(message.contact);
    if (isShown(message)) {
      conversation.put(message);
      if (message.from === "business" && message.progress === "delivered") look();
    } else if (isNew && message.from === "business") {
      unread.set(message.contact, (unread.get(message.contact) ?? 0) + 1);
    }
    drawPeople();
    drawWindow();
  },
  post: ({ post }) => showPost(post),
  call: ({ call }) => showCall(call),
  settings({ settings }) {
    showSettings(settings);
    isWindowEnforced = settings.enforceWindow;
    drawWindow();
  },
  account: ({ account }) => showAccount(account),
  typing({ contact, until }) {
    clearTimeout(typing.get(contact));
    typing.set(contact, setTimeout(() => stopTyping(contact), until - Date.now()));
    if (contact === current) conversation.typing(true);
  },
};

function stopTyping(contact) {
  clearTimeout(typing.get(contact));
  typing.delete(contact);
  if (contact === current) conversation.typing(false);
}

/** The chat is visible: the business's messages count as read, unless the page is in the background. */
function look() {
  if (current && document.visibilityState === "visible") api("read", { contact: current }).catch(complain);
}

// ---- people ----

function open(id) {
  current = id ?? null;
  if (current) localStorage.setItem("person", current);
  unread.delete(current);
  quote(null);
  drawOwner();
  drawConversation();
  conversation.typing(typing.has(current));
  drawPeople();
  look();
}

/** The business's numbers; with several, a person chooses to which they write. */
function drawNumbers(accounts) {
  const chosen = localStorage.getItem("number");
  $("number").replaceChildren(
    ...accounts.map(({ phoneNumberId, displayNumber, name }) =>
      h(
        "option",
        { value: phoneNumberId, selected: phoneNumberId === chosen && "selected" },
        `${name}, +${displayNumber}`,
      )
    ),
  );
  $("number-label").hidden = accounts.length < 2;
  const show = () => {
    const account = accounts.find(({ phoneNumberId }) => phoneNumberId === $("number").value) ?? accounts[0];
    $("business").textContent = `+${account.displayNumber}`;
    localStorage.setItem("number", account.phoneNumberId);
    drawConversation();
    drawWindow();
  };
  $("number").onchange = show;
  show();
}

/** Messages between a person and the chosen number: each number is a chat of its own. */
function isShown({ contact, number }) {
  return contact === current && (number ?? $("number").options[0]?.value) === $("number").value;
}

function drawConversation() {
  conversation.show([...messages.values()].filter(isShown));
}

function identity({ phone, username, members }) {
  if (members) return `group of ${members.map((id) => contacts.get(id)?.name ?? id).join(", ")}`;
  return [phone ? `+${phone}` : "number hidden", username && `@${username}`].filter(Boolean).join(" · ");
}

function drawOwner() {
  const contact = contacts.get(current);
  $("owner").textContent = contact
    ? contact.members ? contact.name : `${contact.name}’s phone`
    : "No person selected";
  $("identity").textContent = contact ? identity(contact) : "Create a person to begin";
  $("edit-person").hidden = !contact || contact.group !== undefined;
  $("open-scan").hidden = !contact || contact.group !== undefined;
  $("new-group").hidden = !contact || contact.group !== undefined;
  $("pass").hidden = !contact;
  drawWindow();
  $("author-label").hidden = contact?.members === undefined;
  $("author").replaceChildren(
    ...(contact?.members ?? []).map((id) => h("option", { value: id }, contacts.get(id)?.name ?? id)),
  );
  for (const element of $("composer").elements) element.disabled = !contact;
}

/** Until when the business may write freely: Meta's window, which each message of this person opens for 24 hours. */
function drawWindow() {
  const contact = contacts.get(current);
  const number = $("number").value;
  if (contact) $("open-panel").href = `panel?${new URLSearchParams({ contact: contact.id, number })}`;
  const said = [...messages.values()].filter(isShown);
  const last = said.findLast(({ from, message }) => from === "user" && message.type !== "system");
  $("pass").disabled = said.length === 0;
  $("open-panel").hidden = !hasPanel || said.length === 0;
  const closes = last && last.at + WINDOW_MS;
  const words = !contact
    ? ""
    : !isWindowEnforced
    ? "24-hour window not enforced"
    : !last
    ? "Not written yet: the business may send templates only"
    : closes > Date.now()
    ? `24-hour window open until ${dayAndTime(closes)}`
    : `24-hour window closed since ${dayAndTime(closes)}: templates only`;
  if ($("window").textContent !== words) $("window").textContent = words;
  clearTimeout(closing);
  if (closes > Date.now()) closing = setTimeout(drawWindow, closes - Date.now() + 1);
}

/** Makes this conversation a day older, at Meta and in the business's database. */
async function letTimePass() {
  $("pass").disabled = true;
  try {
    await api("pass", { contact: current, number: $("number").value });
  } catch (error) {
    complain(error);
  }
  drawWindow();
}

function drawPeople() {
  const last = new Map();
  for (const message of messages.values()) last.set(message.contact, message);
  const newest = (id) => last.get(id)?.at ?? 0;
  const order = [...contacts.values()].sort((a, b) => newest(b.id) - newest(a.id));
  renew(
    $("people"),
    order.map((contact) => {
      const message = last.get(contact.id);
      const waiting = unread.get(contact.id);
      return h(
        "li",
        { "data-key": contact.id },
        h(
          "button",
          {
            type: "button",
            "data-key": contact.id,
            "aria-current": contact.id === current && "true",
            onclick: () => (open(contact.id), view("chat")),
          },
          h(
            "span",
            { class: `avatar tone-${[...contacts.keys()].indexOf(contact.id) % 6}`, "aria-hidden": "true" },
            initials(contact.name),
          ),
          h(
            "span",
            { class: "who" },
            h("strong", {}, contact.name),
            h("span", { class: "quiet" }, message ? snippetOf(message.message) : identity(contact)),
          ),
          h(
            "span",
            { class: "side" },
            message && h("time", { class: "quiet" }, clock(message.at)),
            waiting && h("span", { class: "count", "aria-label": `${waiting} unread` }, waiting),
          ),
        ),
      );
    }),
  );
  const all = [...unread.values()].reduce((sum, count) => sum + count, 0);
  $("unread").hidden = all === 0;
  $("unread").textContent = String(all);
}

function initials(name) {
  const letters = name.replace(/^\+/, "").split(/\s+/).map((word) => [...word][0]);
  return (letters.length > 1 ? letters[0] + letters.at(-1) : letters[0] ?? "?").toUpperCase();
}

async function editPerson(contact) {
  const saved = await askPerson(contact);
  if (!saved) return;
  contacts.set(saved.id, saved);
  open(saved.id);
  view("chat");
  $("text").focus();
}

// ---- what people do ----

/** Opens a link as a phone would: the chat appears with the text, ready to send. */
async function scanLink() {
  const text = await askLink();
  if (text === undefined) return;
  view("chat");
  $("text").value = text;
  grow();
  $("text").focus();
}

async function send(message) {
  try {
    const author = contacts.get(current)?.members && $("author").value;
    await api("send", { contact: current, message, number: $("number").value, ...(author && { author }) });
  } catch (error) {
    complain(error);
  }
}

async function sendText() {
  const body = $("text").value.trim();
  if (!body || !current) return;
  const context = replyTo && { context: { id: replyTo.wamid } };
  $("text").value = "";
  grow();
  quote(null);
  await send({ type: "text", text: { body }, ...context });
}

/** Somebody at the business writes what is typed, in the WhatsApp Business app: its webhook gets the echo. */
async function answerInApp() {
  const text = $("text").value.trim() || "Hello, this is a person. How can I help?";
  $("text").value = "";
  grow();
  try {
    await api("answer", { contact: current, text });
  } catch (error) {
    complain(error);
  }
}

function quote(message) {
  replyTo = message;
  $("quote").hidden = !message;
  $("quote-text").textContent = message ? snippetOf(message.message) : "";
  if (message) $("text").focus();
}

const attachments = {
  photo: () => media("image", "image/jpeg"),
  document: () => media("document", "application/pdf"),
  sticker: () => media("sticker", "image/webp"),
  voice: () => media("audio", "audio/ogg", { voice: true }),
  video: () => media("video", "video/mp4"),
  location: () => ({ type: "location", location: PLACES }),
  contact: () => ({ type: "contacts", contacts: CARD }),
  ad: () => ({
    type: "text",
    text: { body: "Hello! I saw your ad. Can I get more info?" },
    referral: { ...AD, ctwa_clid: `ARA${crypto.randomUUID().replaceAll("-", "")}` },
  }),
};

/** How WhatsApp sends a file of a type. */
function typeOf(mimeType) {
  if (mimeType === "image/webp") return "sticker";
  const [kind] = mimeType.split("/");
  return ["image/jpeg", "image/png"].includes(mimeType) || kind === "audio" || kind === "video"
    ? kind
    : "document";
}

/** Sends files in their order: several pictures arrive as WhatsApp's albums do, one message each. */
async function sendFiles(files) {
  for (const file of files) {
    try {
      await sendFile(file, file.type || "application/octet-stream", file.name);
    } catch (error) {
      complain(error);
    }
  }
}

async function sendFile(body, mimeType, name) {
  const response = await fetch(`api/media?${new URLSearchParams({ type: mimeType, name })}`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body,
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  const type = typeOf(mimeType);
  await send({ type, [type]: { id: answer.id, ...(type === "document" && { filename: name }) } });
}

function media(type, mimeType, more = {}) {
  const { id, filename } = samples.find((sample) => sample.mimeType === mimeType);
  return { type, [type]: { id, ...(type === "document" && { filename }), ...more } };
}

function openBubbleMenu(message, button) {
  const menu = $("bubble-menu");
  const react = (emoji) => {
    menu.hidePopover();
    send({ type: "reaction", reaction: { message_id: message.wamid, emoji } });
  };
  menu.replaceChildren(
    ...EMOJI.map((emoji) =>
      h("button", {
        type: "button",
        class: "emoji",
        "aria-label": `React ${emoji}`,
        onclick: () => react(emoji),
      }, emoji)
    ),
    h("button", {
      type: "button",
      class: "icon",
      "aria-label": "Remove the reaction",
      title: "Remove the reaction",
      onclick: () => react(""),
    }, icon("m7 7 10 10M17 7 7 17", 20)),
    h("button", {
      type: "button",
      class: "icon",
      "aria-label": "Reply",
      title: "Reply",
      onclick: () => (menu.hidePopover(), quote(message)),
    }, icon("M9 7 4 12l5 5M4 12h10a6 6 0 0 1 6 6v1", 20)),
  );
  openBeside(menu, button);
}

/** Grows with its lines, up to five. */
function grow() {
  $("text").style.height = "auto";
  $("text").style.height = `${Math.min($("text").scrollHeight, 120)}px`;
}

function view(name) {
  document.body.dataset.view = name;
  for (const button of document.querySelectorAll(".views button")) {
    if (button.dataset.view === name) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  if (name === "chat") $("log").scrollTop = $("log").scrollHeight;
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  sendText();
});
$("text").addEventListener("input", grow);
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  sendText();
});
$("quote-drop").addEventListener("click", () => quote(null));
$("new-person").addEventListener("click", () => editPerson());
$("new-group").addEventListener("click", async () => {
  const people = [...contacts.values()].filter(({ group }) => group === undefined);
  const first = contacts.get(current);
  // The person whose phone it is, and those who come first in the list.
  const members = [first, ...people.filter((one) => one !== first)].slice(0, 3).map(({ id }) => id);
  try {
    const made = await api("groups", { name: `${first.name}’s group`, members });
    contacts.set(made.id, made);
    open(made.id);
  } catch (error) {
    complain(error);
  }
});
$("edit-person").addEventListener("click", () => editPerson(contacts.get(current)));
$("open-scan").addEventListener("click", scanLink);
$("pass").addEventListener("click", letTimePass);
$("attach").addEventListener("click", () => openBeside($("attach-menu"), $("attach")));
$("attach-menu").addEventListener(
  "toggle",
  ({ newState }) => $("attach").setAttribute("aria-expanded", String(newState === "open")),
);
$("files").addEventListener("change", async ({ target }) => {
  await sendFiles([...target.files]);
  target.value = "";
});
$("attach-menu").addEventListener("click", ({ target }) => {
  const what = target.closest("[data-attach]")?.dataset.attach;
  if (what === "files") {
    $("attach-menu").hidePopover();
    $("files").click();
    return;
  }
  if (what === "app") {
    $("attach-menu").hidePopover();
    answerInApp();
    return;
  }
  const make = attachments[what];
  if (!make) return;
  $("attach-menu").hidePopover();
  send(make());
});
for (
  const [what, path] of Object.entries({
    ...ICONS,
    photo: ICONS.image,
    contact: ICONS.person,
    voice: ICONS.audio,
    files: ICONS.document,
  })
) {
  $("attach-menu").querySelector(`[data-attach=${what}]`)?.prepend(icon(path, 20));
}
for (const button of document.querySelectorAll(".views button")) {
  button.addEventListener("click", () => view(button.dataset.view));
}
document.addEventListener("visibilitychange", look);
startMeta();
drawOwner();
listen("api/events", handlers);
