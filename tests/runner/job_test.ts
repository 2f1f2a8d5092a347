import { assertEquals } from "@std/assert";
import { cleanEnvironment, counted } from "./job.ts";

Deno.test("counted(): Deno's closing line, in colours, with steps and tests that were not run", () => {
  const cases: [output: string, code: number, passed: number, failed: number, ignored: number][] = [
    ["\nok | 12 passed | 0 failed (1s)\n\n", 0, 12, 0, 0],
    ["\n\x1b[32mok\x1b[0m | 12 passed (3 steps) | 0 failed \x1b[38;5;245m(1s)\x1b[0m\n", 0, 12, 0, 0],
    ["\nFAILED | 1 passed (2 steps) | 2 failed (1 step) (1m2s)\n\nerror: Test failed\n", 1, 1, 2, 0],
    ["\nok | 4 passed | 0 failed | 44 ignored (9ms)\n", 0, 4, 0, 44],
    ["\nok | 0 passed | 0 failed | 3 filtered out (0ms)\n", 0, 0, 0, 0],
    [
      "x ... ok (1ms)\nok | 9 passed | 0 failed (1s)\n said a test\n\nok | 2 passed | 0 failed (1s)\n",
      0,
      2,
      0,
      0,
    ],
  ];
  for (const [output, code, passed, failed, ignored] of cases) {
    assertEquals(counted(output, code), { passed, failed, ignored }, output);
  }
});

Deno.test("counted(): a process that ends badly without a failure, or that counts nothing, is a failure", () => {
  assertEquals(counted("error: Module not found", 1).failed, 1);
  assertEquals(counted("", 0).failed, 1);
  assertEquals(counted("\nok | 2 passed | 0 failed (1s)\n", 137), { passed: 2, failed: 1, ignored: 0 });
});

Deno.test("cleanEnvironment(): nobody's own project, database or switches reach a test", () => {
  const kept = { PATH: "/bin", HOME: "/home/a", CHROMIUM_PATH: "/c", NO_COLOR: "1" };
  const foreign = {
    SUPABASE_URL: "x",
    SUPABASE_SECRET_KEYS: "x",
    WHATSAPP_APP_SECRET: "x",
    DATABASE_URL: "x",
    GATELINK_STACK: "x",
    FEATURE_ENABLED: "false",
    DEEPLINKS_ENABLED: "false",
    LINK_DOMAIN: "x",
    INIT_CWD: "x",
  };
  assertEquals(cleanEnvironment({ ...kept, ...foreign }), kept);
});
