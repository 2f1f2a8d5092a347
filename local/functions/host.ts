/**
 * The process with the public port: serves the functions and the paths of a link domain, and passes
 * everything else to the supervisor (local/start.ts), which starts this process, supervises it, and restarts
 * it if it dies.
 *
 * Argument: {@link HostOptions} as JSON. Environment: that of the functions. "stop" on standard input, or
 * SIGTERM, ends it after its current work; the end of the input (the supervisor is gone) ends it at once.
 */
import process from "node:process";
import { requireHost } from "../../supabase/functions/_shared/http/host.ts";
import { Problem, problemResponse } from "../../supabase/functions/_shared/http/problem.ts";
import { log } from "../../supabase/functions/_shared/log/log.ts";
import { serveFunctions } from "./functions.ts";
import { createLocalGateway } from "./gateway.ts";

/** Options from the supervisor. */
export interface HostOptions {
  port: number;
  /** Folder with a folder per function. */
  functions: string;
  /** Folder of the functions of green; undefined while only blue is deployed. */
  green?: string;
  /** URL of the supervisor's own server. */
  upstream: string;
}

/** Exit code if another process listens on the port. */
export const PORT_IN_USE = 98;

/** Time limit of requests and background work at a stop, in milliseconds. */
const DRAIN_MS = 5_000;

function main(options: HostOptions): void {
  const exit = Deno.exit;
  survive();
  const pending = waitUntil();
  const functions = serveFunctions(
    options.functions,
    options.green === undefined ? undefined : { green: options.green, gateway: createLocalGateway() },
  );
  // Host decides for the simulator whether a page of another site is talking to it: it has to arrive as it was.
  const client = Deno.createHttpClient({ allowHost: true });

  async function pass(request: Request): Promise<Response> {
    const target = options.upstream + request.url.slice(request.url.indexOf("/", 8));
    try {
      const { method, headers, body } = request;
      return await fetch(target, { method, headers, body, redirect: "manual", client });
    } catch (error) {
      log.error("the supervisor did not answer", { error });
      return problemResponse(new Problem("overloaded"), crypto.randomUUID());
    }
  }

  let server: Deno.HttpServer;
  try {
    server = Deno.serve(
      { hostname: "127.0.0.1", port: options.port, onListen() {} },
      (request, { remoteAddr }) => {
        try {
          requireHost(request.headers);
        } catch (error) {
          return problemResponse(error as Problem, crypto.randomUUID());
        }
        return functions.fetch(request, remoteAddr.hostname) ?? pass(request);
      },
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    exit(PORT_IN_USE);
  }
  functions.preload();

  async function stop(): Promise<never> {
    const deadline = AbortSignal.timeout(DRAIN_MS);
    const late = new Promise((resolve) => deadline.addEventListener("abort", resolve));
    await Promise.race([server.shutdown(), late]);
    // As the platform does before it ends a process; functions hand their last work to waitUntil.
    dispatchEvent(new CustomEvent("beforeunload", { detail: { reason: "termination" } }));
    while (pending.size > 0 && !deadline.aborted) await Promise.race([Promise.all(pending), late]);
    return exit(0);
  }

  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", () => void stop());
  (async () => {
    for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
      if (text.startsWith("stop")) await stop();
    }
    exit(0);
  })();
}

/**
 * A function may throw in a timer, reject after its response, or try to exit: the process must survive that.
 */
function survive(): void {
  addEventListener("error", (event) => {
    event.preventDefault();
    log.error("a function failed outside of a request", { error: event.error });
  });
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("a function left a promise rejected", { error: event.reason });
  });
  const exit = (): never => {
    throw new Error("A function can't end the process.");
  };
  Object.defineProperty(Deno, "exit", { value: exit });
  process.exit = exit;
}

/** Provides `EdgeRuntime.waitUntil` to functions, and returns the running work. */
function waitUntil(): Set<Promise<unknown>> {
  const pending = new Set<Promise<unknown>>();
  Object.assign(globalThis, {
    EdgeRuntime: {
      waitUntil(promise: Promise<unknown>): void {
        const work = Promise.resolve(promise)
          .catch((error) => log.error("work after the answer failed", { error }))
          .finally(() => pending.delete(work));
        pending.add(work);
      },
    },
  });
  return pending;
}

if (import.meta.main) main(JSON.parse(Deno.args[0]));
