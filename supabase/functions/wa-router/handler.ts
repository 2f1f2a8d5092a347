/**
 * The doors to routing.
 *
 * | address                       | methods       | for whom                    |
 * | ----------------------------- | ------------- | --------------------------- |
 * | `/`                           | POST          | secret keys: the clock      |
 * | `/destinations/{name}/test`   | POST, OPTIONS | secret keys and operators   |
 * | `/destinations/{name}/headers` | PATCH, OPTIONS | secret keys and operators |
 * | `/destinations/reseal`        | POST          | secret keys and admins      |
 *
 * @module
 */
import { Problem } from "../_shared/http/problem.ts";
import type { Handler } from "../_shared/serve/serve.ts";
import type { Pipeline } from "../_shared/pipeline/pipeline.ts";
import { createPanelCors } from "../_shared/http/cors.ts";
import type { DestinationHeaders } from "./headers.ts";
import type { TestDestination } from "./destination_test_event.ts";

/** What the handler needs. */
export interface RouterDeps {
  killed(feature: string): boolean;
  /** Throws a Problem unless the request carries a secret key. */
  requireSecretKey(headers: Headers): void;
  pipeline: Pick<Pipeline, "drain">;
  waitUntil(work: Promise<unknown>): void;
  test: TestDestination;
  headers: DestinationHeaders;
  /** Origins of the admin panel, whose pages may test destinations. */
  panelOrigins(): Promise<ReadonlySet<string>>;
}

/**
 * - `POST /`: starts routing and sending what waits and answers 202 at once; the work goes on after the answer, for as long
 *   as there is some. Calling it while it runs, or in two isolates, does no harm: each claims what nobody else has. With
 *   WhatsApp's kill switch set it answers 503, and what is not switched off goes on all the same.
 * - `PATCH /destinations/{name}/headers` and `POST /destinations/reseal`: see `headers.ts`.
 * - `POST /destinations/{name}/test`: sends a signed test event and answers how that went; see `test_destination.ts`.
 */
export function createHandler(deps: RouterDeps): Handler {
  const { killed, requireSecretKey, pipeline, waitUntil, test, headers } = deps;
  const { panel, panelPreflight } = createPanelCors(deps.panelOrigins);

  async function drain(request: Request): Promise<Response> {
    if (killed("wa_router.enabled")) {
      // The switch is WhatsApp's, and the clock has this one door: each step of the pipeline asks for its own channel.
      if (holdsSecretKey(request.headers)) waitUntil(pipeline.drain());
      throw new Problem("disabled_by_environment");
    }
    requireSecretKey(request.headers);
    await request.body?.cancel();
    waitUntil(pipeline.drain());
    return Response.json({ status: "draining" }, { status: 202 });
  }

  function holdsSecretKey(headers: Headers): boolean {
    try {
      requireSecretKey(headers);
      return true;
    } catch {
      return false;
    }
  }

  return (request, context) => {
    const { method } = request;
    const path = pathOf(request.url);
    const [, name, act] = /^\/destinations\/([^/]+)\/(test|headers)$/.exec(path) ?? [];
    if (name === undefined && path !== "/" && path !== "/destinations/reseal") throw new Problem("not_found");
    const wanted = act === "headers" ? "PATCH" : "POST";
    if (method === "OPTIONS" && name !== undefined) return panelPreflight(request, [wanted]);
    if (method !== wanted) {
      const allow = name === undefined ? wanted : `OPTIONS, ${wanted}`;
      throw new Problem("method_not_allowed", { headers: { allow } });
    }
    if (path === "/") return drain(request);
    const requireOn = () => {
      if (killed("wa_router.enabled")) throw new Problem("disabled_by_environment");
    };
    if (name === undefined) {
      requireOn();
      return headers.reseal(request, context.log);
    }
    return panel(request, async () => {
      requireOn();
      if (act === "headers") return await headers.set(name, request, context.log);
      await request.body?.cancel();
      return await test(name, request.headers, context.log);
    });
  };
}

/** Path below the function's own, as the platform hands it over or as a caller sees it; no slash at its end. */
function pathOf(url: string): string {
  const path = new URL(url).pathname.replace(/^(\/functions\/v1)?\/wa-router(?=\/|$)/, "").replace(/\/$/, "");
  return path === "" ? "/" : path;
}
