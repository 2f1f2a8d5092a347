import { assertEquals, assertStringIncludes, assertThrows } from "../../../../tests/support/assert.ts";
import { Problem } from "../http/problem.ts";
import { redactText } from "../log/redact.ts";
import { configFaults, env, forgetEnv, neededVariables, type VariableName } from "./env.ts";

/** Runs with exactly these of Gatelink's variables set; gives what was printed. */
function withEnv(values: Record<string, string>, run: () => void): string {
  const names = [
    ...Object.keys(values),
    "SUPABASE_SECRET_KEYS",
    "SUPABASE_SERVICE_ROLE_KEY",
    "WHATSAPP_GRAPH_URL",
  ];
  const before = names.map((name) => [name, Deno.env.get(name)] as const);
  const print = console.error;
  let printed = "";
  console.error = (line: string) => printed += line + "\n";
  for (const name of names) {
    values[name] === undefined ? Deno.env.delete(name) : Deno.env.set(name, values[name]);
  }
  forgetEnv();
  try {
    run();
  } finally {
    console.error = print;
    for (const [name, value] of before) {
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
    forgetEnv();
  }
  return printed;
}

Deno.test("env() returns typed values", () => {
  withEnv({
    WHATSAPP_APP_SECRET: "first-secret, second-secret,",
    SUPABASE_SECRET_KEYS: '{"default":"sb_secret_a","worker":"sb_secret_b"}',
    SUPABASE_URL: "http://127.0.0.1:54321/",
    LINK_DOMAIN: "Go.Example.com:8443/l",
    CLIENT_IP_HEADER: "CF-Connecting-IP",
  }, () => {
    const values = env(
      "WHATSAPP_APP_SECRET",
      "SUPABASE_SECRET_KEYS",
      "SUPABASE_URL",
      "LINK_DOMAIN",
      "CLIENT_IP_HEADER",
    );
    assertEquals(values, {
      WHATSAPP_APP_SECRET: ["first-secret", "second-secret"],
      SUPABASE_SECRET_KEYS: { default: "sb_secret_a", worker: "sb_secret_b" },
      SUPABASE_URL: "http://127.0.0.1:54321",
      LINK_DOMAIN: "go.example.com:8443/l",
      CLIENT_IP_HEADER: "cf-connecting-ip",
    });
  });
});

Deno.test("env() uses the legacy keys if the dictionaries are missing", () => {
  withEnv({ SUPABASE_SERVICE_ROLE_KEY: "legacy-service" }, () => {
    assertEquals(env("SUPABASE_SECRET_KEYS").SUPABASE_SECRET_KEYS, { service_role: "legacy-service" });
  });
});

Deno.test("env() has a default for the Graph API, with its version", () => {
  withEnv(
    {},
    () => assertStringIncludes(env("WHATSAPP_GRAPH_URL").WHATSAPP_GRAPH_URL, "https://graph.facebook.com/v"),
  );
});

Deno.test("env() names missing variables and their purpose in the log, not in the answer", () => {
  const printed = withEnv({ WHATSAPP_APP_SECRET: " ", WHATSAPP_VERIFY_TOKEN: "" }, () => {
    const error = assertThrows(() => env("WHATSAPP_APP_SECRET", "WHATSAPP_VERIFY_TOKEN"), Problem);
    assertEquals(error.code, "config_invalid");
    assertEquals(error.status, 500);
    assertEquals(error.message.includes("WHATSAPP"), false);
  });
  assertStringIncludes(printed, "WHATSAPP_APP_SECRET cannot be used: it is not set. It is needed to verify");
  assertStringIncludes(
    printed,
    "WHATSAPP_VERIFY_TOKEN cannot be used: it is not set. It is needed to answer",
  );
});

const malformed: [VariableName, string, string][] = [
  ["SUPABASE_SECRET_KEYS", "sb_secret_abc", "it is not JSON"],
  ["SUPABASE_SECRET_KEYS", '["sb_secret_abc"]', "it is not an object of name and key"],
  ["SUPABASE_SECRET_KEYS", "{}", "it holds no key"],
  ["SUPABASE_SECRET_KEYS", '{"default":""}', "a key is empty"],
  ["SUPABASE_URL", "project.supabase.co", "it is not an http(s) URL"],
  ["SUPABASE_URL", "ftp://project.supabase.co", "it is not an http(s) URL"],
  ["WHATSAPP_APP_SECRET", " , ", "it holds no value"],
  [
    "LINK_DOMAIN",
    "https://go.example.com",
    "it is not a host like go.example.com, with or without a path",
  ],
  ["LINK_DOMAIN", "go.example.com/", "it is not a host like go.example.com, with or without a path"],
  ["CLIENT_IP_HEADER", "x forwarded for", "it is not a header name"],
];
for (const [variable, text, fault] of malformed) {
  Deno.test(`configFaults(): ${variable}=${text} -> ${fault}, and the value is not shown`, () => {
    withEnv({ [variable]: text }, () => {
      const faults = configFaults(variable);
      assertEquals(faults.map(({ variable, fault }) => ({ variable, fault })), [{ variable, fault }]);
    });
  });
}

Deno.test("configFaults() is empty if all variables are usable; optional ones may be missing", () => {
  withEnv({ SUPABASE_URL: "https://abc.supabase.co" }, () => {
    Deno.env.delete("LINK_DOMAIN");
    assertEquals(configFaults("SUPABASE_URL", "LINK_DOMAIN"), []);
  });
});

Deno.test("env() registers each secret for redaction in the log", () => {
  withEnv(
    { WHATSAPP_VERIFY_TOKEN: "plain-looking-word", SUPABASE_SECRET_KEYS: '{"default":"odd-key-form"}' },
    () => {
      env("WHATSAPP_VERIFY_TOKEN", "SUPABASE_SECRET_KEYS");
      assertEquals(redactText("<plain-looking-word> <odd-key-form>"), "<[redacted]> <[redacted]>");
    },
  );
});

Deno.test("neededVariables(): mail and each of its providers are needed once one of their variables is set", () => {
  const asked = (values: Record<string, string>) => {
    let needed: string[] = [];
    const none = {
      SENDGRID_API_KEY: "",
      RESEND_API_KEY: "",
      RESEND_WEBHOOK_SECRET: "",
      INBOUND_PARSE_DOMAIN: "",
      SEND_DOMAIN: "",
    };
    withEnv({ ...none, ...values }, () => needed = neededVariables());
    return ["WHATSAPP_APP_SECRET", "SENDGRID_API_KEY", "RESEND_API_KEY", "SEND_DOMAIN", "FORWARD_FROM_EMAIL"]
      .filter((name) => needed.includes(name));
  };
  assertEquals(asked({}), ["WHATSAPP_APP_SECRET"]);
  assertEquals(asked({ SEND_DOMAIN: "example.com" }), [
    "WHATSAPP_APP_SECRET",
    "SEND_DOMAIN",
    "FORWARD_FROM_EMAIL",
  ]);
  assertEquals(asked({ RESEND_WEBHOOK_SECRET: "whsec_x" }), [
    "WHATSAPP_APP_SECRET",
    "RESEND_API_KEY",
    "SEND_DOMAIN",
    "FORWARD_FROM_EMAIL",
  ]);
});
