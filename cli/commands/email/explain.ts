/** `gatelink email explain`: why a mail was treated as it was, or would be. */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import type { MailTrace } from "../../../supabase/functions/_shared/contract/answers/mail.ts";
import type { Explained, ExplainedMail } from "../../../supabase/functions/_shared/contract/http/mail.ts";
import { sqlState } from "../../core/api.ts";
import { CliError } from "../../core/errors.ts";
import { postBytes } from "../../core/functions_api.ts";
import { type Cell, facts, table, time } from "../../core/output.ts";
import { fromHere } from "../../core/paths.ts";
import type { Result, Run, Session } from "../../core/session.ts";
import { isId, several } from "../../core/values.ts";
import { domain, mailAddress } from "./values.ts";

interface Options {
  to?: string[];
  from?: string;
  spf?: string;
  dkim?: string[];
}

/** Adds the command to the group. */
export function explain(group: Command, run: Run): void {
  group.command("explain").description(
    "why a mail was treated as it was, or would be; nothing is stored or sent",
  )
    .argument(
      "<mail>",
      "a file (.eml, or a body of Inbound Parse; - for standard input), or the id of a message",
    )
    .option(
      "--to <address>",
      "recipient of the envelope (default: those of the headers)",
      several(mailAddress),
    )
    .option(
      "--from <address>",
      'sender of the envelope; "" for a bounce',
      (text) => text && mailAddress(text),
    )
    .option("--spf <verdict>", "the provider's verdict about the envelope's sender, such as pass")
    .option("--dkim <domain>", "a domain whose signature is valid", several(domain))
    .addHelpText(
      "after",
      `
A file is read, looked up and judged by the functions of the stack, as if it had just come in. A mail by itself does
not say whether SPF and DKIM passed: without --spf or --dkim its sender is not verified. For a message, shows what was
recorded.

Examples:
  gatelink email explain answer.eml --dkim example.org
  gatelink email explain inbound-body.bin
  gatelink email explain 01968f00-0000-7000-8000-000000000001`,
    )
    .action((mail: string, options: Options) =>
      run((session) => isId(mail) ? recorded(session, mail) : judged(session, mail, options))
    );
}

async function recorded(session: Session, id: string): Promise<Result> {
  const document = await (await session.api()).rpc("trace_mail", { p_message_id: id }).catch((error) => {
    if (sqlState(error) !== "GL404") throw error;
    throw new CliError(
      "not_found",
      `There is no mail with the id ${id}.`,
      "gatelink trace finds messages of all channels.",
    );
  });
  return { document, text: traceInWords(document) };
}

async function judged(session: Session, path: string, options: Options): Promise<Result> {
  const bytes = await bytesOf(session, path);
  const query = new URLSearchParams([
    ...(options.to ?? []).map((to) => ["to", to]),
    ...(options.from === undefined ? [] : [["from", options.from]]),
    ...(options.spf === undefined ? [] : [["spf", options.spf]]),
    ...(options.dkim ?? []).map((dkim) => ["dkim", dkim]),
  ]);
  const { stack } = await session.api();
  const document = await postBytes<Explained>(
    stack,
    `email-webhook/explain${query.size > 0 ? `?${query}` : ""}`,
    bytes,
    contentTypeOf(bytes),
  );
  return { document, text: document.mails.map(mailInWords).join("\n\n") };
}

async function bytesOf({ io }: Session, path: string): Promise<Uint8Array> {
  if (path === "-") return await io.bytes();
  try {
    return new Uint8Array(await readFile(fromHere(io, path)));
  } catch (error) {
    throw new CliError(
      "usage",
      `${path} cannot be read: ${(error as Error).message}`,
      "Give a file, - for standard input, or the id of a message.",
    );
  }
}

/** A body of Inbound Parse begins with its boundary, which no mail does: a header has a name and a colon. */
export function contentTypeOf(bytes: Uint8Array): string {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, 2000));
  const [, boundary] = /^\s*--([^\r\n]{1,200}?)[ \t]*\r?\ncontent-disposition:\s*form-data/i.exec(head) ?? [];
  return boundary === undefined ? "message/rfc822" : `multipart/form-data; boundary="${boundary}"`;
}

function mailInWords(one: ExplainedMail): string {
  return [
    facts({
      from: `${one.from || "(nobody)"} (${one.sender})`,
      to: one.recipient,
      subject: one.subject,
      kind: one.kind,
      verdict: verdictCell(one.verdict),
      "found by": one.via,
      answers: one.answers,
      identity: one.identity,
      verified: `${one.verified ? "yes" : "no"}: ${one.verification}`,
      automatic: one.automatic ?? "no",
      "counts as a reply": one.counted ? "yes" : "no",
      ...(one.forward_to === null ? {} : { "would be forwarded to": one.forward_to }),
      ...(one.relay_to === null ? {} : { "would be relayed to": one.relay_to }),
      ...(one.suppress === null ? {} : { "would get no more mail": one.suppress }),
      attachments: one.attachments,
      ...(one.truncated.length === 0 ? {} : { "left out": one.truncated.join(", ") }),
      "new text": one.text.length > 200 ? `${one.text.slice(0, 200)}…` : one.text,
    }),
    reasonsInWords(one.reasons),
  ].join("\n\n");
}

function traceInWords(one: MailTrace): string {
  const { forward } = one;
  return [
    facts({
      message: `${one.id} (${one.direction})`,
      at: time(one.at),
      ...(one.direction === "out" ? {} : {
        kind: one.kind,
        verdict: one.verdict === null ? null : verdictCell(one.verdict),
        "found by": one.via,
        answers: one.answers,
        verified: one.verified === null ? null : one.verified ? "yes" : "no",
        automatic: one.automatic === null ? null : one.automatic ? "yes" : "no",
      }),
      identity: one.identity,
      attachments: one.attachments,
      forward: forward === null
        ? null
        : `${forward.state}${forward.error === null ? "" : ` (${forward.error})`}, ${forward.destination}`,
    }),
    ...(one.reasons.length === 0 ? [] : [reasonsInWords(one.reasons)]),
    table(
      ["time", "event", "detail"],
      one.events.map(({ event, at, metadata }): Cell[] => [
        time(at),
        event,
        Object.entries(metadata).map(([name, value]) => `${name} ${value}`).join(", "),
      ]),
      "No events.",
    ),
  ].join("\n\n");
}

const verdictCell = (verdict: string): Cell =>
  verdict === "quarantine" || verdict === "loop" ? ["yellow", verdict] : ["green", verdict];

const reasonsInWords = (reasons: readonly string[]) =>
  reasons.map((reason, i) => `${i + 1}. ${reason}`).join("\n");
