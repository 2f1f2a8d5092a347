/** `gatelink oncall` on a real stack: a rota of one's own, an override, and what is refused. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink } from "../support/cli.ts";

Deno.test("gatelink oncall: a rota, somebody who takes over, and the rota again", async () => {
  const who = async () => JSON.stringify(await document("oncall who infra"));
  await document("oncall add infra --people ana@example.com --zone Europe/Berlin");
  assert((await who()).includes("ana@example.com"));
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
  await document(`oncall override infra ben@example.com --until ${tomorrow}`);
  const over = await who();
  assert(over.includes("ben@example.com") && !over.includes("ana@example.com"), over);
  const listed = await gatelink("oncall list");
  assertEquals(listed.code, 0, listed.err);
  assertMatch(listed.out, /infra[\s\S]*ana[\s\S]*ben/i);
  await fails("oncall who nobody", 4, "not_found", /no schedule named nobody/);
  await fails(
    "oncall override infra ben@example.com --until 2099-12-25T09:00:00+01:00",
    4,
    "invalid",
    /within a year/,
  );
  await fails("oncall override infra ben@example.com --until tomorrow", 2, "usage", /time/i);
  await document("oncall add infra --people cleo@example.com");
  await document("oncall person ben@example.com --remove");
  const left = await gatelink("oncall list");
  assertEquals(left.out.includes("ben"), false, left.out);
  await fails("oncall person ben@example.com --remove", 4, "not_found", /nobody of that name or address/i);
  await fails("oncall person cleo@example.com --remove", 4, "conflict", /the only one of a layer/);
  await fails("oncall person cleo@example.com --remove --atlassian 5b", 2, "usage", /do not go together/);
  await document("oncall remove infra");
  await fails("oncall who infra", 4, "not_found", /no schedule named infra/);
});
