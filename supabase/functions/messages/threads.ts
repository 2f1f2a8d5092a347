/**
 * Threads in the app: what owners and sitters read, and what they write into them.
 *
 * @module
 */
import {
  type Findings,
  MASKED_BODIES,
  type OwnerInbox,
  type ThreadChecked,
  type ThreadPage,
  type Threads,
  type ThreadTextSent,
} from "../_shared/contract/http/masking.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { readJson } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import { isStorableText } from "../_shared/json/text.ts";
import type { OrgFlags } from "../_shared/masking/flags.ts";
import { judgeText, type Verdict } from "../_shared/masking/poaching/judge.ts";
import { type Leg, relay, type Relayed, type ThreadFacts } from "../_shared/masking/relay.ts";
import { relayedMessage } from "../_shared/pipeline/relaying.ts";
import { segmentsOf } from "../_shared/sms/segments.ts";
import type { z } from "zod";

/** Who came in, and for which organisation. */
export interface Entered {
  readonly org: string;
  readonly flags: OrgFlags;
  /** For histories. */
  readonly by: string;
  /** The member, if it is a sitter; absent for owners, admins and services. */
  readonly sitter?: string;
}

/** Dependencies of {@linkcode createThreads}. */
export interface ThreadDeps {
  rpc: Rpc;
  /** Our own address of a text's file, which expires. */
  mediaUrl(messageId: string, file: number): string;
  /** Starts sending: texts wait. */
  send(): void;
}

const BODY_BYTES = 16 * 1024;
const NO_STORE = { headers: { "cache-control": "no-store" } };
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Creates what is done with threads once somebody has come in. */
export function createThreads({ rpc, mediaUrl, send }: ThreadDeps) {
  return { list, read, check, write, inbox, findings, finish, force, review };

  /** `?state=`, `?search=`, `?before_at=` and `?before_id=` of the last thread of the page before. */
  async function list({ org, sitter }: Entered, request: Request): Promise<Response> {
    const { searchParams: asked } = new URL(request.url);
    const state = asked.get("state") ?? "live";
    if (state !== "live" && state !== "ended") {
      throw new Problem("invalid_request", { detail: "`state` is live or ended." });
    }
    const at = asked.get("before_at"), id = asked.get("before_id");
    if (
      (at === null) !== (id === null) || at !== null && Number.isNaN(Date.parse(at)) ||
      id !== null && !UUID.test(id)
    ) {
      throw new Problem("invalid_request", {
        detail: "`before_at` and `before_id` are `last_at` and `id` of a thread.",
      });
    }
    const search = asked.get("search")?.slice(0, 100);
    const threads = await rpc("list_threads", {
      p_org: org,
      p_member: sitter ?? null,
      p_filter: {
        state,
        ...(search ? { search } : {}),
        ...(at === null || id === null ? {} : { before: { at, id } }),
      },
    });
    return Response.json({ threads } satisfies Threads, NO_STORE);
  }

  async function read({ org, sitter }: Entered, id: string, request: Request): Promise<Response> {
    const page = await rpc("read_thread", {
      p_org: org,
      p_thread: id,
      p_member: sitter ?? null,
      p_before: beforeIn(request),
    });
    if (page === null) throw new Problem("not_found");
    const body: ThreadPage = { ...page, entries: page.entries.map(withFiles) };
    return Response.json(body, NO_STORE);
  }

  /** What would become of a text's words, without writing anything: asked before a sitter sends it. */
  async function check(entered: Entered, id: string, request: Request): Promise<Response> {
    const { text } = await bodyOf(request, MASKED_BODIES.check);
    await sceneOf(entered, id);
    const verdict = await verdictOn(entered, id, text);
    const body: ThreadChecked = {
      outcome: verdict?.outcome ?? "pass",
      types: [...verdict?.types ?? []],
      segments: segmentsOf(text).segments,
    };
    return Response.json(body, NO_STORE);
  }

  /**
   * A text of the owner or a sitter, decided as one from a phone. 202 with where it went: `leg` is queued; `blocked` and
   * `held` are not sent.
   */
  async function write(entered: Entered, id: string, request: Request): Promise<Response> {
    const { text, idempotency_key } = await bodyOf(request, MASKED_BODIES.text);
    const { facts, leg } = await sceneOf(entered, id);
    const verdict = await verdictOn(entered, id, text);
    const relayed = relay({
      on: { core: entered.flags.core.value, sitter: entered.flags.sitter.value },
      kind: "text",
      fromOurs: false,
      numberClass: null,
      senderLegs: leg === undefined ? [] : [leg],
      pastThreadId: null,
      thread: facts,
      fromOwner: entered.sitter === undefined,
      ...(verdict === undefined ? {} : { verdict }),
      forced: false,
    });
    return await sent(entered, id, {
      relayed,
      // What detection was not asked about says nothing of it.
      ...(verdict !== undefined && (relayed.to === "leg" || relayed.to === "blocked") ? { verdict } : {}),
      text,
      ...(idempotency_key ? { key: idempotency_key } : {}),
    });
  }

  async function inbox({ org }: Entered, request: Request): Promise<Response> {
    const texts = await rpc("owner_inbox", { p_org: org, p_before: beforeIn(request) });
    return Response.json({ texts: texts.map(withFiles) } satisfies OwnerInbox, NO_STORE);
  }

  /** `?reviewed=true` for those that somebody has looked at, `?before=` for the next page. */
  async function findings({ org }: Entered, request: Request): Promise<Response> {
    const reviewed = new URL(request.url).searchParams.get("reviewed") ?? "false";
    if (reviewed !== "true" && reviewed !== "false") {
      throw new Problem("invalid_request", { detail: "`reviewed` is true or false." });
    }
    const found = await rpc("list_findings", {
      p_org: org,
      p_reviewed: reviewed === "true",
      p_before: beforeIn(request),
    });
    const body: Findings = { ...found, texts: found.texts.map(withFiles) };
    return Response.json(body, NO_STORE);
  }

  async function finish({ org, by }: Entered, id: string): Promise<Response> {
    if (!await rpc("finish_inbox", { p_org: org, p_decision: id, p_by: by })) throw new Problem("not_found");
    return new Response(null, { status: 204 });
  }

  /** Lets a blocked text pass, once, with a reason: a labelled example of a false alarm. */
  async function force(entered: Entered, id: string, request: Request): Promise<Response> {
    const { reason } = await bodyOf(request, MASKED_BODIES.force);
    const blocked = await rpc("blocked_text", { p_org: entered.org, p_decision: id });
    if (blocked === null) throw new Problem("not_found");
    const { thread_id, text, message_id, media, from_role } = blocked;
    const facts = await rpc("thread_facts", { p_thread: thread_id });
    if (facts === null) throw new Problem("not_found");
    const legs = facts.live && entered.flags.sitter.value ? heardBy(facts, from_role) : [];
    if (legs.length === 0 || (text === null && media === 0)) {
      throw new Problem("conflict", {
        detail: "Nobody is there to hear it any more, or its words are gone.",
      });
    }
    return await sent(entered, thread_id, {
      relayed: { to: "leg", threadId: thread_id, legs, reason: "forced" },
      text: text ?? "",
      media: message_id === null
        ? []
        : Array.from({ length: media }, (_, file) => mediaUrl(message_id, file)),
      forces: { id, reason },
    });
  }

  /** What a person says of a finding. */
  async function review({ org, by }: Entered, id: string, ord: string, request: Request): Promise<Response> {
    const { was_right } = await bodyOf(request, MASKED_BODIES.review);
    const isThere = /^\d{1,3}$/.test(ord) && await rpc("review_finding", {
      p_org: org,
      p_decision: id,
      p_ord: Number(ord),
      p_was_right: was_right,
      p_by: by,
    });
    if (!isThere) throw new Problem("not_found");
    return new Response(null, { status: 204 });
  }

  /** A text with addresses of its files. Whoever may read the text may see them. */
  function withFiles<T extends { files_of: string | null; media: number }>(
    { files_of, ...entry }: T,
  ): Omit<T, "files_of"> & { files: string[] } {
    const files = files_of === null
      ? []
      : Array.from({ length: entry.media }, (_, file) => mediaUrl(files_of, file));
    return { ...entry, files };
  }

  /** What detection says of a sitter's text. The owner may write whatever the business wants to say. */
  async function verdictOn({ org, sitter }: Entered, id: string, text: string): Promise<Verdict | undefined> {
    if (sitter === undefined) return undefined;
    const ground = await rpc("text_ground", { p_org: org, p_thread: id, p_member: sitter });
    if (ground === null) throw new Problem("not_found");
    const { countries, own_numbers, earlier } = ground;
    return judgeText(text, { countries, allowedNumbers: own_numbers }, earlier);
  }

  /** A thread as it is, and the sitter's own leg of it. */
  async function sceneOf({ org, sitter }: Entered, id: string): Promise<{ facts: ThreadFacts; leg?: Leg }> {
    const page = await rpc("read_thread", { p_org: org, p_thread: id, p_member: sitter ?? null, p_limit: 0 });
    const facts = page === null ? null : await rpc("thread_facts", { p_thread: id });
    if (facts === null) throw new Problem("not_found");
    if (sitter === undefined) return { facts };
    const contact = await rpc("member_contact", { p_member: sitter });
    const leg = facts.legs.find(({ role, contactId }) => role === "sitter" && contactId === contact);
    if (leg === undefined) throw new Problem("not_found");
    // To this sitter only the own windows say anything.
    return { facts: { ...facts, windows: facts.windows.filter(({ legId }) => legId === leg.id) }, leg };
  }

  async function sent(
    { org, by, sitter }: Entered,
    thread: string,
    { relayed, verdict, text, media = [], key, forces }: {
      relayed: Relayed;
      verdict?: Verdict;
      text: string;
      media?: readonly string[];
      key?: string;
      forces?: { id: string; reason: string };
    },
  ): Promise<Response> {
    const message = relayedMessage(text, media);
    try {
      const answer = await rpc("send_in_thread", {
        p_send: {
          org_id: org,
          thread_id: thread,
          from_role: sitter === undefined ? "owner" : "sitter",
          ...(sitter === undefined ? {} : { member_id: sitter }),
          outcome: relayed.to,
          reason: relayed.reason,
          types: verdict?.types ?? [],
          findings: (verdict?.findings ?? []).map(({ type, rule, score, redacted }) => ({
            type,
            rule,
            score,
            redacted,
          })),
          ...(relayed.to === "leg" ? { legs: relayed.legs.map(({ id }) => id) } : {}),
          ...(key === undefined ? {} : { key: `${by}:${key}` }),
          ...(forces === undefined ? {} : { forces: forces.id, force_reason: forces.reason }),
          message,
          by,
        },
      });
      if (answer.outcome === "leg") send();
      const body: ThreadTextSent = {
        ...answer,
        segments: Number(message.segments),
        ...(relayed.to === "held" && relayed.next !== undefined ? { next: relayed.next } : {}),
      };
      return Response.json(body, { status: 202, ...NO_STORE });
    } catch (error) {
      if (!(error instanceof DbError)) throw error;
      if (error.code === "GL404") throw new Problem("not_found", { cause: error });
      if (error.code === "GL409") {
        throw new Problem("conflict", {
          detail: forces === undefined
            ? "The thread has changed. Read it again."
            : "It cannot be sent now, and stays in the inbox. Is sending on, and the thread as it was?",
          cause: error,
        });
      }
      if (error.code === "23505" && forces !== undefined) {
        throw new Problem("conflict", { detail: "This text was let pass already.", cause: error });
      }
      throw error;
    }
  }
}

/**
 * Who hears a text that an owner lets pass: the other side, whatever the hour. Sitters only while they are assigned, now or
 * later.
 */
function heardBy({ legs, windows }: ThreadFacts, from: string): Leg[] {
  const role = from === "client" ? "sitter" : "client";
  const isAssigned = ({ id }: Leg) => windows.some(({ legId, state }) => legId === id && state !== "past");
  return legs.filter((leg) => leg.role === role && !leg.optedOut && (role === "client" || isAssigned(leg)));
}

function beforeIn(request: Request): string | null {
  const before = new URL(request.url).searchParams.get("before");
  if (before !== null && !UUID.test(before)) {
    throw new Problem("invalid_request", { detail: "`before` is the id of a text." });
  }
  return before;
}

/** The checked body. @throws {Problem} */
async function bodyOf<T extends z.ZodType>(request: Request, schema: T): Promise<z.output<T>> {
  const checked = schema.safeParse(await readJson(request, BODY_BYTES));
  if (!checked.success) {
    const [{ path, message }] = checked.error.issues;
    throw new Problem("invalid_request", { detail: `${path.join(".") || "The body"}: ${message}` });
  }
  for (const value of Object.values(checked.data as Record<string, unknown>)) {
    if (typeof value === "string" && !isStorableText(value)) {
      throw new Problem("invalid_request", {
        detail: "A text holds a NUL character or half a surrogate pair.",
      });
    }
  }
  return checked.data;
}
