/**
 * The clock's door to routing: whoever holds a secret key can make an isolate do what waits.
 *
 * @module
 */
import { Problem } from "../_shared/http/problem.ts";
import type { Handler } from "../_shared/http/serve.ts";
import type { Routing } from "../_shared/router/routing.ts";

/** What the handler needs. */
export interface RouterDeps {
  killed(feature: string): boolean;
  /** Throws a Problem unless the request carries a secret key. */
  requireSecretKey(headers: Headers): void;
  routing: Pick<Routing, "drain">;
  waitUntil(work: Promise<unknown>): void;
}

/**
 * `POST`: starts routing what waits and answers 202 at once; the work goes on after the answer, for as long as there
 * is some. Calling it while it runs, or in two isolates, does no harm: each claims what nobody else has.
 */
export function createHandler(
  { killed, requireSecretKey, routing, waitUntil }: RouterDeps,
): { POST: Handler } {
  return {
    POST: async (request) => {
      if (killed("wa_router.enabled")) throw new Problem("disabled_by_environment");
      requireSecretKey(request.headers);
      await request.body?.cancel();
      waitUntil(routing.drain());
      return Response.json({ status: "draining" }, { status: 202 });
    },
  };
}
