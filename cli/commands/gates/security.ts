/** Gates that check the running functions and the project's secrets. */
import { sign } from "../../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { misreadLimits, SETTABLE_LIMITS } from "../../../supabase/functions/_shared/contract/limits.ts";
import { entry, type Gate, type GateContext, none, notApplicable, open } from "./gate.ts";
import { age } from "../../core/output.ts";
import { openProject } from "../../core/project.ts";

/** Secrets older than this should be changed. */
const SECRET_AGE_S = 180 * 86_400;

export const SECURITY_GATES: Gate[] = [
  {
    ...entry("signatures"),
    check: signatures,
  },
  {
    ...entry("rate_limits"),
    check: rateLimits,
  },
  {
    ...entry("secrets"),
    check({ health }) {
      const faults = (health.config ?? []).map(({ variable, fault }) => `${variable}: ${fault}`);
      if (faults.length === 0 && health.status === undefined) {
        return open(`health answers ${health.code ?? "nothing"}`, "gatelink status; see the functions' log");
      }
      return none(faults, "health reports all of them", "not usable", "supabase secrets set NAME=…");
    },
  },
  {
    ...entry("secrets_age"),
    check: secretsAge,
  },
];

/**
 * Sends webhooks to the running function: unsigned, signed with another secret, and, if the secret is known,
 * correctly signed.
 */
async function signatures({ api }: GateContext) {
  const url = `${api.stack.url}/functions/v1/wa-webhook`;
  const body = new TextEncoder().encode(`{"object":"whatsapp_business_account","entry":[]}`);
  const post = async (signature: string | undefined) => {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(signature === undefined ? {} : { "x-hub-signature-256": signature }),
      },
      body,
      signal: AbortSignal.timeout(20_000),
    });
    await response.body?.cancel();
    return response.status;
  };
  const secret = api.stack.whatsapp?.appSecret;
  const tried: [what: string, got: number, wanted: number][] = [
    ["unsigned", await post(undefined), 401],
    ["signed with another secret", await post(sign(body, "not the app secret")), 401],
    ["with an invalid signature", await post("sha256=0"), 401],
    ...(secret === undefined
      ? []
      : [["correctly signed", await post(sign(body, secret)), 200] as [string, number, number]]),
  ];
  const bad = tried.filter(([, got, wanted]) => got !== wanted)
    .map(([what, got, wanted]) => `${what}: ${got}, not ${wanted}`);
  return none(
    bad,
    tried.map(([what, got]) => `${what} ${got}`).join(", "),
    "wa-webhook",
    "See WHATSAPP_APP_SECRET and the log of wa-webhook",
  );
}

/** Uses up a limit of its own until it refuses, and checks the configured limits. */
async function rateLimits({ api }: GateContext) {
  const key = `gates:${crypto.randomUUID()}`;
  const take = () =>
    api.rpc("take_rate", {
      p_key: key,
      p_rate: 0.01,
      p_burst: 1,
    });
  const first = await take(), second = await take();
  if (!first.allowed || second.allowed || !second.retry_after_ms) {
    return open("the limiter allows more than its limit", "See the SQL function take_rate");
  }
  const keys = SETTABLE_LIMITS.map(({ setting }) => setting.key);
  const set = await api.rows((client) => client.from("settings").select("key,value").in("key", keys));
  const valueOf = new Map(set.map(({ key, value }) => [key, value]));
  const bad = misreadLimits(set).map(({ key, why }) => `${key} is ${valueOf.get(key)}, and ${why}`);
  const said = set.map(({ key, value }) => `${key} ${value}`).join(", ");
  return none(
    bad,
    `the limiter works; ${said || "default limits"}`,
    "no limit",
    "Set it to a number within its bounds",
  );
}

async function secretsAge({ session, api, local, projectRef, now }: GateContext) {
  if (local) return notApplicable("a stack on this machine");
  const project = await openProject(session.io, api.stack, projectRef);
  try {
    const { secrets } = await project.json<{ secrets: { name: string; updated_at?: string }[] }>([
      "secrets",
      "list",
    ]);
    const ours = secrets.filter(({ name }) => /^WHATSAPP_(APP_SECRET|VERIFY_TOKEN|ACCESS_TOKEN)$/.test(name));
    if (ours.length === 0) {
      return open("the project has no WhatsApp secrets", "supabase secrets set; see docs/deploy.md");
    }
    const ageOf = (at: string | undefined) =>
      at === undefined ? Infinity : (now.getTime() - Date.parse(at)) / 1000;
    const old = ours.filter(({ updated_at }) => ageOf(updated_at) > SECRET_AGE_S)
      .map(({ name, updated_at }) => `${name} ${updated_at ? age(ageOf(updated_at)) : "of unknown age"}`);
    return none(
      old,
      `${ours.length} younger than ${age(SECRET_AGE_S)}`,
      "old",
      "Change it at Meta, then supabase secrets set",
    );
  } finally {
    await project.close();
  }
}
