import { assertEquals } from "../../../../tests/support/assert.ts";
import { killed, killSwitches, SWITCH_ALIASES, switchName } from "./kill_switch.ts";

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

Deno.test("killed(): runs if nothing is set; one switch stops one feature, FEATURE_ENABLED stops all", () => {
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

for (const [feature, alias] of Object.entries(SWITCH_ALIASES)) {
  Deno.test(`killed(): ${alias} stops ${feature}, like its own switch, and nothing else`, () => {
    const key = `${feature}.enabled`;
    const all = [key, feature, feature.replaceAll("_", "-")];
    assertEquals(all.map(killed), [false, false, false]);
    for (const no of ["false", "0", "off", "flase"]) {
      withEnv({ [alias]: no }, () => {
        assertEquals(all.map(killed), [true, true, true]);
        const others = [
          ...Object.keys(SWITCH_ALIASES).filter((other) => other !== feature),
          "wa_send.enabled",
        ];
        assertEquals(others.filter(killed), []);
        assertEquals(killSwitches()[alias], false);
      });
    }
    withEnv({ [alias]: "true", [switchName(key)]: "false" }, () => assertEquals(killed(key), true));
    withEnv({ [alias]: "false", [switchName(key)]: "true" }, () => assertEquals(killed(key), true));
    withEnv({ [alias]: "true" }, () => {
      assertEquals([killed(key), killSwitches()[alias]], [false, true]);
    });
    withEnv({ [alias]: " " }, () => assertEquals([killed(key), killSwitches()[alias]], [false, undefined]));
  });
}
