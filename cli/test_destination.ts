/** `gatelink destinations test`: one signed event, sent as the router sends messages, by the same code. */
import { compileAllowlist } from "../supabase/functions/_shared/forward/allowlist.ts";
import { resolvePublic } from "../supabase/functions/_shared/forward/addresses.ts";
import {
  deliver,
  type DeliveryError,
  type DeliveryResult,
} from "../supabase/functions/_shared/forward/deliver.ts";
import type { Api } from "./api.ts";
import { destinationNamed, loadConfig } from "./config.ts";
import { CliError } from "./errors.ts";
import { clean, facts, verdict } from "./output.ts";
import type { Result, Session } from "./session.ts";

/** How much of an answer is shown. */
const SHOWN = 2000;

/** Sends the event and tells what came back; failed when that was not 2xx. */
export async function testDestination(session: Session, name: string, secret?: string): Promise<Result> {
  const api = await session.api();
  const destination = await destinationNamed(api, name);
  const secrets = secret === undefined ? await storedSecrets(api, name) : [secret];
  const { allowlist, settings } = await loadConfig(api);
  const world = {
    fetch,
    resolve: resolvePublic,
    allowlist: await compileAllowlist(
      allowlist.filter((entry) => entry.purpose === "forward").map((entry) => entry.pattern),
    ),
    // As the router has it: a setting of the local stack alone.
    allowLoopback: isLoopback(api.stack.url) &&
      settings.some(({ key, value }) => key === "forward.allow_loopback" && value === "true"),
  };
  const id = crypto.randomUUID();
  const result = await deliver(world, {
    id,
    url: destination.url,
    secrets,
    timeoutMs: destination.timeout_ms,
    event: {
      type: "gatelink.test",
      timestamp: new Date().toISOString(),
      data: { note: "A test of this destination by a person. It is about no message." },
    },
  });
  const { ok, status, latencyMs, error, detail, answer } = result;
  const cut = answer === undefined ? undefined : clean(answer).slice(0, SHOWN);
  return {
    document: {
      destination: name,
      webhook_id: id,
      ok,
      status,
      latency_ms: latencyMs,
      error,
      detail,
      answer: cut,
    },
    text: facts({
      [name]: verdict(ok),
      url: destination.url,
      status: status ?? "no answer",
      latency: `${latencyMs} ms`,
      ...(error === undefined ? {} : { error: detail === undefined ? error : `${error}: ${detail}` }),
      answer: cut,
      ...(ok ? {} : { next: adviceOn(result) }),
    }),
    failed: !ok,
  };
}

/**
 * The secrets that sign now. The Data API gives none of them away, so this asks the database itself, whose address
 * only the local stack's file has.
 */
async function storedSecrets(api: Api, name: string): Promise<string[]> {
  if (api.stack.dbUrl === undefined) {
    throw new CliError(
      "usage",
      "The signing secret is needed: a hosted project does not give it away.",
      `gatelink destinations test ${name} --secret whsec_… (lost? gatelink destinations rotate-secret ${name})`,
    );
  }
  const { default: postgres } = await import("postgres");
  const sql = postgres(api.stack.dbUrl, { max: 1, onnotice: () => {} });
  try {
    const rows = await sql<{ secret: string }[]>`
      select s.secret from private.destination_secrets s join public.destinations d on d.id = s.destination_id
      where d.name = ${name} and (s.expires_at is null or s.expires_at > now()) order by s.created_at desc`;
    return rows.map((row) => row.secret);
  } finally {
    await sql.end();
  }
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

const ADVICE: Record<DeliveryError, string> = {
  not_permitted: "Allow its host: gatelink allowlist add HOST --for forward",
  unsendable: "Give the destination a proper secret: gatelink destinations rotate-secret NAME",
  dns: "Check the host name.",
  address: "The service must be reachable from the internet under this name.",
  timeout: "The service must answer sooner, or needs a longer --timeout.",
  tls: "Check the service's certificate.",
  connect: "Start the service, and check host and port.",
  connection: "Look into the service's log.",
  redirect: "Redirects are not followed: add the address that it leads to.",
  status: "Look into the service's log.",
};

function adviceOn({ error, status }: DeliveryResult): string {
  if (status === 401 || status === 403) {
    return "The service refuses the signature: does it have this destination's secret?";
  }
  return error === undefined ? "" : ADVICE[error];
}
