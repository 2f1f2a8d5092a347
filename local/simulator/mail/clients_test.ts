/** Answers and reactions, read and judged by the code that is deployed. */
import { assert, assertEquals } from "../../../tests/support/assert.ts";
import { judged, MESSAGES, postOf } from "../../../tests/support/mails.ts";
import { cutReply } from "../../../supabase/functions/_shared/mail/reply_text.ts";
import { readMail } from "../../../supabase/functions/_shared/mail/mime.ts";
import { answerOf, bare, type Client, CLIENTS, type Original } from "./clients.ts";
import { LANGUAGES, WORDS } from "./languages.ts";
import { mimeOf, quotedPrintable } from "./mime.ts";
import { type Reaction, REACTIONS, reactionTo } from "./reactions.ts";

const AT = new Date("2026-11-28T15:04:00Z");
const READER = { address: "mara@fern.example", name: "Mara Färn" };
const ORIGINAL: Original = {
  from: { address: "iris@bloom.example", name: "Iris Vale" },
  answersTo: { address: `${MESSAGES.sent.token}@in.bloom.example`, name: "Iris Vale" },
  to: READER,
  subject: "Your seeds",
  text: "Hello Mara,\n\nyour seeds are here. Could you come on Saturday?\n\nBest,\nIris",
  html:
    "<p>Hello Mara,</p><p>your seeds are <b>here</b>. Could you come on Saturday?</p><p>Best,<br>Iris</p>",
  messageId: `<${MESSAGES.sent.id}@bloom.example>`,
  references: ["<first@bloom.example>"],
  at: AT,
};

for (const client of Object.keys(CLIENTS) as Client[]) {
  for (const language of LANGUAGES) {
    Deno.test(`answerOf: ${client} in ${language} is a person's answer, of which only the new words are shown`, async () => {
      for (const original of [ORIGINAL, { ...ORIGINAL, html: undefined }]) {
        const text = WORDS[language].sample;
        const written = answerOf(original, { client, language, text });
        const { mail, facts, judgement } = await judged(mimeOf(written, AT));
        assertEquals([judgement.kind, judgement.verdict, judgement.via], ["reply", "forward", "token"]);
        assertEquals(facts.text, text);
        assertEquals([mail.from.address, mail.from.name], [READER.address, READER.name]);
        assertEquals(mail.references, ["first@bloom.example", `${MESSAGES.sent.id}@bloom.example`]);
        assert(facts.text_full.includes("your seeds are here"), "the original is quoted");
        // Whoever reads only text sees no more.
        const { text: plain } = await cutReply({ text: readMail(mimeOf(written, AT)).text, html: null });
        assertEquals(plain, text);
      }
    });
  }
}

const WANTED: Record<Reaction, [kind: string, verdict: string]> = {
  away: ["auto_reply", "store"],
  bounce_hard: ["bounce", "suppress"],
  bounce_soft: ["bounce", "store"],
  bounce_delayed: ["delay", "store"],
  list: ["bulk", "store"],
  forger: ["spoof", "quarantine"],
  receipt: ["receipt", "store"],
  big: ["reply", "forward"],
};

for (const reaction of Object.keys(REACTIONS) as Reaction[]) {
  Deno.test(`reactionTo: ${REACTIONS[reaction]} is judged as one`, async () => {
    const { mail, way = {} } = reactionTo(ORIGINAL, reaction, "de");
    const dkim = way.dkim === undefined ? mail.from.address.split("@")[1] : way.dkim;
    const post = postOf({
      envelope: {
        to: [...way.recipients ?? [mail.to]],
        from: way.sender ?? mail.from.address,
      },
      spf: way.spf ?? "pass",
      dkim: dkim === null ? {} : { [dkim]: "pass" },
    });
    const raw = mimeOf(mail, AT);
    const { judgement } = await judged(raw, post);
    assertEquals([judgement.kind, judgement.verdict], WANTED[reaction]);
    if (reaction === "big") {
      const megabytes = raw.length / 1024 / 1024;
      assert(megabytes > 29 && megabytes < 30, `${megabytes} MB`);
    }
  });
}

Deno.test("reactionTo: an absence in each language is automatic by its headers and by its subject", async () => {
  for (const language of LANGUAGES) {
    const { mail } = reactionTo(ORIGINAL, "away", language);
    const { judgement } = await judged(mimeOf({ ...mail, headers: {} }, AT));
    assertEquals(judgement.auto, "subject", language);
  }
});

Deno.test("bare: a subject without the marks of answers", () => {
  assertEquals(["Re: AW: RE : Hi", "Reply: to all", "Hi", "RV：返信: Hi"].map(bare), [
    ...["Hi", "Reply: to all", "Hi", "Hi"],
  ]);
});

Deno.test("quotedPrintable: lines stay short, and blanks at the end of a line are kept", () => {
  const text = `${"ä".repeat(60)} \nx = y`;
  const lines = quotedPrintable(new TextEncoder().encode(text)).split("\r\n");
  assert(lines.every((line) => line.length <= 76), "too long");
  assertEquals(lines.slice(-2).map((line) => line.slice(-8)), ["C3=A4=20", "x =3D y"]);
});

Deno.test("mimeOf: windows-1252 where it suffices, else UTF-8; both read back", () => {
  for (const [text, charset] of [["Grüße – 5 €", "windows-1252"], ["土曜日", "utf-8"]]) {
    const raw = mimeOf({
      from: READER,
      to: "a@in.bloom.example",
      subject: text,
      text,
      charset: "windows-1252",
    }, AT);
    assert(new TextDecoder().decode(raw).includes(`charset="${charset}"`), charset);
    const mail = readMail(raw);
    assertEquals([mail.subject, mail.text?.trim()], [text, text]);
  }
});
