/** `gatelink replay`: signs recorded webhook bodies as Meta does and posts them to a Gatelink. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Command } from "commander";
import { readdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sign } from "../../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { CliError, fetchReason } from "../../core/errors.ts";
import type { Io } from "../../core/io.ts";
import { clean, table, verdict } from "../../core/output.ts";
import { fromHere } from "../../core/paths.ts";
import { type LeftOut, recordedSince } from "./recorded.ts";
import type { Result, Run, Session } from "../../core/session.ts";
import { address, moment } from "../../core/values.ts";

const TIMEOUT_MS = 60_000;

interface Options {
  since?: Date;
  to?: string;
  secret?: string;
}

/** The result of one body. */
interface Sent {
  file: string;
  /** HTTP status; null without a response. */
  status: number | null;
  received: number;
  stored: number;
  duplicates: number;
  ms: number;
  error?: string;
}

/** A body to post, as bytes, because bytes are signed. */
interface Body {
  file: string;
  bytes: () => Promise<Uint8Array<ArrayBuffer>>;
}

/** Defines the command. */
export function replay(command: Command, run: Run): void {
  command.argument("[paths...]", "files with one JSON body each, and folders of such files (*.json, by name)")
    .option(
      "--since <time>",
      "instead of files: updates that this stack stored since a time (2026-11-21T14:00:00Z) or within a duration (2h)",
      moment,
    )
    .option(
      "--to <url>",
      "the Gatelink to post to: its project or webhook address (default: this stack)",
      address,
    )
    .option(
      "--secret <secret>",
      "WhatsApp app secret to sign with (default: the stack's, or WHATSAPP_APP_SECRET)",
    )
    .addHelpText(
      "after",
      `
A body that was received before is not stored again, so a replay can be repeated. Exit code 1 if any answer is not
200.

Examples:
  gatelink replay body.json
  gatelink replay recorded/ --to https://abcdef.supabase.co --secret "$WHATSAPP_APP_SECRET"
  gatelink replay --since 2h --to http://127.0.0.1:54321`,
    )
    .action((paths: string[], options: Options) => run((session) => replayed(session, paths, options)));
}

async function replayed(session: Session, paths: string[], options: Options): Promise<Result> {
  if ((paths.length === 0) === (options.since === undefined)) {
    throw new CliError("usage", "Give files or folders, or --since.", "gatelink replay --help");
  }
  const left: LeftOut = { not_json: 0, no_message: 0, no_id: 0 };
  const { url, secret, toItself } = await target(session, options);
  const bodies = options.since === undefined
    ? filesOf(session.io, paths)
    : stored(session, options.since, toItself, left);

  const sent: Sent[] = [];
  for await (const { file, bytes } of bodies) {
    const result = await post(url, secret, file, await bytes());
    sent.push(result);
    session.progress(`${sent.length} sent: ${file} ${result.status ?? result.error}`);
    if (result.status !== null) continue;
    // Nobody listens: the others would only wait for their turn to fail.
    if (sent.length === 1) {
      throw new CliError(
        "stack_unreachable",
        `${url} does not answer: ${result.error}`,
        "Check the address, and whether it is running.",
      );
    }
    break;
  }
  return report(url, sent, left);
}

/** The URL to post to, and the secret. */
async function target(session: Session, { to, secret: given, since }: Options) {
  const stack = to === undefined || since !== undefined ? (await session.api()).stack : undefined;
  const base = to ?? stack!.url;
  const toItself = stack !== undefined && new URL(base).origin === new URL(stack.url).origin;
  const secret = given ?? (toItself ? stack.whatsapp?.appSecret : undefined) ??
    session.io.env.WHATSAPP_APP_SECRET?.split(",")[0].trim();
  if (!secret) {
    throw new CliError(
      "usage",
      "The WhatsApp app secret is required to sign.",
      "Give --secret, or set WHATSAPP_APP_SECRET.",
    );
  }
  const url = /\/wa-webhook\/?$/.test(new URL(base).pathname)
    ? base
    : `${base.replace(/\/+$/, "")}/functions/v1/wa-webhook`;
  return { url, secret, toItself };
}

/** The files of these paths, in the order given, those of a folder by name. */
function filesOf(io: Io, paths: string[]): Body[] {
  const files = paths.flatMap((path) => {
    const whole = fromHere(io, path);
    try {
      if (!statSync(whole).isDirectory()) return [{ file: path, whole }];
      return readdirSync(whole, { withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith(".json"))
        .map((entry) => entry.name).sort()
        .map((name) => ({ file: join(path, name), whole: join(whole, name) }));
    } catch (error) {
      throw new CliError("usage", `${path} cannot be read: ${(error as Error).message}`, "Check the path.");
    }
  });
  if (files.length === 0) {
    throw new CliError("usage", "The folder contains no .json files.", "Check the path.");
  }
  return files.map(({ file, whole }) => ({ file, bytes: async () => new Uint8Array(await readFile(whole)) }));
}

async function* stored(
  session: Session,
  since: Date,
  toItself: boolean,
  left: LeftOut,
): AsyncGenerator<Body> {
  for await (const { label, body } of recordedSince(await session.api(), since, toItself, left)) {
    yield { file: label, bytes: () => Promise.resolve(new TextEncoder().encode(JSON.stringify(body))) };
  }
}

async function post(
  url: string,
  secret: string,
  file: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Sent> {
  const started = performance.now();
  const end = (rest: Partial<Sent>): Sent => ({
    file,
    status: null,
    received: 0,
    stored: 0,
    duplicates: 0,
    ms: Math.round(performance.now() - started),
    ...rest,
  });
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", "x-hub-signature-256": sign(bytes, secret) },
      body: bytes,
      // What was signed is for this address and no other.
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    const { received = 0, stored = 0, duplicates = 0, code } = fields(text);
    const { status } = response;
    if (status === 200) return end({ status, received, stored, duplicates });
    return end({ status, error: clean(code ?? text).slice(0, 200) });
  } catch (error) {
    return end({ error: fetchReason(error) });
  }
}

function fields(text: string): { received?: number; stored?: number; duplicates?: number; code?: string } {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function report(url: string, sent: Sent[], left: LeftOut): Result {
  const sum = (of: (one: Sent) => number) => sent.reduce((total, one) => total + of(one), 0);
  const failed = sent.filter((one) => one.status !== 200).length;
  const totals = {
    bodies: sent.length,
    failed,
    received: sum((one) => one.received),
    stored: sum((one) => one.stored),
    duplicates: sum((one) => one.duplicates),
    stopped: sent.at(-1)?.status === null,
  };
  const leftOut = Object.entries({
    "not JSON": left.not_json,
    "message no longer stored": left.no_message,
    "no id that this stack could recognise": left.no_id,
  }).filter(([, n]) => n > 0).map(([why, n]) => `${counted(n, "event")} skipped: ${why}`);
  return {
    document: { to: url, ...totals, left_out: left, results: sent },
    text: [
      table(
        ["body", "status", "received", "stored", "duplicates", "ms", "error"],
        sent.map((one) => [
          one.file,
          verdict(one.status === 200, "200", `${one.status ?? "no answer"}`),
          one.received,
          one.stored,
          one.duplicates,
          one.ms,
          one.error,
        ]),
        "Nothing has been stored since then.",
      ),
      ...leftOut,
      ...(totals.stopped ? ["Stopped: it no longer answers. The remaining bodies were not sent."] : []),
      `${
        counted(totals.bodies, "body", "bodies")
      } to ${url}: ${failed} failed; ${totals.received} received = ` +
      `${totals.stored} stored + ${totals.duplicates} duplicates`,
    ].join("\n"),
    failed: failed > 0,
  };
}
