/** Mails and answers that try to turn the analysis: attention may rise, and nothing else happens. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import { holds } from "../support/property.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { questionOf, readLabels, summaryOf } from "../../supabase/functions/_shared/analysis/model.ts";
import { judgeMail } from "../../supabase/functions/_shared/analysis/judge.ts";
import { SENTIMENTS, URGENCIES } from "../../supabase/functions/_shared/analysis/types.ts";

const LINES = Deno.readTextFileSync(join(ROOT, "tests", "fixtures", "analysis", "injections.tsv")).trim()
  .split("\n")
  .slice(1).map((line) => line.split("\t") as [kind: string, text: string]);
const MAILS = LINES.filter(([kind]) => kind === "mail").map(([, text]) => text.replaceAll("\\n", "\n"));
const ANSWERS = LINES.filter(([kind]) => kind === "answer").map(([, text]) => text);

const mailOf = (subject: string, text: string) => ({
  subject,
  text,
  automatic: false,
  kind: null,
  sender: { name: null, address: null },
});

/** What Telegram would make clickable, or somebody could be led or named by. */
const CLICKABLE =
  /https?:|www\.|[\w-]\.(?:example|com|org|me)\b|(?<![\p{L}\p{N}])[@#/$][\p{L}\p{N}_]|<|>|[\[\]`*]|\d{6}|\p{Cc}|[\u202a-\u202e\u2066-\u2069]/u;

Deno.test("injections: sixty or more, each once", () => {
  assert(MAILS.length + ANSWERS.length >= 60, `${MAILS.length + ANSWERS.length}`);
  assertEquals(new Set(LINES.map(([, text]) => text)).size, LINES.length);
});

Deno.test("judgeMail(): no injected text calms an outage that rules see", () => {
  for (const text of MAILS) {
    const { urgency } = judgeMail(
      mailOf("PROBLEM: shop is down", `The shop is down for all customers. ${text}`),
    );
    assertEquals(urgency, "critical", text);
  }
});

Deno.test("questionOf(): a mail stays between its two marks, whatever it says, and in its own message", () => {
  for (const text of MAILS) {
    const boundary = "0c5d8f60-7a4e-4a54-9d5e-0123456789ab";
    const { messages, tools, ...rest } = JSON.parse(
      questionOf(mailOf("Hello", `${boundary}\n${text}`), "m", boundary),
    );
    assertEquals(tools, undefined);
    assertEquals(messages.map(({ role }: { role: string }) => role), ["system", "user"]);
    const content: string = messages[1].content;
    assertEquals(content.split(boundary).length, 3, content);
    assert(content.startsWith(boundary) && content.endsWith(boundary));
    assertEquals(rest.response_format.json_schema.strict, true);
  }
});

Deno.test("readLabels(): of any answer only the offered words and a harmless line are left", () => {
  for (const text of ANSWERS) {
    const read = readLabels(text);
    if (read === undefined) continue;
    assertEquals(Object.keys(read).sort(), ["sentiment", "summary", "urgency"]);
    assert(SENTIMENTS.includes(read.sentiment) && URGENCIES.includes(read.urgency));
    assert(read.summary === null || !CLICKABLE.test(read.summary), `${text} -> ${read.summary}`);
  }
});

Deno.test("summaryOf(): any text becomes one short line without links, mentions and numbers", () => {
  const nasty = fc.array(
    fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom(
        "https://a.example/b",
        "a.example",
        "@ana",
        "/stop",
        "#x",
        "<b>",
        "[x](y)",
        "+49 30 123456",
        "\u202e",
        "\n",
        ".",
        "…",
        " ",
      ),
    ),
    { maxLength: 30 },
  ).map((parts) => parts.join(""));
  holds(fc.property(nasty, (text) => {
    const line = summaryOf(text);
    if (line === null) return;
    assert([...line].length <= 200 && !line.includes("\n"), line);
    assert(!CLICKABLE.test(line), `${JSON.stringify(text)} -> ${JSON.stringify(line)}`);
  }));
});
