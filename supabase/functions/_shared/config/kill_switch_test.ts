import { assertEquals } from "@std/assert";
import { killed, killSwitches, switchName } from "./kill_switch.ts";

function withEnv<T>(values: Record<string, string>, run: () => T): T {
  const before = Object.keys(values).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(values)) Deno.env.set(name, value);
  try {
    return run();
  } finally {
    for (const [name, value] of before) {
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
  }
}

Deno.test("switchName(): flag key, feature and function name give the same variable", () => {
  for (const feature of ["wa_router.enabled", "wa_router", "wa-router"]) {
    assertEquals(switchName(feature), "WA_ROUTER_ENABLED");
  }
  assertEquals(switchName("deeplinks.enabled"), "DEEPLINKS_ENABLED");
});

const cases: [string, boolean][] = [
  ["false", true],
  ["FALSE", true],
  ["0", true],
  ["off", true],
  [" off ", true],
  ["no", true],
  ["flase", true],
  ["true", false],
  ["1", false],
  ["on", false],
  ["YES", false],
  ["", false],
  ["  ", false],
];
for (const [value, expected] of cases) {
  Deno.test(`killed(): WA_ROUTER_ENABLED=${JSON.stringify(value)} -> ${expected}`, () => {
    assertEquals(withEnv({ WA_ROUTER_ENABLED: value }, () => killed("wa_router.enabled")), expected);
  });
}

Deno.test("killed(): not set runs, one switch stops one feature, FEATURE_ENABLED stops all", () => {
  assertEquals(killed("wa_router.enabled"), false);
  withEnv({ WA_SEND_ENABLED: "false" }, () => {
    assertEquals(killed("wa_send"), true);
    assertEquals(killed("wa_router"), false);
  });
  withEnv(
    { FEATURE_ENABLED: "false", WA_ROUTER_ENABLED: "true" },
    () => assertEquals(killed("wa_router"), true),
  );
});

Deno.test("killSwitches() lists the switches that are set", () => {
  withEnv({ WA_SEND_ENABLED: "off", WA_ROUTER_ENABLED: "true", FEATURE_ENABLED: "" }, () => {
    const { WA_SEND_ENABLED, WA_ROUTER_ENABLED, FEATURE_ENABLED } = killSwitches();
    assertEquals({ WA_SEND_ENABLED, WA_ROUTER_ENABLED, FEATURE_ENABLED }, {
      WA_SEND_ENABLED: false,
      WA_ROUTER_ENABLED: true,
      FEATURE_ENABLED: undefined as unknown as boolean,
    });
  });
});
