/** A mail as its reader sees it, and what the reader, a program or a server can do with it. */
import { clock, h } from "./dom.js";

/** What a person chose last, for the next mail. */
const chosen = { client: "gmail", language: "en" };

/**
 * Shows a mail.
 * @param shown `{mail}` that came or `{record}` that was written, the records `about` it, and the page's `words`.
 * @param act `close()`, and `call(path, body)` to the simulator.
 * @param isNew Whether another mail is shown than before.
 */
export function reader(pane, shown, act, isNew) {
  const { mail, record } = shown;
  if (!mail && !record) return act.close();
  const replies = h("div", { id: "replies" }, replyList(shown.about));
  if (!isNew && mail) return pane.querySelector("#replies").replaceWith(replies);
  const back = h("button", { type: "button", class: "small", onclick: act.close }, "Back to the inbox");
  if (record) return pane.replaceChildren(back, ...writtenMail(record));
  pane.replaceChildren(back, ...receivedMail(mail), replies, answerForm(shown, act), otherForm(shown, act));
  back.focus();
}

function receivedMail(mail) {
  const { from, to, cc, replyTo } = mail;
  return [
    h("h3", {}, mail.subject || "(no subject)"),
    list([
      ["From", person(from)],
      ["To", [...to, ...cc].map(person).join(", ")],
      ["Answers to", person(replyTo ?? from)],
      ["Date", new Date(mail.at).toLocaleString()],
    ]),
    mail.hasHtml
      ? h("iframe", { src: `api/mail/${mail.id}/html`, title: "The mail", sandbox: "allow-popups" })
      : h("pre", { tabindex: "0", "aria-label": "The mail" }, mail.text ?? ""),
    mail.attachments.length > 0 && h(
      "p",
      { class: "files" },
      mail.attachments.map(({ filename, bytes }, index) =>
        h(
          "a",
          { class: "button small", href: `api/mail/${mail.id}/files/${index}`, download: filename },
          `${filename} (${size(bytes)})`,
        )
      ),
    ),
    h(
      "details",
      {},
      h("summary", {}, "Headers and text"),
      h(
        "pre",
        { tabindex: "0", "aria-label": "Headers" },
        Object.entries(mail.headers).map(([name, value]) => `${name}: ${value}`).join("\n"),
      ),
      mail.hasHtml && h("pre", { tabindex: "0", "aria-label": "Text part" }, mail.text ?? "(none)"),
    ),
  ].filter(Boolean);
}

function writtenMail({ mail, how, state, at }) {
  return [
    h("h3", {}, mail.subject || "(no subject)"),
    list([
      ["From", mail.from.name ? `${mail.from.name} <${mail.from.address}>` : mail.from.address],
      ["To", mail.to],
      ["Date", new Date(at).toLocaleString()],
      ["Created by", how],
      ["At SendGrid", STATES[state]],
    ]),
    h("pre", { tabindex: "0", "aria-label": "The mail" }, mail.text ?? ""),
    mail.files.length > 0 && h("p", { class: "files" }, mail.files.join(", ")),
  ].filter(Boolean);
}

const STATES = {
  waiting: "waits for the webhook",
  accepted: "taken by the webhook",
  lost: "refused by the webhook, and lost",
};

function replyList(about) {
  if (about.length === 0) return [];
  return h(
    "ol",
    { class: "rows", "aria-label": "Replies" },
    about.map(({ how, state, at, mail }) =>
      h(
        "li",
        { class: "row" },
        h("span", { class: `badge ${{ waiting: "warn", accepted: "good", lost: "bad" }[state]}` }, state),
        h("span", { class: "main" }, how, h("span", { class: "quiet block" }, mail.subject)),
        h("time", { class: "quiet" }, clock(at, true)),
      )
    ),
  );
}

function answerForm({ mail, words, inbox }, { call }) {
  const sampleOf = (code) => words.languages.find((one) => one.code === code).sample;
  const text = h("textarea", { name: "text", rows: "4", "aria-label": "Answer", required: true });
  text.value = sampleOf(chosen.language);
  const language = select(
    "language",
    words.languages.map(({ code, label }) => [code, label]),
    chosen.language,
  );
  language.addEventListener("change", () => {
    if (words.languages.some(({ sample }) => sample === text.value)) text.value = sampleOf(language.value);
    chosen.language = language.value;
  });
  const client = select("client", Object.entries(words.clients), chosen.client);
  client.addEventListener("change", () => chosen.client = client.value);
  const files = words.samples.filter(({ filename }) => !/\.webp$/.test(filename));
  return h(
    "form",
    {
      class: "does",
      onsubmit: async (event) => {
        event.preventDefault();
        const data = new FormData(event.target);
        await call("answer", {
          ...{ inbox, mail: mail.id, client: client.value, language: language.value },
          ...{ text: text.value, files: data.getAll("files") },
        });
      },
    },
    h("h4", {}, "Answer"),
    text,
    h(
      "div",
      { class: "choices" },
      labelled("As", client),
      labelled("Language", language),
      files.map(({ id, filename }) =>
        h(
          "label",
          { class: "check" },
          h("input", { type: "checkbox", name: "files", value: id }),
          h("span", {}, filename),
        )
      ),
      h("button", { type: "submit", class: "primary" }, "Send answer"),
    ),
  );
}

function otherForm({ mail, words, inbox }, { call }) {
  const reaction = select("reaction", Object.entries(words.reactions), "away");
  const event = select("event", words.reports.map((one) => [one, one]), "bounce");
  const visitor = select("visitor", Object.entries(words.visitors), "gmail");
  const said = h("p", { class: "quiet", role: "status" });
  const act = (path, body, words, meanwhile = "") => async () => {
    said.textContent = meanwhile;
    const answer = await call(path, body());
    said.textContent = answer ? words(answer) : "";
  };
  return h(
    "div",
    { class: "does" },
    h("h4", {}, "Or this comes back"),
    h(
      "div",
      { class: "choices" },
      labelled("Mail", reaction),
      h("button", {
        type: "button",
        onclick: act("react", () => ({
          ...{ inbox, mail: mail.id, reaction: reaction.value, language: chosen.language },
        }), () => `${words.reactions[reaction.value]}: posted.`),
      }, "Send it"),
      labelled("SendGrid reports", event),
      h("button", {
        type: "button",
        onclick: act(
          "report",
          () => ({ mail: mail.id, event: event.value }),
          () => `${event.value}: reported.`,
        ),
      }, "Report it"),
      mail.hasHtml && labelled("Tracked", visitor),
      mail.hasHtml && h("button", {
        type: "button",
        onclick: act(
          "visit",
          () => ({ mail: mail.id, visitor: visitor.value }),
          ({ statuses }) => `${words.visitors[visitor.value]}: ${statuses.join(", ")}.`,
          "Whoever clicks within ten seconds of the delivery is taken for a machine: people wait.",
        ),
      }, "Look"),
      mail.headers["List-Unsubscribe"] && h("button", {
        type: "button",
        onclick: act(
          "unsubscribe",
          () => ({ inbox, mail: mail.id }),
          ({ status }) => status ? `Unsubscribed by one click: ${status}.` : "A mail asks for no more mail.",
        ),
      }, "Unsubscribe"),
    ),
    said,
  );
}

function select(name, options, value) {
  const element = h(
    "select",
    { name },
    options.map(([code, label]) => h("option", { value: code }, label)),
  );
  element.value = value;
  return element;
}

const labelled = (label, element) => h("label", {}, h("span", {}, label), element);
const person = ({ email, name }) => (name ? `${name} <${email}>` : email);
const list = (pairs) => h("dl", {}, pairs.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
const size = (bytes) =>
  bytes < 1024
    ? `${bytes} B`
    : bytes < 1 << 20
    ? `${Math.round(bytes / 1024)} KB`
    : `${(bytes / (1 << 20)).toFixed(1)} MB`;
