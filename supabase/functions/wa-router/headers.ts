/**
 * A destination's own headers, such as `Authorization`: sealed here, so that the database cannot read what it
 * stores.
 *
 * @module
 */
import type { HeadersSet, Resealed } from "../_shared/contract/http/destinations.ts";
import { HEADER_NAME, HEADER_VALUE, MAX_HEADER_VALUE, MAX_HEADERS } from "../_shared/contract/http/limits.ts";
import { seal, sealedWith, type SealingKeys, unseal } from "../_shared/crypto/seal.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { headerContext } from "../_shared/delivery/deliver.ts";
import { readJson } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Logger } from "../_shared/log/log.ts";

/** Dependencies of the headers. */
export interface HeadersDeps {
  rpc: Rpc;
  keys(): SealingKeys;
}

/**
 * Sets headers of one destination, `name` as in the address, or reseals all of them. `actor` is the caller.
 */
export interface DestinationHeaders {
  set(name: string, actor: string, request: Request, log: Logger): Promise<Response>;
  reseal(actor: string, log: Logger): Promise<Response>;
}

const MAX_BODY_BYTES = 64 * 1024;
/** What the delivery itself says, or the connection does; and the name that readers of JSON drop. */
const OURS =
  /^(__proto__|host|content-.*|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|proxy-.*|user-agent|accept-encoding|traceparent|tracestate|webhook-.*)$/;

/**
 * Creates {@linkcode DestinationHeaders}.
 *
 * - `set` takes `{"headers": {name: value, or null to remove it}}` and returns the names, never a value.
 *   Refusals: `destination_not_found`, `invalid_json`, `invalid_request`, `payload_too_large`,
 *   `config_invalid` without a key in `SEALING_KEYS`, `database_unavailable`.
 * - `reseal` seals each value with the first key, so that the others can be removed, and answers `{resealed,
 *   left}`; values counted in `left` were sealed with a key that no longer exists, and must be set again.
 */
export function createHeaders({ rpc, keys }: HeadersDeps): DestinationHeaders {
  function keysToSeal(): SealingKeys {
    const all = keys();
    if (Object.keys(all).length > 0) return all;
    throw new Problem("config_invalid", {
      detail: "SEALING_KEYS contains no key to encrypt the header with.",
    });
  }

  return {
    async set(name, actor, request, log) {
      const headers = readHeaders(await readJson(request, MAX_BODY_BYTES));
      const { id } = await rpc("destination_to_test", { p_name: name }).catch((error) => {
        throw error instanceof DbError && error.code === "GL404"
          ? new Problem("destination_not_found", { detail: `There is no destination named ${name}.` })
          : error;
      });
      const sealed = await Promise.all(
        Object.entries(headers).map(async ([header, value]) =>
          [
            header,
            value === null ? null : await seal(keysToSeal(), value, headerContext(id, header)),
          ] as const
        ),
      );
      const all = await rpc("set_destination_headers", {
        p_name: name,
        p_headers: Object.fromEntries(sealed),
        p_by: actor,
      }).catch((error) => {
        throw error instanceof DbError && error.code === "GL422"
          ? new Problem("invalid_request", {
            detail: `A destination has at most ${MAX_HEADERS} custom headers.`,
          })
          : error;
      });
      log.info("headers of a destination were set", {
        destination: name,
        actor,
        headers: Object.keys(headers),
      });
      return Response.json({ destination: name, headers: all } satisfies HeadersSet);
    },

    async reseal(actor, log) {
      const now = keysToSeal();
      const [first] = Object.keys(now);
      const old = (await rpc("sealed_headers", {})).filter(({ sealed }) => sealedWith(sealed) !== first);
      const opened = await Promise.allSettled(old.map(async ({ destination_id, name, sealed }) => {
        const context = headerContext(destination_id, name);
        const after = await seal(now, await unseal(now, sealed, context), context);
        return { destination_id, name, before: sealed, after };
      }));
      const anew = opened.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
      const resealed = anew.length === 0 ? 0 : await rpc("reseal_headers", { p_headers: anew });
      const left = old.length - anew.length;
      log.info("headers of destinations were sealed anew", { actor, key: first, resealed, left });
      return Response.json({ key: first, resealed, left } satisfies Resealed);
    },
  };
}

/** The headers of a body, by their names in lower case. @throws {Problem} invalid_request */
export function readHeaders(body: unknown): Record<string, string | null> {
  const refuse = (detail: string) => new Problem("invalid_request", { detail });
  const given = (body as { headers?: unknown } | null)?.headers;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw refuse('The body is {"headers": {"authorization": "…"}}.');
  }
  const entries = Object.entries(given).map(([name, value]) => [name.toLowerCase(), value] as const);
  if (
    entries.length === 0 || entries.length > MAX_HEADERS ||
    new Set(entries.map(([n]) => n)).size < entries.length
  ) {
    throw refuse(`Name 1 to ${MAX_HEADERS} headers, each once.`);
  }
  for (const [name, value] of entries) {
    if (!HEADER_NAME.test(name)) throw refuse("A header name has up to 64 letters, digits and -.");
    if (OURS.test(name)) throw refuse(`The header ${name} cannot be set for a destination.`);
    if (
      value !== null &&
      (typeof value !== "string" || value.length > MAX_HEADER_VALUE || !HEADER_VALUE.test(value))
    ) {
      throw refuse(`The value of ${name} must be printable ASCII without surrounding spaces, or null.`);
    }
  }
  return Object.fromEntries(entries);
}
