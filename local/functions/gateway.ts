/**
 * The gateway of the local stack, in front of two environments: what a proxy in front of a project does with the split,
 * without another connection for each request.
 */
import { env } from "../../supabase/functions/_shared/config/env.ts";
import { killed } from "../../supabase/functions/_shared/config/kill_switch.ts";
import { loadConfig } from "../../supabase/functions/_shared/db/config.ts";
import type { Environment } from "../../supabase/functions/_shared/http/environment.ts";
import { Problem, problemResponse } from "../../supabase/functions/_shared/http/problem.ts";
import { log } from "../../supabase/functions/_shared/log/log.ts";
import { answered, createChoice, passedHeaders } from "../../supabase/functions/_shared/traffic/choose.ts";

/**
 * Answers a request in its visitor's environment.
 * @param path Of the request, without its query.
 * @param send Answers it in one.
 */
export type LocalGateway = (
  request: Request,
  path: string,
  send: (environment: Environment) => Response | Promise<Response>,
) => Promise<Response>;

/** The gateway by the environment of this process. */
export function createLocalGateway(): LocalGateway {
  const tokens = () => env("LB_ADMIN_TOKEN").LB_ADMIN_TOKEN;
  const choose = createChoice({ tokens, loadConfig, killed });
  return async (request, path, send) => {
    try {
      const choice = await choose(request.headers, path, path === "/health");
      Object.defineProperty(request, "headers", { value: passedHeaders(request.headers, choice, tokens()) });
      return answered(await send(choice.environment), choice);
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem("internal_error", { cause: error });
      if (problem !== error) log.error("the gateway failed", { error });
      return problemResponse(problem, crypto.randomUUID());
    }
  };
}
