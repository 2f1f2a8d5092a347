/**
 * The Graph API's addresses of messages and files, before ours: clients made for Meta work with another host and a key of
 * the project in place of Meta's token.
 *
 * | Meta's                                    | here                                                         |
 * | ----------------------------------------- | ------------------------------------------------------------ |
 * | `POST /{version}/{phone_number_id}/messages` | `wa-send`, and the outcome of the first attempt            |
 * | `POST /{version}/{phone_number_id}/media` | `POST wa-media`                                              |
 * | `GET /{version}/{media_id}`               | what is known of a file, with a signed address of `wa-media` |
 * | `DELETE /{version}/{media_id}`            | `DELETE wa-media/{id}`                                       |
 *
 * The version in the address is not looked at.
 *
 * @module
 */
import type { OutboundOutcome } from "../_shared/contract/answers/media.ts";
import type { GraphMedia, GraphSent } from "../_shared/contract/http/graph.ts";
import { Problem, type ProblemCode } from "../_shared/http/problem.ts";
import { readJson } from "../_shared/http/body.ts";
import { type Call, createRouter, type Route } from "../_shared/http/routes.ts";
import { isObject, type JsonObject } from "../_shared/json/json.ts";
import type { KeptUpload, TakeUpload } from "../_shared/media/uploads.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";
import { type MetaError, metaErrorOf, metaResponse } from "./errors.ts";

/** The routes of the function. */
export const ROUTES = [
  { method: "POST", path: "/{version}/{phone_number_id}/messages", auth: "secret bearer", handler: "send" },
  { method: "POST", path: "/{version}/{phone_number_id}/media", auth: "secret bearer", handler: "upload" },
  { method: "GET", path: "/{version}/{media_id}", auth: "secret bearer", handler: "find" },
  { method: "DELETE", path: "/{version}/{media_id}", auth: "secret bearer", handler: "remove" },
] as const satisfies readonly Route[];

type Name = (typeof ROUTES)[number]["handler"];

/** Dependencies of the handler. */
export interface GraphFrontDeps {
  killed(feature: string): boolean;
  /** A secret key as `apikey` or bearer token, or the token of services that know none. */
  requireKey(headers: Headers): { name: string };
  /** Queues a message as `wa-send` does. @throws {Problem} */
  enqueue(body: JsonObject, by: string, context: Context): Promise<{ id: string }>;
  /** Sends what is due; resolves when that is done. */
  drain(): Promise<void>;
  outcome(id: string): Promise<OutboundOutcome>;
  take: TakeUpload;
  /** Uploads a kept file to Meta for a number. @throws {Problem} if Meta refuses it. */
  sendUpload(upload: KeptUpload, numberId: string): Promise<void>;
  /** What is known of a file, by an upload's id or Meta's. @throws {Problem} */
  find(id: string, numberId: string | undefined): Promise<GraphMedia>;
  /** @throws {Problem} `media_not_found` */
  remove(id: string, numberId: string | undefined): Promise<void>;
  waitUntil(work: Promise<unknown>): void;
  /** Counts a refusal of the request itself. */
  count(code: string): void;
  /** Counts a message that was taken and then failed, by Meta's code or ours. */
  countFailed(code: string): void;
  /** Resolves after this time, or when the signal aborts. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
  /** Milliseconds since 1970. */
  now(): number;
}

/** Kill switch: `WA_GRAPH_ENABLED`. */
const FEATURE = "wa_graph";
const MAX_BODY = 256 * 1024;
/** How long the outcome of a message is waited for, in milliseconds: clients give up after some ten seconds. */
const WAIT_MS = 8_000;
const POLL_MS = 200;
const NUMBER_ID = /^\d{1,32}$/;

/**
 * The handler of `wa-graph`. Answers and errors have Meta's shapes.
 *
 * A message is queued like any other, and its first attempts are waited for, so that `messages[0].id` is Meta's own
 * (wamid…) and a refusal of Meta's is the answer. If neither is known in time, because Meta is throttling or away, the
 * answer is a success with our id: the message stays queued, and a client that sent it again would send it twice.
 */
export function createHandler(deps: GraphFrontDeps): Handler {
  const route = createRouter<Name, Context>("wa-graph", ROUTES, {
    killed: () => deps.killed(FEATURE),
    gates: { "secret bearer": (headers) => deps.requireKey(headers).name },
    handlers: { send, upload, find, remove },
  });

  return async (request, context) => {
    try {
      return await route(request, context);
    } catch (error) {
      // A cause of ours is logged by `serve`, which answers in our own shape.
      if (!(error instanceof Problem) || error.code === "internal_error") throw error;
      deps.count(error.code);
      if (error.status >= 500) context.log.warn(`answered ${error.code}`, { error: error.cause });
      return metaResponse(metaErrorOf(error), context.requestId, error.headers);
    }
  };

  function numberOf({ params }: Call<Context>): string {
    if (!NUMBER_ID.test(params.phone_number_id)) throw new Problem("unknown_number");
    return params.phone_number_id;
  }

  async function send(call: Call<Context>): Promise<Response> {
    const from = numberOf(call);
    const body = await readJson(call.request, MAX_BODY);
    if (!isObject(body)) throw new Problem("invalid_request", { detail: "The body must be a JSON object." });
    if (body.messaging_product !== "whatsapp") {
      const issues = [{ path: "messaging_product", message: "must be whatsapp" }];
      throw new Problem("invalid_request", { extensions: { issues } });
    }
    // Meta's default.
    const type = body.status === "read" ? undefined : body.type ?? "text";
    const message = { ...unpacked(body), ...(type === undefined ? {} : { type }), from };
    const { id } = await deps.enqueue(message, call.by, call.context);
    if (type === undefined) {
      deps.waitUntil(deps.drain());
      return Response.json({ success: true });
    }
    const outcome = await outcomeOf(id);
    if (outcome.state === "failed") return refusal(outcome, call.context);
    const { provider_id, phone, bsuid } = outcome;
    const answer: GraphSent = {
      messaging_product: "whatsapp",
      contacts: [{
        input: body.to ?? body.recipient,
        ...(phone === null ? {} : { wa_id: phone }),
        ...(bsuid === null ? {} : { user_id: bsuid }),
      }],
      messages: [{
        id: provider_id ?? id,
        ...(type === "template" || provider_id === null ? { message_status: "accepted" } : {}),
      }],
    };
    return Response.json(answer);
  }

  async function outcomeOf(id: string): Promise<OutboundOutcome> {
    const until = deps.now() + WAIT_MS;
    const drained = new AbortController();
    deps.waitUntil(deps.drain().finally(() => drained.abort()));
    await deps.wait(WAIT_MS, drained.signal);
    for (;;) {
      const outcome = await deps.outcome(id);
      if (outcome.state === "sent" || outcome.state === "failed" || deps.now() >= until) return outcome;
      await deps.wait(POLL_MS);
    }
  }

  /** The error with which a message was given up: Meta's own where it is. */
  function refusal({ error }: OutboundOutcome, context: Context): Response {
    const { code, status, message, details } = error ?? {};
    deps.countFailed(String(code));
    if (typeof code !== "number") {
      const known: ProblemCode = code === "opted_out" || code === "media_gone" ? code : "internal_error";
      return metaResponse(metaErrorOf(new Problem(known, { detail: text(message) })), context.requestId);
    }
    const meta: MetaError = {
      status: typeof status === "number" && status >= 400 ? status : 400,
      code,
      // Meta's words begin with the code already.
      message: (text(message) ?? "The message was refused").replace(/^\(#\d+\) /, ""),
      details: text(details),
    };
    return metaResponse(meta, context.requestId);
  }

  async function upload(call: Call<Context>): Promise<Response> {
    const from = numberOf(call);
    const kept = await deps.take(call.request, new URLSearchParams(), call.by);
    await deps.sendUpload(kept, from);
    return Response.json({ id: kept.id });
  }

  async function find({ params, query }: Call<Context>): Promise<Response> {
    return Response.json(await deps.find(params.media_id, numberIn(query)));
  }

  async function remove({ params, query }: Call<Context>): Promise<Response> {
    await deps.remove(params.media_id, numberIn(query));
    return Response.json({ success: true });
  }
}

/** A body whose objects and lists may be JSON in a text, as the Graph API takes them everywhere. */
function unpacked(body: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => {
      if (typeof value !== "string" || !/^[[{]/.test(value)) return [name, value];
      try {
        return [name, JSON.parse(value)];
      } catch {
        return [name, value];
      }
    }),
  );
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The number whose account has the file, if the caller names one. */
function numberIn(query: string): string | undefined {
  return new URLSearchParams(query).get("phone_number_id") ?? undefined;
}
