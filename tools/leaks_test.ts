import { assertEquals } from "../tests/support/assert.ts";
import { leaks } from "./leaks.ts";

// Put together here, so that the repository holds none of these shapes.
const SHAPES: [what: string, text: string][] = [
  ["a private key", "-----BEGIN " + "PRIVATE KEY-----"],
  ["a private key", "-----BEGIN " + "RSA PRIVATE KEY-----"],
  ["a secret key of Supabase", "sb_" + "secret_" + "N7UND0UgjKTVK-Uodkm0Hg".replaceAll("-", "x")],
  ["an access token of Supabase", "sbp_" + "0123456789abcdef".repeat(3).slice(0, 40)],
  ["an access token of Meta", "EAA" + "JZCQZDZDdemo".repeat(6)],
  ["a JSON Web Token", `eyJ${"hbGciOiJI"}.eyJ${"pc3MiOiJz"}.${"x".repeat(43)}`],
  ["a token of GitHub", "ghp_" + "a1B2".repeat(9)],
  ["a token of npm", "npm_" + "a1B2".repeat(9)],
  ["an access key of AWS", "AKIA" + "IOSFODNN7EXAMPLE"],
  ["a key of Google", "AIza" + "S".repeat(35)],
];

Deno.test("leaks(): finds each kind of secret, in any file, with its line", () => {
  for (const [what, text] of SHAPES) {
    assertEquals(leaks("docs/any.md", `first\nkey = "${text}"\n`), [{ line: 2, what }]);
  }
});

Deno.test("leaks(): ignores what only names or resembles secrets", () => {
  const text =
    "sb_secret_...\nsb_publishable_abc\nEAA...\nSUPABASE_SECRET_KEY=<secret key>\nwhsec_...\nAKIA\n";
  assertEquals(leaks("docs/deploy.md", text), []);
});

Deno.test("leaks(): unfinished work counts in code, not in prose", () => {
  const text = `// ${"TO" + "DO"}: later\n`;
  assertEquals(leaks("local/start.ts", text), [{ line: 1, what: "work left over" }]);
  assertEquals(leaks("supabase/migrations/1_a.sql", text), [{ line: 1, what: "work left over" }]);
  assertEquals(leaks("docs/architecture.md", text), []);
  assertEquals(leaks("local/start.ts", "const todos = autodoc;\n"), []);
});
