/** The page of inboxes: keeps the state from the simulator, and turns clicks into what people do with mails. */
import { $, api, clock, complain, h, renew } from "./dom.js";
import { listen } from "./stream.js";
import { reader } from "./mail_reader.js";
import { showCall, showCrowd, showPost, showSendGrid, showSettings, startSendGrid } from "./mail_panel.js";

const inboxes = new Map();
const sent = new Map();
const written = new Map();
const unread = new Map();
let words = {};
let current = localStorage.getItem("inbox");
/** The mail in the reader: its key in {@link itemsOf}. */
let opened = null;

// ---- what the simulator tells ----

const handlers = {
  state(state) {
    words = state;
    for (const kept of [inboxes, sent, written]) kept.clear();
    for (const inbox of state.inboxes) inboxes.set(inbox.address, inbox);
    for (const mail of state.sent) addSent(mail);
    for (const record of state.written) addWritten(record);
    showSendGrid(state);
    open(inboxes.has(current) ? current : inboxes.keys().next().value);
  },
  sent({ mail }) {
    addSent(mail);
    for (const { email } of [...mail.to, ...mail.cc]) {
      const address = email.toLowerCase();
      if (address !== current || opened) unread.set(address, (unread.get(address) ?? new Set()).add(mail.id));
    }
    draw();
  },
  written({ record }) {
    addWritten(record);
    draw();
    if (opened && (opened === record.about || opened === record.id)) drawReader();
  },
  post: ({ post }) => showPost(post),
  call: ({ call }) => showCall(call),
  crowd: showCrowd,
  settings: ({ settings }) => showSettings(settings),
};

function addSent(mail) {
  sent.set(mail.id, mail);
  for (const { email, name } of [...mail.to, ...mail.cc]) addInbox(email.toLowerCase(), name);
}

function addWritten(record) {
  written.set(record.id, record);
  const { address, name } = record.mail.from;
  // A bounce has no inbox, and a list's post came from somebody else's program.
  if (!/^mailer-daemon@/.test(address)) addInbox(address, name);
}

function addInbox(address, name) {
  const known = inboxes.get(address);
  if (!known) inboxes.set(address, { address, name });
  else if (!known.name && name) known.name = name;
}

// ---- inboxes and their mails ----

/** What is in an inbox, newest first: mails that came, and mails that its owner wrote. */
function itemsOf(address) {
  const came = [...sent.values()].filter((mail) =>
    [...mail.to, ...mail.cc].some(({ email }) => email.toLowerCase() === address) &&
    ["delivered", "deferred"].includes(mail.fate)
  );
  const went = [...written.values()].filter(({ mail }) => mail.from.address === address);
  return [
    ...came.map((mail) => ({ key: mail.id, at: mail.at, mail })),
    ...went.map((record) => ({ key: record.id, at: record.at, record })),
  ].sort((a, b) => b.at - a.at);
}

function open(address) {
  current = address ?? null;
  if (current) localStorage.setItem("inbox", current);
  close();
}

function close() {
  const focus = opened;
  opened = null;
  $("reader").hidden = true;
  $("reader").replaceChildren();
  $("list-pane").hidden = false;
  draw();
  if (focus) $("mails").querySelector(`button[data-key="${focus}"]`)?.focus();
}

function draw() {
  drawInboxes();
  drawMails();
}

function drawInboxes() {
  const rows = [...inboxes.values()].map((inbox) => ({ inbox, items: itemsOf(inbox.address) }));
  rows.sort((a, b) => (b.items[0]?.at ?? 0) - (a.items[0]?.at ?? 0));
  renew(
    $("people"),
    rows.map(({ inbox: { address, name }, items }) => {
      const waiting = unread.get(address)?.size;
      return h(
        "li",
        { "data-key": address },
        h(
          "button",
          {
            type: "button",
            "data-key": address,
            "aria-current": address === current && "true",
            onclick: () => (open(address), view("chat")),
          },
          h(
            "span",
            { class: `avatar tone-${[...inboxes.keys()].indexOf(address) % 6}`, "aria-hidden": "true" },
            (name || address).slice(0, 1).toUpperCase(),
          ),
          h(
            "span",
            { class: "who" },
            h("strong", {}, name || address),
            h("span", { class: "quiet" }, name ? address : `${items.length} mails`),
          ),
          h(
            "span",
            { class: "side" },
            items[0] && h("time", { class: "quiet" }, clock(items[0].at)),
            waiting > 0 && h("span", { class: "count", "aria-label": `${waiting} unread` }, waiting),
          ),
        ),
      );
    }),
  );
  const all = [...unread.values()].reduce((sum, { size }) => sum + size, 0);
  $("unread").hidden = all === 0;
  $("unread").textContent = String(all);
}

function drawMails() {
  const inbox = inboxes.get(current);
  $("owner").textContent = inbox ? `${inbox.name || inbox.address}’s inbox` : "No inbox selected";
  $("address").textContent = inbox?.name ? inbox.address : "";
  $("write").hidden = !inbox;
  const items = inbox ? itemsOf(current) : [];
  $("no-mails").hidden = items.length > 0;
  renew(
    $("mails"),
    items.map(({ key, at, mail, record }) => {
      const { subject, text } = mail ?? record.mail;
      const other = mail ? mail.from.name || mail.from.email : `To ${record.mail.to}`;
      return h(
        "li",
        { class: unread.get(current)?.has(key) ? "unread" : null, "data-key": key },
        h(
          "button",
          { type: "button", "data-key": key, onclick: () => read(key) },
          h("span", { class: `badge ${mail ? "" : TONES[record.state]}` }, mail ? "in" : "out"),
          h("span", { class: "line subject" }, subject || "(no subject)"),
          h("time", { class: "quiet" }, clock(at)),
          h("span", { class: "line quiet" }, `${other} · ${(text ?? "").slice(0, 200)}`),
        ),
      );
    }),
  );
}

const TONES = { waiting: "warn", accepted: "good", lost: "bad" };

function read(key) {
  opened = key;
  unread.get(current)?.delete(key);
  $("list-pane").hidden = true;
  $("reader").hidden = false;
  drawReader(true);
  draw();
}

/** @param isNew Whether the mail was just opened; otherwise what is being written stays. */
function drawReader(isNew = false) {
  const about = [...written.values()].filter((record) => record.about === opened);
  const shown = { mail: sent.get(opened), record: written.get(opened), about, words, inbox: current };
  reader($("reader"), shown, { close, call }, isNew);
}

async function call(path, body) {
  try {
    return await api(`mail/${path}`, body);
  } catch (error) {
    complain(error);
  }
}

// ---- dialogs and views ----

/** Opens a dialog with an empty form; `save` gets its values, and a refusal is shown in it. */
function ask(id, values, save) {
  const dialog = $(id);
  const form = $(`${id}-form`);
  form.reset();
  for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
  $(`${id}-error`).textContent = "";
  form.onsubmit = async (event) => {
    event.preventDefault();
    try {
      await save(Object.fromEntries(new FormData(form)));
      dialog.close();
    } catch (error) {
      $(`${id}-error`).textContent = error.message;
    }
  };
  form.querySelector("[data-cancel]").onclick = () => dialog.close();
  dialog.showModal();
}

function view(name) {
  document.body.dataset.view = name;
  for (const button of document.querySelectorAll(".views button")) {
    if (button.dataset.view === name) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

$("new-inbox").addEventListener("click", () =>
  ask("inbox", {}, async ({ address, name }) => {
    const inbox = await api("mail/inbox", { address, name });
    addInbox(inbox.address, inbox.name);
    open(inbox.address);
    view("chat");
  }));
$("write").addEventListener("click", () => {
  const from = inboxes.get(current);
  ask(
    "letter",
    {},
    ({ to, subject, text }) =>
      api("mail/write", { from: from.address, ...(from.name && { name: from.name }), to, subject, text }),
  );
});
for (const button of document.querySelectorAll(".views button")) {
  button.addEventListener("click", () => view(button.dataset.view));
}
startSendGrid();
draw();
listen("api/mail/events", handlers);
