/** What becomes of a mail before a model is asked. */
import { assertEquals } from "../../../tests/support/assert.ts";
import type { ClaimedAnalysis } from "../_shared/contract/answers/analysis.ts";
import type { Rpc } from "../_shared/db/client.ts";
import { createAnalyse } from "./analyse.ts";

const MAIL: ClaimedAnalysis = {
  message_id: "0190f1d2-0000-7000-8000-000000000001",
  lease: "0190f1d2-0000-7000-8000-000000000002",
  subject: "Question",
  text: "Where is the invoice?",
  text_full: null,
  recipient: "shop.orders.info@reply.example.com",
  sender: { name: "Casey", address: "casey@corp.example" },
  automatic: false,
  kind: "mail",
};

/** Analyses one mail whose redactions take so long, in milliseconds; returns how often the model was asked, and the fault. */
async function analysed(
  redactions: number[],
): Promise<{ asked: number; fault: string | null; left: number }> {
  const waiting = [MAIL];
  let asked = 0, fault: string | null = null, now = 0, looks = 0;
  const rpc = ((name: string, args: { p_result?: { fault: string | null } }) => {
    if (name === "claim_analyses") return Promise.resolve(waiting.splice(0));
    if (name === "settle_analysis") fault = args.p_result!.fault;
    return Promise.resolve(name === "enter_circuit" ? true : []);
  }) as unknown as Rpc;
  await createAnalyse({
    rpc,
    stopped: () => false,
    model: () => ({ url: "https://model.example.com/v1", key: "k", name: "m" }),
    localOnly: () => Promise.resolve([]),
    bot: () => "none",
    callChat: () => Promise.reject(new Error("nobody is told")),
    fetch: () => {
      asked++;
      return Promise.resolve(new Response("{}"));
    },
    // The clock is read twice for the mail, then before and after each redaction.
    clock: () => {
      const isAfter = ++looks > 2 && looks % 2 === 0;
      return now += isAfter ? redactions.shift() ?? 0 : 0;
    },
    count: () => {},
    measure: () => {},
    onError: (message, error) => {
      throw new Error(message, { cause: error });
    },
  })();
  return { asked, fault, left: redactions.length };
}

Deno.test("a model is asked if one of two redactions was in time: a cold or busy process is late once", async () => {
  assertEquals(await analysed([50]), { asked: 1, fault: "invalid", left: 0 });
  assertEquals(await analysed([51, 50]), { asked: 1, fault: "invalid", left: 0 });
});

Deno.test("no model is asked about a mail whose redaction is late again", async () => {
  assertEquals(await analysed([51, 51, 1]), { asked: 0, fault: "redaction", left: 1 });
});
