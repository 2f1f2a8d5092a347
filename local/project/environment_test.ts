import { readEd25519Key } from "../../supabase/functions/_shared/crypto/ed25519.ts";
import { assert, assertEquals, assertThrows } from "../../tests/support/assert.ts";
import { readSealingKeys } from "../../supabase/functions/_shared/crypto/seal.ts";
import type { Keys } from "./data_folder.ts";
import { functionsEnvironment, userSecrets, whatsappAccount } from "./environment.ts";
import { join } from "../../lib/paths.ts";
import { UserError } from "../../lib/user_error.ts";

const KEYS: Keys = {
  publishableKey: "sb_publishable_p",
  secretKey: "sb_secret_s",
  jwtSecret: "j",
  dbPassword: "d",
  admin: { email: "admin@example.com", password: "p" },
  whatsapp: {
    appSecret: "a",
    verifyToken: "v",
    accessToken: "t",
    phoneNumberId: "1",
    displayNumber: "15550100100",
  },
  email: { apiKey: "SG.mail", signingKey: "signing", publicKey: "public", apiToken: "api-token" },
};

function environment(secrets: Record<string, string>): Record<string, string> {
  const whatsapp = whatsappAccount(KEYS, secrets);
  return functionsEnvironment({
    url: "http://127.0.0.1:9",
    keys: KEYS,
    whatsapp,
    apiUrl: "http://127.0.0.1:1",
    dbUrl: "postgresql://x",
    secrets,
  });
}

Deno.test("functionsEnvironment: what the platform injects, and each provider of the stack's own", () => {
  const {
    SEALING_KEYS,
    TWILIO_ACCOUNT_SID,
    TWILIO_AUTH_TOKEN,
    TELNYX_API_KEY,
    TELNYX_PUBLIC_KEY,
    GOOGLE_CLIENT_SECRET,
    MICROSOFT_CLIENT_SECRET,
    TELEGRAM_BOT_TOKEN,
    TELEGRAM_WEBHOOK_SECRET,
    OPENAI_API_KEY,
    PD_TOKEN,
    PD_ROUTING_KEY,
    PD_WEBHOOK_SECRET,
    OPSGENIE_API_KEY,
    OPSGENIE_WEBHOOK_SECRET,
    ...rest
  } = environment({});
  const secrets = [
    GOOGLE_CLIENT_SECRET,
    MICROSOFT_CLIENT_SECRET,
    TELEGRAM_WEBHOOK_SECRET,
    PD_TOKEN,
    PD_ROUTING_KEY,
  ];
  for (const secret of [...secrets, PD_WEBHOOK_SECRET, OPSGENIE_API_KEY, OPSGENIE_WEBHOOK_SECRET]) {
    assert(/^[0-9a-f]{32}$/.test(secret), secret);
  }
  assert(/^7000000001:[0-9a-f]{32}$/.test(TELEGRAM_BOT_TOKEN), TELEGRAM_BOT_TOKEN);
  assert(/^sk-local-[0-9a-f]{32}$/.test(OPENAI_API_KEY), OPENAI_API_KEY);
  assert(typeof readSealingKeys(SEALING_KEYS) !== "string");
  assert(/^AC[0-9a-f]{32}$/.test(TWILIO_ACCOUNT_SID), TWILIO_ACCOUNT_SID);
  assert(/^[0-9a-f]{32}$/.test(TWILIO_AUTH_TOKEN), TWILIO_AUTH_TOKEN);
  assert(/^KEY[0-9a-f]{32}$/.test(TELNYX_API_KEY), TELNYX_API_KEY);
  assert(readEd25519Key(TELNYX_PUBLIC_KEY) !== undefined, TELNYX_PUBLIC_KEY);
  assertEquals(rest, {
    DEPLOY_ENVIRONMENT: "local",
    SUPABASE_URL: "http://127.0.0.1:1",
    SUPABASE_DB_URL: "postgresql://x",
    SUPABASE_PUBLISHABLE_KEYS: `{"default":"sb_publishable_p"}`,
    SUPABASE_SECRET_KEYS: `{"default":"sb_secret_s"}`,
    SUPABASE_JWKS: `{"keys":[]}`,
    WHATSAPP_APP_SECRET: "a",
    WHATSAPP_APP_SECRET_SECOND: "a-second",
    WHATSAPP_VERIFY_TOKEN: "v",
    WHATSAPP_ACCESS_TOKEN: "t",
    WHATSAPP_ACCESS_TOKEN_SECOND: "t-second",
    WHATSAPP_GRAPH_URL: "http://127.0.0.1:1/simulator/graph/v26.0",
    SENDGRID_API_KEY: "SG.mail",
    SENDGRID_URL: "http://127.0.0.1:1/simulator/sendgrid",
    SENDGRID_INBOUND_PUBLIC_KEY: "public",
    SENDGRID_EVENTS_PUBLIC_KEY: "public",
    TWILIO_URL: "http://127.0.0.1:1/simulator/twilio",
    TELNYX_URL: "http://127.0.0.1:1/simulator/telnyx",
    TELEGRAM_URL: "http://127.0.0.1:1/simulator/telegram",
    OPENAI_BASE_URL: "http://127.0.0.1:1/simulator/ai/v1",
    OPENAI_MODEL: "simulated",
    PD_URL: "http://127.0.0.1:1/simulator/pagerduty",
    PD_EVENTS_URL: "http://127.0.0.1:1/simulator/pagerduty",
    OPSGENIE_URL: "http://127.0.0.1:1/simulator/opsgenie",
    GMAIL_URL: "http://127.0.0.1:1/simulator/google",
    GOOGLE_CLIENT_ID: "gatelink-local",
    GOOGLE_LOGIN_URL: "http://127.0.0.1:9/simulator/google",
    GOOGLE_OAUTH_URL: "http://127.0.0.1:1/simulator/google",
    MICROSOFT_CLIENT_ID: "gatelink-local",
    MICROSOFT_GRAPH_URL: "http://127.0.0.1:1/simulator/microsoft/v1.0",
    MICROSOFT_LOGIN_URL: "http://127.0.0.1:9/simulator/microsoft",
    INBOUND_PARSE_DOMAIN: "reply.example.com",
    SEND_DOMAIN: "example.com",
    FORWARD_FROM_EMAIL: "replies@example.com",
    FORWARD_FROM_NAME: "Gatelink",
    API_TOKEN: "api-token",
    PUBLIC_BASE_URL: "http://127.0.0.1:9",
    TRACK_BASE_URL: "http://127.0.0.1:9",
    CLIENT_IP_HEADER: "x-forwarded-for",
    LB_ADMIN_TOKEN: "944e398004ea7a7e25de45661180672b7cbfc887",
    LINK_DOMAIN: "127.0.0.1:9/l",
  });
});

Deno.test("functionsEnvironment: the user's secrets win, and the simulator signs with them", () => {
  const secrets = {
    WHATSAPP_APP_SECRET: "new, old",
    WHATSAPP_GRAPH_URL: "https://graph.facebook.com/v26.0",
    OWN: "1",
  };
  const env = environment(secrets);
  assertEquals(Object.fromEntries(Object.keys(secrets).map((name) => [name, env[name]])), secrets);
  assertEquals(whatsappAccount(KEYS, secrets).appSecret, "new");
  assertEquals(whatsappAccount(KEYS, secrets).verifyToken, "v");
});

Deno.test("userSecrets: reads .env; none without the file; a reserved name is refused", async () => {
  const folder = await Deno.makeTempDir();
  assertEquals(userSecrets(folder), {});
  await Deno.writeTextFile(join(folder, ".env"), `# a comment\nA=1\nB="two words"\n`);
  assertEquals(userSecrets(folder), { A: "1", B: "two words" });
  await Deno.writeTextFile(join(folder, ".env"), "SUPABASE_URL=http://x\n");
  assertThrows(() => userSecrets(folder), UserError, "SUPABASE_URL");
});
