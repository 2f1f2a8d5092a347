/**
 * The public status: parts without internals, and public incidents with their public updates.
 *
 * @module
 */
import { cached } from "../_shared/db/cache.ts";
import { type Rpc, rpc } from "../_shared/db/client.ts";
import { ANY_ORIGIN } from "../_shared/http/cors.ts";
import type { StatusPage } from "../_shared/contract/answers/incidents.ts";
import { publicText } from "../_shared/contract/incidents.ts";
import type { PublicStatus } from "../_shared/contract/http/incidents.ts";
import type { HealthState } from "../_shared/contract/states.ts";
import { worst } from "./components.ts";

/** Seconds for which a browser or a shared cache may keep the response. */
const MAX_AGE = 10;

/**
 * Handler of `GET /functions/v1/health/status`, for everybody: 200
 * `{"status":"healthy"|"degraded"|"down","at","components":[{component,status}],"incidents":[{number,title,severity,status,opened_at,resolved_at,updates:[{at,status,text}]}]}`,
 * with incidents that are open or were resolved within 14 days, latest first. `status` is the worst of the
 * parts and the open incidents: P0 is down, others are degraded.
 *
 * Failure policy: open. While the database is unavailable, `status` is `down` and the last data is shown,
 * with `at` null if there is none: people look at this page when something is wrong. Each process asks the
 * database at most once in five seconds, however many requests there are.
 *
 * @param now Milliseconds of a monotonic clock.
 */
export function statusPage(
  call: Rpc = rpc,
  now: () => number = () => performance.now(),
): () => Promise<Response> {
  let last: StatusPage | undefined;
  const page = cached<{ found: StatusPage | undefined; away: boolean }>({
    ttlMs: 5000,
    now,
    load: async () => {
      try {
        last = await call("status_page", {}, { timeoutMs: 2000 });
        return { found: last, away: false };
      } catch {
        return { found: last, away: true };
      }
    },
  });
  return async () => {
    const { found, away } = await page.get();
    const { at = null, components = [], incidents = [], templates = {} } = found ?? {};
    const open = incidents.filter(({ status }) => status !== "resolved")
      .map(({ severity }): HealthState => severity === "P0" ? "down" : "degraded");
    const status = away ? "down" : worst([...components.map(({ status }) => status), ...open]);
    const body: PublicStatus = {
      status,
      at,
      components: away ? [{ component: "database", status: "down" }] : components,
      incidents: incidents.map(({ updates, ...incident }) => ({
        ...incident,
        updates: updates.map((update) => ({
          ...update,
          text: publicText(update, incident.severity, templates[`status_${update.status}`]),
        })),
      })),
    };
    return Response.json(body, { headers: { ...ANY_ORIGIN, "cache-control": `public, max-age=${MAX_AGE}` } });
  };
}
