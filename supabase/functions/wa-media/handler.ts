/**
 * The function for files of WhatsApp messages: gives them to services and to the panel, takes those to send, and stores
 * those that came in.
 *
 * @module
 */
import type { MediaUpload } from "../_shared/contract/http/media.ts";
import { requireLink } from "../_shared/media/link.ts";
import type { KeptUpload, TakeUpload } from "../_shared/media/uploads.ts";
import { Problem } from "../_shared/http/problem.ts";
import { type Call, createRouter, type Route } from "../_shared/http/routes.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";
import type { GiveMedia } from "./give.ts";

/** The routes of the function. */
export const ROUTES = [
  { method: "GET", path: "/{id}", auth: "operator", origins: "panel", checksItself: true, handler: "give" },
  { method: "DELETE", path: "/{id}", auth: "secret", handler: "remove" },
  { method: "POST", path: "/", auth: "secret", handler: "upload" },
  { method: "POST", path: "/worker", auth: "secret", handler: "work" },
] as const satisfies readonly Route[];

type Name = (typeof ROUTES)[number]["handler"];

/** Dependencies of the handler. */
export interface MediaDeps {
  killed(feature: string): boolean;
  requireSecretKey(headers: Headers): { name: string };
  /** Lets an operator or a secret key in, and returns its name. */
  requireOperator(headers: Headers): Promise<string>;
  /** The keys whose signed addresses are valid. */
  linkSecrets(): readonly string[];
  give: GiveMedia;
  take: TakeUpload;
  /** Uploads a kept file to Meta for a number. Throws a Problem if Meta refuses it. */
  send(upload: KeptUpload, numberId: string): Promise<void>;
  /** Removes an upload, here and at Meta; false if there is none. */
  remove(id: string): Promise<boolean>;
  /** Stores files that are due; resolves when there are no more. */
  work(): Promise<void>;
  waitUntil(work: Promise<unknown>): void;
  panelOrigins(): Promise<ReadonlySet<string>>;
  /** Milliseconds since 1970. */
  now(): number;
}

/** Kill switch: `WA_MEDIA_ENABLED`. */
const FEATURE = "wa_media";
/** Our own id. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NUMBER_ID = /^\d{1,32}$/;

/**
 * The handler of `wa-media`.
 *
 * - `GET /{id}`: the file of a message or an upload, by our id, or of Meta's id, or its `Range`; streamed. For secret
 *   keys, operators, and whoever has a signed address of it.
 * - `POST /`: keeps a file to send, and uploads it to Meta for `from`, or the only number. Answers 201 with
 *   {@linkcode MediaUpload}, 200 if the same file is kept already.
 * - `DELETE /{id}`: removes an upload.
 * - `POST /worker`: stores what is due. For the clock.
 *
 * Refusals: `media_not_found`, `media_gone`, `media_unavailable`, `range_not_satisfiable`, `forbidden` (an address that is not valid any more),
 * `storage_unavailable`, `invalid_request`, `payload_too_large`, `body_incomplete`.
 */
export function createHandler(deps: MediaDeps): Handler {
  return createRouter<Name, Context>("wa-media", ROUTES, {
    killed: () => deps.killed(FEATURE),
    gates: {
      secret: (headers) => deps.requireSecretKey(headers).name,
      operator: deps.requireOperator,
    },
    panelOrigins: deps.panelOrigins,
    handlers: { give, remove, upload, work },
  });

  async function give({ request, query, params: { id } }: Call<Context>): Promise<Response> {
    if (deps.killed(FEATURE)) throw new Problem("disabled_by_environment");
    const asked = new URLSearchParams(query);
    if (asked.has("signature")) requireLink(asked, id, deps.linkSecrets(), deps.now());
    else await deps.requireOperator(request.headers);
    return await deps.give(id, asked.get("phone_number_id") ?? undefined, {
      headOnly: request.method === "HEAD",
      range: request.headers.get("range"),
      ifRange: request.headers.get("if-range"),
    });
  }

  async function upload({ request, query, by }: Call<Context>): Promise<Response> {
    const asked = new URLSearchParams(query);
    const from = asked.get("from") ?? undefined;
    if (from !== undefined && !NUMBER_ID.test(from)) {
      const issues = [{ path: "from", message: "must be a phone_number_id: digits" }];
      throw new Problem("invalid_request", { extensions: { issues } });
    }
    const kept = await deps.take(request, asked, by);
    const numberId = from ?? kept.numberId;
    if (numberId !== undefined) await deps.send(kept, numberId);
    const { known, numberId: _, ...answer } = kept;
    return Response.json(answer satisfies MediaUpload, { status: known ? 200 : 201 });
  }

  async function remove({ params: { id } }: Call<Context>): Promise<Response> {
    if (!UUID.test(id) || !await deps.remove(id)) throw new Problem("media_not_found");
    return new Response(null, { status: 204 });
  }

  function work(): Response {
    deps.waitUntil(deps.work());
    return Response.json({ status: "storing" }, { status: 202 });
  }
}
