import { assertEquals } from "../../tests/support/assert.ts";
import { suggest } from "./suggest.ts";

Deno.test("near: suggests names with few typos, the closest first, and none if nothing is similar", () => {
  const names = ["wa_send", "wa_router", "deeplinks", "wa_webhook", "wa_sand"];
  const cases: [string, string[]][] = [
    ["wa_sned", ["wa_send", "wa_sand"]],
    ["wa_sent", ["wa_send", "wa_sand"]],
    ["deeplink", ["deeplinks"]],
    ["wa-webhok", ["wa_webhook"]],
    ["referrals", []],
    ["", []],
  ];
  for (const [name, expected] of cases) assertEquals(suggest(name, names), expected, name);
});
