/** Answers as mail programs make them: their quotes, headers, ids and charsets. */
import { type Language, WORDS } from "./languages.ts";
import type { MailFile, WrittenMail } from "./mime.ts";

export const CLIENTS = { gmail: "Gmail", outlook: "Outlook", apple: "Apple Mail", phone: "iPhone" } as const;
export type Client = keyof typeof CLIENTS;

/** A mail that is answered, as its reader has it. */
export interface Original {
  /** Of the mail's From. */
  from: { address: string; name?: string };
  /** Where answers go: Reply-To, or From. */
  answersTo: { address: string; name?: string };
  /** The reader. */
  to: { address: string; name?: string };
  subject: string;
  text: string;
  html?: string;
  /** In angle brackets. */
  messageId: string;
  references: readonly string[];
  at: Date;
}

/** What somebody answers, and with what. */
export interface Answer {
  client: Client;
  language: Language;
  text: string;
  attachments?: readonly MailFile[];
}

/** The answer as the program sends it. */
export function answerOf(original: Original, answer: Answer): WrittenMail {
  const { client, language } = answer;
  const { from, answersTo, to, messageId } = original;
  const words = WORDS[language];
  const who = { name: from.name ?? from.address, address: from.address };
  const reply = client === "outlook" ? words.outlook.reply : "Re: ";
  return {
    from: to,
    to: answersTo.address,
    ...(answersTo.name === undefined ? {} : { toName: answersTo.name }),
    subject: reply + bare(original.subject),
    inReplyTo: messageId,
    references: [...original.references, messageId],
    ...(answer.attachments === undefined ? {} : { attachments: answer.attachments }),
    ...PROGRAMS[client]({ original, who, answer, words }),
  };
}

/** A subject without what programs put before it when they answer. */
export function bare(subject: string): string {
  return subject.replace(/^(?:(?:re|aw|rv|sv|antw|回复|返信)\s?[:：]\s*)+/i, "");
}

interface Making {
  original: Original;
  who: { name: string; address: string };
  answer: Answer;
  words: (typeof WORDS)[Language];
}

type Made = Pick<WrittenMail, "text" | "html" | "messageId" | "headers" | "charset" | "boundary">;

const PROGRAMS: Record<Client, (making: Making) => Made> = { gmail, outlook, apple, phone };

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes)).toHex();
const quoted = (text: string) => text.trimEnd().split("\n").map((line) => `> ${line}`.trimEnd()).join("\n");

function gmail({ original, who, answer, words }: Making): Made {
  const line = words.gmail(original.at, who);
  return {
    messageId: `CA${base64url(37)}@mail.gmail.com`,
    boundary: `000000000000${random(8)}`,
    text: `${answer.text}\n\n${wrapped(line)}\n\n${quoted(original.text)}\n`,
    html: `<div dir="ltr">${paragraphs(answer.text, "div")}</div><br>` +
      `<div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">${
        linked(line, who.address)
      }<br></div>` +
      `<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">` +
      `${bodyOf(original)}</blockquote></div>\n`,
  };
}

function outlook({ original, who, answer, words }: Making): Made {
  const { from, sent, to, subject, date } = words.outlook;
  const reader = original.to;
  const block = [
    [from, `${who.name} <${who.address}>`],
    [sent, date(original.at)],
    [to, reader.name === undefined ? reader.address : `${reader.name} <${reader.address}>`],
    [subject, original.subject],
  ];
  const locale = answer.language;
  return {
    messageId: `${random(20).toUpperCase()}@DB9PR02MB7788.eurprd02.prod.outlook.com`,
    boundary: "_000_DB9PR02MB7788",
    charset: "windows-1252",
    headers: {
      "Thread-Topic": /^[\x20-\x7e]*$/.test(original.subject) ? bare(original.subject) : "mail",
      "Thread-Index": `AQH${base64url(27)}`,
      "Accept-Language": locale,
      "Content-Language": locale,
      "X-MS-Has-Attach": (answer.attachments?.length ?? 0) > 0 ? "yes" : "",
      "X-MS-Exchange-MessageSentRepresentingType": "1",
    },
    text: `${answer.text}\n\n${block.map((pair) => pair.join(" ")).join("\n")}\n\n${original.text}\n`,
    html: `<html xmlns:o="urn:schemas-microsoft-com:office:office"><head>` +
      `<meta name="Generator" content="Microsoft Word 15 (filtered medium)">` +
      `<style><!--p.MsoNormal{margin:0cm;font-size:11.0pt;font-family:"Aptos",sans-serif;}--></style></head>` +
      `<body lang="${locale}" link="#467886"><div class="WordSection1">${
        paragraphs(answer.text, 'p class="MsoNormal"')
      }<p class="MsoNormal"><o:p>&nbsp;</o:p></p>` +
      `<div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class="MsoNormal">${
        block.map(([label, value]) => `<b>${escaped(label)}</b> ${escaped(value)}`).join("<br>\n")
      }<o:p></o:p></p></div></div><p class="MsoNormal"><o:p>&nbsp;</o:p></p>${
        bodyOf(original)
      }</div></body></html>`,
  };
}

function apple({ original, who, answer, words }: Making): Made {
  const line = words.apple(original.at, who);
  return {
    messageId: `${crypto.randomUUID().toUpperCase()}@${original.to.address.split("@")[1]}`,
    boundary: "Apple-Mail=_",
    headers: {
      "MIME-Version": "1.0 (Mac OS X Mail 16.0 \\(3864.200.81\\))",
      "X-Mailer": "Apple Mail (2.3864.200.81)",
    },
    text: `${answer.text}\n\n${quoted(`${line}\n\n${original.text}`)}\n`,
    html:
      `<html><head><meta http-equiv="content-type" content="text/html; charset=utf-8"></head><body style="overflow-wrap: break-word; -webkit-nbsp-mode: space; line-break: after-white-space;">` +
      `${
        paragraphs(answer.text, "div")
      }<br id="lineBreakAtBeginningOfMessage"><div><br><blockquote type="cite"><div>${
        escaped(line)
      }</div><br class="Apple-interchange-newline"><div>${
        bodyOf(original)
      }</div></blockquote></div><br></body></html>`,
  };
}

function phone({ original, who, answer, words }: Making): Made {
  const line = words.apple(original.at, who);
  return {
    messageId: `${crypto.randomUUID().toUpperCase()}@${original.to.address.split("@")[1]}`,
    boundary: "Apple-Mail-",
    headers: { "MIME-Version": "1.0 (1.0)", "X-Mailer": "iPhone Mail (23B85)" },
    text: `${answer.text}\n\n${words.device}\n\n${quoted(`${line}\n\n\ufeff${original.text}`)}\n`,
    html:
      `<html><head><meta http-equiv="content-type" content="text/html; charset=utf-8"></head><body dir="auto">${
        paragraphs(answer.text, "div")
      }<br id="lineBreakAtBeginningOfSignature"><div dir="ltr">${
        escaped(words.device)
      }</div><div dir="ltr"><br><blockquote type="cite">${
        escaped(line)
      }<br><br></blockquote></div><blockquote type="cite"><div dir="ltr">\ufeff${
        bodyOf(original)
      }</div></blockquote></body></html>`,
  };
}

const base64url = (bytes: number) =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(bytes))))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

export const escaped = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** A line, its address a link, as Gmail makes it. */
const linked = (line: string, address: string) =>
  escaped(line).replace(escaped(address), () => `<a href="mailto:${address}">${address}</a>`);

/** Lines as elements; an empty one keeps its height. */
function paragraphs(text: string, element: string): string {
  const [name] = element.split(" ");
  return text.split("\n").map((line) => `<${element}>${line === "" ? "<br>" : escaped(line)}</${name}>`).join(
    "",
  );
}

/** What is between the mail's body tags, or its text. */
function bodyOf({ html, text }: Original): string {
  if (html === undefined) return paragraphs(text, "div");
  return /<body[^>]*>([\s\S]*?)<\/body>/i.exec(html)?.[1] ?? html;
}

/** A line over several, of at most 76 characters, broken at blanks. */
function wrapped(line: string): string {
  const lines: string[] = [];
  for (const word of line.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= 76) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines.join("\n");
}
