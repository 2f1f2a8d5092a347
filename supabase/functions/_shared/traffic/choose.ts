/**
 * Which environment a request goes to. The local gateway and the function `gateway` ask the same code; the examples for
 * Cloudflare and nginx are held to it by tests.
 *
 * Failure policy: open, to blue. Without a configuration, without a token and while the kill switch GREEN_ENABLED is set,
 * everybody goes to blue, which always exists. While the database is away the last known split is used.
 *
 * @module
 */
import type { Config } from "../db/config.ts";
import { evaluate, type Flag, prepareFlags } from "../flags/evaluate.ts";
import { bearerOf } from "../gates/keys.ts";
import type { Environment } from "../http/environment.ts";
import { Problem } from "../http/problem.ts";
import { timingSafeEqual } from "../crypto/timing_safe_equal.ts";
import { log } from "../log/log.ts";
import { GREEN_FLAG } from "../contract/traffic.ts";
import { signVisit, VISITOR_HEADER } from "./visit.ts";
import { visitorOf } from "./visitor.ts";

/** Header with which a caller asks for an environment, and in which an answer says which one it was. */
export const ENVIRONMENT_HEADER = "x-environment";

/** What was decided for a request. */
export interface Choice {
  readonly environment: Environment;
  /** The signed visit whose outcome counts, for the header of that name; undefined where none does. */
  readonly visit?: string;
  /** `Set-Cookie` for the answer. */
  readonly cookie?: string;
}

/** Dependencies of {@linkcode createChoice}. */
export interface ChoiceDeps {
  /** LB_ADMIN_TOKEN: the first signs visitors, each is accepted; none if it is not set. */
  tokens(): readonly string[];
  loadConfig(): Promise<Config>;
  killed(flag: string): boolean;
}

const BLUE: Choice = { environment: "blue" };

/** Whether a request carries a token of the load balancer's administrators. */
export function hasToken(headers: Headers, tokens: readonly string[]): boolean {
  const shown = bearerOf(headers);
  return shown !== undefined && tokens.some((token) => timingSafeEqual(token, shown));
}

/** Creates the choice of one gateway. */
export function createChoice({ tokens, loadConfig, killed }: ChoiceDeps) {
  const prepared = new WeakMap<Config, ReadonlyMap<string, Flag>>();

  async function flags(): Promise<ReadonlyMap<string, Flag> | undefined> {
    try {
      const config = await loadConfig();
      let found = prepared.get(config);
      if (found === undefined) {
        prepared.set(config, found = prepareFlags(config.settings, config.segments));
      }
      return found;
    } catch (error) {
      log.warn("the split cannot be read: everybody goes to blue", { error });
      return undefined;
    }
  }

  /**
   * @param path Path at the gateway, with a leading slash and no query.
   * @param free Whether everybody may ask for an environment: `GET /health` alone.
   * @throws {Problem} `unauthorized` if an environment is asked for without the token, `invalid_request` if there is no
   *   such environment.
   */
  return async (headers: Headers, path: string, free: boolean): Promise<Choice> => {
    const secrets = tokens();
    const wanted = headers.get(ENVIRONMENT_HEADER);
    if (wanted !== null) {
      if (!free && !hasToken(headers, secrets)) {
        throw new Problem("unauthorized", {
          detail: `${ENVIRONMENT_HEADER} needs LB_ADMIN_TOKEN here.`,
          headers: { "www-authenticate": 'Bearer realm="load balancer"' },
        });
      }
      if (wanted !== "blue" && wanted !== "green") {
        throw new Problem("invalid_request", { detail: "There is no environment but blue and green." });
      }
      // A tester's request says nothing about visitors.
      return { environment: wanted };
    }
    if (!isSome(secrets)) return BLUE;
    const known = await flags();
    const flag = known?.get(GREEN_FLAG);
    if (known === undefined || flag === undefined) return BLUE;
    const visitor = visitorOf(headers, path, secrets);
    const green = evaluate(known, GREEN_FLAG, visitor.unit, killed(GREEN_FLAG)).value;
    // Nobody needs a cookie while there is nothing to choose; whoever has one is counted all the same.
    if (!flag.on && visitor.isNew) return BLUE;
    const environment = green ? "green" : "blue";
    return {
      environment,
      visit: signVisit(visitor.id, environment, secrets[0]),
      ...(visitor.cookie === undefined ? {} : { cookie: visitor.cookie }),
    };
  };
}

function isSome(tokens: readonly string[]): tokens is readonly [string, ...string[]] {
  return tokens.length > 0;
}

/** Headers as the function behind a gateway gets them: the visit from the choice, and nothing that is the gateway's. */
export function passedHeaders(headers: Headers, choice: Choice, tokens: readonly string[]): Headers {
  const passed = new Headers(headers);
  passed.delete(ENVIRONMENT_HEADER);
  passed.delete(VISITOR_HEADER);
  if (hasToken(headers, tokens)) passed.delete("authorization");
  if (choice.visit !== undefined) passed.set(VISITOR_HEADER, choice.visit);
  return passed;
}

/** The answer with the environment and the visitor's cookie in its headers. */
export function answered(response: Response, { environment, cookie }: Choice): Response {
  const copy = new Response(response.body, response);
  copy.headers.set(ENVIRONMENT_HEADER, environment);
  if (cookie !== undefined) copy.headers.append("set-cookie", cookie);
  return copy;
}
