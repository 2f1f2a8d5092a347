/** The supervisor's own server, on an internal port: all parts of the stack that are not functions. */
import { Problem, problemResponse } from "../supabase/functions/_shared/http/problem.ts";
import { log } from "../supabase/functions/_shared/log/log.ts";

type Fetch = (request: Request) => Response | Promise<Response>;

export interface Gateway {
  /** Its URL, without a trailing slash. */
  url: string;
  stop(): Promise<void>;
}

/** Serves by path prefix: `{"/rest/v1": …}`. `/` redirects to /simulator/; other paths are 404. */
export function startGateway(paths: Record<string, Fetch>): Gateway {
  const routes = Object.entries(paths);
  const onError = (error: unknown) => {
    log.error("a part of the stack failed", { error });
    return problemResponse(new Problem("internal_error"), crypto.randomUUID());
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, onError }, (request) => {
    const path = new URL(request.url).pathname;
    const route = routes.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`));
    if (route) return route[1](request);
    if (path === "/") return new Response(null, { status: 302, headers: { location: "/simulator/" } });
    return problemResponse(new Problem("not_found"), crypto.randomUUID());
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    async stop() {
      // Event streams of the simulator's page would last for ever.
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise((resolve) => timer = setTimeout(resolve, 1_000));
      await Promise.race([server.shutdown(), late]).finally(() => clearTimeout(timer));
    },
  };
}
