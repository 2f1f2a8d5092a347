/**
 * Reads the mailboxes that are due, and looks up mails of which nobody knows whether they went.
 *
 * @module
 */
import type { MailEvent } from "../_shared/channels/email/inbound/events.ts";
import type { MailboxWorld } from "../_shared/channels/email/mailboxes/call.ts";
import { sentAtGmail, sentAtGraph } from "../_shared/channels/email/mailboxes/lookup.ts";
import {
  fetchMail,
  isUnanswered,
  type ReadFailure,
  readGmail,
  readGraph,
  TRIES,
  TRIES_OF_FAULTS,
} from "../_shared/channels/email/mailboxes/read.ts";
import type { MailboxReading } from "../_shared/contract/answers/mailboxes.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Fields } from "../_shared/log/log.ts";
import { ownMessageId } from "../_shared/mail/addresses.ts";
import { postOfMailbox } from "../_shared/mail/authentication.ts";
import { readMail } from "../_shared/mail/mime.ts";
import type { Mail } from "../_shared/mail/types.ts";
import type { Intake, Taken } from "../_shared/channels/email/intake.ts";

/** Dependencies of {@linkcode createReadMailboxes}. */
export interface ReadMailboxesDeps {
  rpc: Rpc;
  world: MailboxWorld;
  /** Base URL of a provider's API. */
  url(provider: MailboxReading["provider"]): string;
  intake: Pick<Intake, "mail">;
  ingestEvents(events: readonly MailEvent[]): Promise<unknown>;
  sendDomain(): string;
  /** Starts what a mail makes due. */
  took(taken: Taken): void;
  /** Counts readings, and mails that are not taken, by provider and outcome. */
  count(provider: string, outcome: string): void;
  log: { warn(message: string, fields: Fields): void };
  now(): Date;
}

type Settled =
  | { error: string; retry_after_ms?: number; attempts?: Record<string, number> }
  | { cursor: string; more: boolean; resynced: boolean };

/** Readings of one call, and of these at once. */
const READINGS = 10;
const AT_ONCE = 3;
/** Ids of a thread that are looked up in the Sent folder. */
const MOST_LOOKUPS = 4;
/** SQLSTATE classes 22 (data), 23 (constraints) and 54 (limits). */
const REFUSED_VALUE = /^(?:22|23|54)/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Creates the reading of mailboxes; each call reads those that are due.
 *
 * Failure policy: the place moves on only after a page's mails are committed, so nothing is skipped; what is read twice has
 * the same key. A mailbox that fails delays only itself, longer each time; a mail that fails time after time is passed over,
 * with a count and a line in the log, so that those after it come in.
 */
export function createReadMailboxes(deps: ReadMailboxesDeps): () => Promise<void> {
  const { rpc, world, intake, log } = deps;

  return async () => {
    let left = READINGS;
    const work = async () => {
      while (left-- > 0) {
        // One by one: a lease is for one reading, and would run out for those that wait.
        const [next] = await rpc("claim_mailbox_readings", { p_limit: 1 });
        if (next === undefined) return;
        await readOne(next);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  };

  async function readOne(reading: MailboxReading): Promise<void> {
    const { mailbox, lease, provider } = reading;
    try {
      await lookUp(reading);
      const settled = await read(reading);
      await rpc("settle_mailbox_reading", { p_settled: { mailbox, lease, ...settled } });
      deps.count(provider, "error" in settled ? "failed" : settled.resynced ? "resynced" : "read");
    } catch (error) {
      deps.count(provider, "failed");
      log.warn("a mailbox could not be read", { mailbox, error });
      await rpc("settle_mailbox_reading", {
        p_settled: { mailbox, lease, error: "ours: see the function's log" },
      });
    }
  }

  async function read(reading: MailboxReading): Promise<Settled> {
    const { mailbox, identity, provider, cursor, since } = reading;
    const place = { url: deps.url(provider), identity };
    const list = provider === "google" ? readGmail : readGraph;
    const page = await list(place, { cursor, since: new Date(since) }, world);
    if (!page.ok) return errorOf(page);
    const attempts: Record<string, number> = { ...reading.attempts };
    let first: ReadFailure | undefined;
    for (const id of page.ids) {
      if (attempts[id] === 0) continue;
      const failure = await take(id, reading, place);
      if (failure === undefined) continue;
      if (failure.tries === undefined) return { ...errorOf(failure), attempts };
      const failed = (attempts[id] ?? 0) + 1;
      if (failed >= failure.tries) {
        attempts[id] = 0;
        deps.count(provider, "passed_over");
        log.warn("a mail in a mailbox is passed over", {
          mailbox,
          mail: id,
          attempts: failed,
          ...errorOf(failure),
        });
      } else {
        attempts[id] = failed;
        first ??= failure;
      }
      // Each further one might take as long, and the lease would end.
      if (isUnanswered(failure)) return { ...errorOf(failure), attempts };
    }
    if (first !== undefined) return { ...errorOf(first), attempts };
    const { cursor: next, more, resynced } = page;
    return { cursor: next, more, resynced };
  }

  /** Takes one mail in; why it cannot be, or undefined. @throws {Problem} While the database or the storage is unavailable. */
  async function take(
    id: string,
    { mailbox, provider, from_email, takes }: MailboxReading,
    place: { url: string; identity: string },
  ): Promise<ReadFailure | undefined> {
    const raw = await fetchMail(provider, place, id, world);
    if (raw === null) return undefined;
    if (raw === "too_large") {
      deps.count(provider, "too_large");
      log.warn("a mail in a mailbox is too large to be taken", { mailbox, mail: id });
      return undefined;
    }
    if (!(raw instanceof Uint8Array)) return raw;
    try {
      const mail = await threaded(readMail(raw), provider, place);
      const post = postOfMailbox(mail, provider, from_email);
      deps.took(await intake.mail({ mail, post, raw, mailbox: from_email, onlyOurs: takes === "replies" }));
      return undefined;
    } catch (error) {
      const tries = triesOf(error);
      if (tries === undefined) throw error;
      log.warn("a mail in a mailbox cannot be taken", { mailbox, mail: id, error });
      return { ok: false, code: "ours", message: "see the function's log", tries };
    }
  }

  /**
   * Providers may send a mail under a Message-ID of their own, which an answer then names. The Sent folder knows which message
   * of ours it is.
   */
  async function threaded(
    mail: Mail,
    provider: MailboxReading["provider"],
    place: { url: string; identity: string },
  ): Promise<Mail> {
    const returned = (mail.original?.get("message-id") ?? []).map((id) => id.replace(/^<|>$/g, ""));
    const named = [...new Set([...mail.inReplyTo, ...[...mail.references].reverse(), ...returned])];
    if (named.some((id) => ownMessageId(id, deps.sendDomain()) !== undefined)) return mail;
    for (const messageId of named.slice(0, MOST_LOOKUPS)) {
      const id = provider === "google"
        ? await sentAtGmail(place, messageId, world)
        : await sentAtGraph(place, { messageId }, world);
      if (typeof id === "string" && UUID.test(id)) {
        return { ...mail, references: [...mail.references, `${id}@${deps.sendDomain()}`] };
      }
    }
    return mail;
  }

  async function lookUp({ identity, provider, unknown }: MailboxReading): Promise<void> {
    const place = { url: deps.url(provider), identity };
    for (const { id, message_id_header } of unknown) {
      const found = provider === "google"
        ? await sentAtGmail(place, message_id_header, world)
        : await sentAtGraph(place, { id }, world);
      if (found !== id) continue;
      await deps.ingestEvents([{
        provider,
        key: `found:${id}`,
        event: "processed",
        at: deps.now().toISOString(),
        message: id,
        delivery: null,
        provider_id: null,
        address: null,
        error: null,
        suppress: null,
        metadata: { by: "sent folder" },
        raw: {},
      }]);
    }
  }
}

/**
 * How often a mail that fails so is tried; undefined for what concerns every mail: a Problem, or a call that the database
 * refuses for other reasons than a value.
 */
function triesOf(error: unknown): number | undefined {
  if (error instanceof Problem) return undefined;
  if (error instanceof DbError) return REFUSED_VALUE.test(error.code) ? TRIES : undefined;
  return TRIES_OF_FAULTS;
}

function errorOf({ code, message, retryAfterMs }: { code: string; message: string; retryAfterMs?: number }) {
  return {
    error: `${code}: ${message}`,
    ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }),
  };
}
