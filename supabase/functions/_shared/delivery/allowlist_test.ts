import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import table from "../../../../tests/cases/allowlist.json" with { type: "json" };
import { checkPattern, compileAllowlist, parsePattern, permit } from "./allowlist.ts";
import { holds } from "../../../../tests/support/property.ts";

interface PatternCase {
  pattern: string;
  ok: boolean;
  text?: string;
  public_suffix?: boolean;
}
interface UrlCase {
  name: string;
  url: string;
  allow: string[];
  ok: boolean;
  code?: string;
  loopback?: boolean;
}

for (const { pattern, ok, text, public_suffix } of table.patterns as PatternCase[]) {
  Deno.test(`checkPattern(): "${pattern}" ${ok ? "is valid" : "is invalid"}`, async () => {
    const checked = await checkPattern(pattern);
    assertEquals(checked.ok ? checked.pattern.text : null, ok ? text : null);
    // Without the list of public suffixes the form is all there is to see.
    assertEquals(parsePattern(pattern).ok, ok || public_suffix === true);
  });
}

for (const { name, url, allow, ok, code, loopback } of table.urls as UrlCase[]) {
  Deno.test(`permit(): ${name}: ${ok ? "permitted" : code}`, async () => {
    const permission = permit(url, await compileAllowlist(allow), { allowLoopback: loopback === true });
    assertEquals(permission.ok ? null : permission.code, ok ? null : code);
    if (!permission.ok) {
      assert(permission.why.length > 0);
      return;
    }
    assertEquals(permission.loopback, loopback === true);
    // What is called is what was asked about, and asking again about it gives the same answer.
    const again = permit(permission.url.href, await compileAllowlist(allow), {
      allowLoopback: loopback === true,
    });
    assertEquals(again.ok && again.url.href, permission.url.href);
  });
}

const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
// Five letters from q on: no public suffix looks so, while "it.com" and "co.de" are such.
const domain = fc.tuple(fc.stringMatching(/^q[a-z]{4,8}$/), fc.constantFrom("com", "co.uk", "example", "de"))
  .map((parts) => parts.join("."));

Deno.test("permit(): a wildcard matches each name below its host and no other", async () => {
  await holds(
    fc.asyncProperty(
      domain,
      domain,
      fc.array(label, { minLength: 1, maxLength: 3 }),
      async (a, b, labels) => {
        const allowlist = await compileAllowlist([`*.${a}`]);
        const ask = (host: string) => permit(`https://${host}/`, allowlist, { allowLoopback: false }).ok;
        assertEquals(ask([...labels, a].join(".")), true);
        assertEquals(ask(a), false);
        assertEquals(ask(labels[0] + a), false);
        fc.pre(a !== b);
        assertEquals(ask([...labels, b].join(".")), b.endsWith(`.${a}`));
      },
    ),
  );
});

Deno.test("permit(): for any text, a permitted URL is https to the single listed host", async () => {
  const allowlist = await compileAllowlist(["api.example.com"]);
  const piece = fc.constantFrom(
    "https:",
    "//",
    "/",
    "\\",
    "@",
    ":",
    ":443",
    "#",
    "?",
    "api.example.com",
    "evil.example",
    "127.0.0.1",
    "[::1]",
    "%2e",
    ".",
    "\t",
    "x",
    "。",
  );
  let tried = 0, permitted = 0;
  const urls = fc.oneof(
    fc.webUrl(),
    fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("")),
    fc.array(piece, { maxLength: 5 }).map((pieces) => `https://api.example.com${pieces.join("")}`),
    fc.array(piece, { maxLength: 5 }).map((pieces) => `https://${pieces.join("")}api.example.com/`),
  );
  holds(
    fc.property(urls, (url) => {
      tried++;
      for (const allowLoopback of [false, true]) {
        const permission = permit(url, allowlist, { allowLoopback });
        if (!permission.ok) continue;
        permitted++;
        // Asked of the parser that fetch uses, not of ours.
        const { protocol, hostname, port, username, password, hash } = new URL(permission.url.href);
        assertEquals([protocol, hostname, port, username, password, hash], [
          "https:",
          "api.example.com",
          "",
          "",
          "",
          "",
        ]);
      }
    }),
    { cases: 5000 },
  );
  assert(
    permitted > tried / 20,
    `only ${permitted} of the ${tried} texts were permitted: the property says little`,
  );
});
