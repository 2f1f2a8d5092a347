import { assertEquals } from "../../../../../../tests/support/assert.ts";
import { callMailbox, meaningOf } from "./call.ts";

const refusal = (status: number, code: string, more: { message?: string; headers?: HeadersInit } = {}) => ({
  status,
  code,
  message: more.message ?? "no",
  headers: new Headers(more.headers),
});

Deno.test("meaningOf(): what each provider refuses with", () => {
  const rows: [Parameters<typeof refusal>, kind: string][] = [
    [[429, "rateLimitExceeded"], "throttle"],
    [[403, "userRateLimitExceeded"], "throttle"],
    [[429, ""], "throttle"],
    [[429, "ApplicationThrottled"], "throttle"],
    [[503, "ErrorServerBusy"], "throttle"],
    [[503, "", { headers: { "retry-after": "5" } }], "throttle"],
    [[403, "dailyLimitExceeded"], "held"],
    [[403, "ErrorExceededMessageLimit"], "held"],
    [[403, "insufficientPermissions"], "held"],
    [[403, "ErrorSendAsDenied"], "held"],
    [[404, "MailboxNotEnabledForRESTAPI"], "held"],
    [[400, "failedPrecondition"], "held"],
    [[400, "invalidArgument"], "final"],
    [[400, "ErrorInvalidRecipients"], "final"],
    [[413, "ErrorMessageSizeExceeded"], "final"],
    [[302, ""], "retry"],
    [[500, "backendError"], "unknown"],
    [[502, ""], "unknown"],
    [[504, ""], "unknown"],
  ];
  for (const [given, kind] of rows) {
    assertEquals(meaningOf(refusal(...given)).kind, kind, given.slice(0, 2).join(" "));
  }
  assertEquals(meaningOf(refusal(429, "", { headers: { "retry-after": "7" } })).retryAfterMs, 7000);
  const { retryAfterMs } = meaningOf(
    refusal(429, "", {
      message: `User-rate limit exceeded.  Retry after ${new Date(Date.now() + 60_000).toISOString()}`,
    }),
  );
  assertEquals(retryAfterMs !== undefined && retryAfterMs > 50_000 && retryAfterMs <= 60_000, true);
});

Deno.test("callMailbox(): a refused token is renewed once, and never shown", async () => {
  const asked: (number | undefined)[] = [];
  const tokens: string[] = [];
  const call = (answers: number[]) =>
    callMailbox({ url: "https://api.example", identity: "i" }, { path: "/x" }, {
      mailbox: (_, refused) => {
        asked.push(refused);
        return Promise.resolve({ token: `token-${asked.length}`, version: asked.length });
      },
      fetch: (_, init) => {
        const token = new Headers(init.headers).get("authorization")!;
        tokens.push(token);
        const status = answers.shift()!;
        return Promise.resolve(Response.json({ error: { message: `not ${token.slice(7)}` } }, { status }));
      },
    });
  const fine = await call([401, 200]);
  assertEquals(["answer" in fine, asked, tokens], [true, [undefined, 1], [
    "Bearer token-1",
    "Bearer token-2",
  ]]);
  const held = await call([401, 401]);
  assertEquals("failure" in held && [held.failure.kind, held.failure.code], ["held", "unauthorized"]);
  const refused = await call([400]);
  assertEquals("refusal" in refused && refused.refusal.message, "not …");
});

Deno.test("callMailbox(): without access, or a database, it asks nobody", async () => {
  const never = () => Promise.reject(new Error("it called"));
  const place = { url: "https://api.example", identity: "i" };
  const none = await callMailbox(place, { path: "/" }, { fetch: never });
  assertEquals("failure" in none && [none.asked, none.failure.kind], [false, "held"]);
  const away = await callMailbox(place, { path: "/" }, {
    fetch: never,
    mailbox: () => Promise.reject(new Error()),
  });
  assertEquals("failure" in away && [away.asked, away.failure.kind], [false, "retry"]);
});
