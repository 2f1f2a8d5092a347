import { assertEquals } from "../../../tests/support/assert.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Context } from "../_shared/serve/serve.ts";
import { createHandler } from "./handler.ts";

function router(killed: boolean) {
  let drained = 0;
  const handler = createHandler({
    killed: (feature) => killed && feature === "wa_router.enabled",
    requireSecretKey: (headers) => {
      if (headers.get("apikey") !== "secret") throw new Problem("unauthorized");
    },
    pipeline: {
      drain: () => {
        drained++;
        return Promise.resolve();
      },
    },
    waitUntil: () => {},
    templates: {
      sync: () => Promise.reject(new Error("none")),
      create: () => Promise.reject(new Error("none")),
      edit: () => Promise.reject(new Error("none")),
      remove: () => Promise.reject(new Error("none")),
    },
    checkNumbers: () => Promise.resolve(new Response()),
    invite: () => Promise.resolve(new Response()),
    reportSwitches: () => Promise.resolve(),
    headers: {
      set: () => Promise.reject(new Error("none is set")),
      reseal: () => Promise.reject(new Error("none")),
    },
    test: () => Promise.reject(new Error("no test is asked for")),
    gates: { operator: () => "", admin: () => "" },
  });
  return async (apikey: string) => {
    drained = 0;
    const request = new Request("https://edge.test/wa-router", { method: "POST", headers: { apikey } });
    const answered = await Promise.resolve().then(() => handler(request, {} as Context)).then(
      ({ status }) => status,
      (problem) => problem.code,
    );
    return [answered, drained];
  };
}

Deno.test("POST wa-router: WhatsApp's kill switch refuses, and the clock still runs the other channels", async () => {
  const [on, off] = [router(false), router(true)];
  assertEquals(await on("secret"), [202, 1]);
  assertEquals(await on("another"), ["unauthorized", 0]);
  assertEquals(await off("secret"), ["disabled_by_environment", 1]);
  assertEquals(await off("another"), ["disabled_by_environment", 0]);
});
