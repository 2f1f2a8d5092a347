import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import { callGraph, type GraphAccess, proofOf } from "./graph_call.ts";

/** A Graph API that takes a proof of this secret (undefined: none), and calls made to it. */
function graph(secret: string | undefined, required = false) {
  const proofs: (string | null)[] = [];
  const fetch = (url: string, init: RequestInit): Promise<Response> => {
    const proof = new URL(url).searchParams.get("appsecret_proof");
    proofs.push(proof);
    const token = new Headers(init.headers).get("authorization")!.replace("Bearer ", "");
    const refuse = (message: string) =>
      Promise.resolve(Response.json({ error: { message, code: 100 } }, { status: 400 }));
    if (proof === null) {
      return required
        ? refuse("API calls from the server require an appsecret_proof argument")
        : Promise.resolve(Response.json({ id: "1" }));
    }
    return secret !== undefined && proof === proofOf(token, secret)
      ? Promise.resolve(Response.json({ id: "1" }))
      : refuse("Invalid appsecret_proof provided in the API argument");
  };
  return { fetch, proofs };
}

let serial = 0;
const access = (...appSecrets: string[]): GraphAccess => ({
  graphUrl: "https://graph.test/v26.0",
  token: `EAA${++serial}`,
  appSecrets,
});

Deno.test("callGraph(): proves with the app secret, and remembers which one Meta accepts", async () => {
  const { fetch, proofs } = graph("old");
  const own = access("new", "old");
  assertEquals((await callGraph(fetch, own, { path: "1" })).ok, true);
  assertEquals((await callGraph(fetch, own, { path: "1" })).ok, true);
  const [newer, older] = ["new", "old"].map((secret) => proofOf(own.token, secret));
  assertEquals(proofs, [newer, older, older]);
});

Deno.test("callGraph(): a token of another app than the webhook's is used without a proof", async () => {
  const { fetch, proofs } = graph("of another app");
  assertEquals((await callGraph(fetch, access("the webhook's"), { path: "1" })).ok, true);
  assertEquals(proofs.map((proof) => proof !== null), [true, false]);
});

Deno.test("callGraph(): without a secret there is no proof; a refusal for it is the answer", async () => {
  const free = graph(undefined);
  assertEquals((await callGraph(free.fetch, access(), { path: "1" })).ok, true);
  assertEquals(free.proofs, [null]);
  const strict = graph("right", true);
  const refused = await callGraph(strict.fetch, access("wrong"), { path: "1" });
  assert(!refused.ok);
  assertEquals([refused.code, strict.proofs.length], [100, 2]);
});

Deno.test("callGraph(): a changed secret at Meta is found without a restart", async () => {
  const own = access("new", "old");
  assertEquals((await callGraph(graph("old").fetch, own, { path: "1" })).ok, true);
  const changed = graph("new");
  await callGraph(changed.fetch, own, { path: "1" });
  assertEquals((await callGraph(changed.fetch, own, { path: "1" })).ok, true);
});
