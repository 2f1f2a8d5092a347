/** What the checks of a deployment share: the target that they ask, and what they say. */
import { type Api, connect } from "../../cli/core/api.ts";
import { CliError } from "../../cli/core/errors.ts";
import { denoIo } from "../../cli/core/io_deno.ts";
import { findStack, type Stack } from "../../cli/core/stack.ts";
import { gatewayOf } from "../../cli/commands/traffic/probe.ts";
import { type Environment, slugOf } from "../../supabase/functions/_shared/http/environment.ts";

/** The result of one question. */
export interface Check {
  what: string;
  ok: boolean;
  /** What was found. */
  detail: string;
}

/** What is checked. */
export interface Target {
  stack: Stack;
  api: Api;
  /** The address of visitors, without a trailing slash. */
  gateway: string;
  /** Whose slugs are called directly. */
  environment: Environment;
  requests: number;
  apiP99: number;
  trackingP99: number;
  load: Load;
}

/** What is driven against an environment; of a task that drives nothing, nothing. */
export interface Load {
  /** How many times the present rate. */
  times: number;
  /** For how long, in seconds. */
  seconds: number;
  /** The present rate, in requests a second, if it is not to be measured. */
  rate: number | undefined;
}

/** An answer with its body read. */
export interface Answered {
  status: number;
  headers: Headers;
  text: string;
  // deno-lint-ignore no-explicit-any
  body: any;
}

const TIMEOUT_MS = 20_000;

/**
 * The stack that a task is about: production is the one that `gatelink` uses; staging the one of STAGING_URL and
 * STAGING_SECRET_KEY, else the one that `gatelink` uses, such as a local stack.
 * @throws {CliError} stack_not_found, usage
 */
export async function stackOf(name: string): Promise<Stack> {
  const { STAGING_URL: url, STAGING_SECRET_KEY: secretKey } = Deno.env.toObject();
  if (name !== "staging" || url === undefined) return await findStack(denoIo());
  if (!secretKey) {
    throw new CliError("usage", "STAGING_URL is set, and STAGING_SECRET_KEY is not.", "Set both.");
  }
  return {
    url: url.replace(/\/+$/, ""),
    secretKey,
    from: "STAGING_URL and STAGING_SECRET_KEY",
    file: undefined,
  };
}

/** The target on a stack. */
export function targetOf(
  stack: Stack,
  { gateway, ...others }: Pick<Target, "environment" | "requests" | "apiP99" | "trackingP99" | "load"> & {
    gateway: string | undefined;
  },
): Target {
  return { stack, api: connect(stack), gateway: gatewayOf(stack, gateway), ...others };
}

/** Asks an address. A connection that fails is status 0. */
export async function ask(url: string, init: RequestInit = {}): Promise<Answered> {
  try {
    const response = await fetch(url, {
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...init,
    });
    const text = await response.text();
    const json = /\bjson\b/.test(response.headers.get("content-type") ?? "");
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: json && text !== "" ? JSON.parse(text) : undefined,
    };
  } catch (error) {
    return { status: 0, headers: new Headers(), text: (error as Error).message, body: undefined };
  }
}

/** Asks a function under the slug of the target's environment. */
export function call(
  { stack, environment }: Target,
  path: string,
  init: RequestInit = {},
): Promise<Answered> {
  const [, name, rest] = /^([\w-]+)(.*)$/.exec(path)!;
  return ask(`${stack.url}/functions/v1/${slugOf(name, environment)}${rest}`, init);
}

/** A check that an answer has a status, and a code if it is a problem. */
export function expects(
  what: string,
  { status, body, text }: Answered,
  wanted: number,
  code?: string,
): Check {
  const found = [
    status === 0 ? `no answer: ${text}` : status,
    ...(body?.code === undefined ? [] : [body.code]),
  ];
  return {
    what,
    ok: status === wanted && (code === undefined || body?.code === code),
    detail: found.join(" "),
  };
}
