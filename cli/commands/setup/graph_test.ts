import { assertEquals, assertRejects } from "../../../tests/support/assert.ts";
import { APP_ID, scriptedGraph, WABA_ID } from "../../../tests/support/scripted_graph.ts";
import { testSession } from "../../../tests/support/gatelink.ts";
import { CliError } from "../../core/errors.ts";
import { graph } from "./graph.ts";
import type { Target } from "./target.ts";

const KEYS = { appSecret: "the app's secret", accessToken: "the system user's token" };

Deno.test("graph(): each call with the token proves that its caller has the app's secret", async () => {
  const meta = scriptedGraph(KEYS);
  try {
    const session = testSession({ env: { WHATSAPP_GRAPH_URL: meta.url } });
    const calls = graph({ session, ...{} as Pick<Target, "stack" | "project"> });
    const access = { token: KEYS.accessToken, appSecret: KEYS.appSecret };
    assertEquals(await calls.account(access), { appId: APP_ID, wabaIds: [WABA_ID] });
    assertEquals(await calls.isSubscribed(WABA_ID, APP_ID, access), false);
    await calls.subscribeAccount(WABA_ID, access);
    assertEquals(await calls.isSubscribed(WABA_ID, APP_ID, access), true);
    assertEquals(await calls.numbers(WABA_ID, access), ["+1 555 010 0100"]);
    assertEquals(await calls.subscriptions(APP_ID, KEYS.appSecret), []);
    for (const appSecret of [undefined, "another's"]) {
      await assertRejects(
        () => calls.numbers(WABA_ID, { ...access, appSecret }),
        CliError,
        "appsecret_proof",
      );
    }
  } finally {
    await meta.stop();
  }
});
