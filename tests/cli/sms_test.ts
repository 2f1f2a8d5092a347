/** `gatelink sms` on a real stack, with the simulated Twilio: a text comes in, is answered, and the answer is delivered. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink, stack } from "../support/cli.ts";
import { until } from "../support/until.ts";
import type { Text } from "../../local/simulator/texts/twilio.ts";

const [OURS, OTHER] = ["+12025550160", "+12025550161"];

async function texts(): Promise<Text[]> {
  return (await (await fetch(`${stack.url}/simulator/twilio/texts`)).json()).messages;
}

const receive = async (from: string, body: string) => {
  const response = await fetch(`${stack.url}/simulator/twilio/receive`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ from, to: OURS, body }),
  });
  await response.body?.cancel();
  assertEquals(response.status, 200);
};

Deno.test("a text to the stack is answered by the demo service, from the same number, and delivered", async () => {
  const phone = "+12025550171";
  await receive(phone, "Hello");
  await until(
    "the answer was delivered",
    async () =>
      (await texts()).some(({ direction, from, to, body, status }) =>
        direction === "outbound-api" && from === OURS && to === phone && body === "You said: Hello" &&
        status === "delivered"
      ),
  );
});

Deno.test("gatelink sms list, add, remove: numbers with their pace", async () => {
  const listed = await document("sms list");
  assertEquals(
    listed.map(({ number, provider, state }: Record<string, string>) => [`+${number}`, provider, state])
      .slice(0, 2),
    [[OURS, "twilio", "active"], [OTHER, "twilio", "active"]],
  );
  const added = await document("sms add +442079460100 --provider telnyx --per-second 5 --class desk");
  assertEquals([added.number, added.provider, added.max_per_second, added.class], [
    "442079460100",
    "telnyx",
    5,
    "desk",
  ]);
  assertEquals((await document("sms add +442079460100 --pause --class none")).state, "paused");
  assertMatch((await gatelink("sms list")).out, /\+442079460100\s+telnyx\s+.*5\s+paused/);
  await fails("sms remove +442079460100", 2, "usage", /Nothing was removed/);
  assertEquals((await document("sms remove +442079460100 --yes")).removed, true);
  await fails("sms remove +442079460100 --yes", 4, "not_found", /no such number/);
  await fails("sms add nobody", 2, "usage", /country code/);
});

Deno.test("gatelink sms segments: counts, and says what makes a text dear", async () => {
  const counted = await document("sms segments It’s");
  assertEquals([counted.encoding, counted.segments, counted.outside, counted.plain], [
    "UCS-2",
    1,
    ["’"],
    null,
  ]);
});

Deno.test("gatelink sms doctor: what to enter at the provider", async () => {
  const { findings, enter } = await document("sms doctor");
  assertEquals(findings[0], { level: "ok", about: "twilio", what: "the functions can send through it" });
  assert(!findings.some(({ level }: { level: string }) => level === "problem"), JSON.stringify(findings));
  assertEquals(
    enter["Twilio, primary handler fails"],
    `${stack.url}/functions/v1/sms-webhook/fallback (POST)`,
  );
});

Deno.test("gatelink sms unknown: none waits", async () => {
  assertMatch((await gatelink("sms unknown list")).out, /There are none|since/);
});
