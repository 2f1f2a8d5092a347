import { assert, assertEquals } from "../../../../../../tests/support/assert.ts";
import type { SendFailure, Sent } from "../../channel.ts";
import { askTemplates, type GraphAccount, graphBody, type OutboundRequest, send } from "./graph.ts";

const TOKEN = "EAAtest0000000000";
const MESSAGE = { type: "text", text: { body: "Hello" } } as const;
const REQUEST: OutboundRequest = {
  id: "0198f3a0-0000-7000-8000-000000000001",
  to: "12025550123",
  message: MESSAGE,
};

interface Seen {
  method: string;
  path: string;
  authorization: string | null;
  body: unknown;
}

/** Sends to a server that answers with `answer`, which is given what resolves when the sending has ended. */
async function sendTo(
  answer: (request: Request, ended: Promise<void>) => Response | Promise<Response>,
  options: { request?: OutboundRequest; timeoutMs?: number } = {},
): Promise<{ result: Sent; seen: Seen[] }> {
  const seen: Seen[] = [];
  const ended = Promise.withResolvers<void>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { method, headers, url } = request;
    seen.push({
      method,
      path: new URL(url).pathname,
      authorization: headers.get("authorization"),
      body: await request.json(),
    });
    return await answer(request, ended.promise);
  });
  const account: GraphAccount = {
    graphUrl: `http://127.0.0.1:${server.addr.port}/v26.0`,
    token: TOKEN,
    phoneNumberId: "301245600017789",
    timeoutMs: options.timeoutMs ?? 5000,
  };
  try {
    return { result: await send(fetch, account, options.request ?? REQUEST), seen };
  } finally {
    ended.resolve();
    await server.shutdown();
  }
}

function failure(result: Sent): SendFailure {
  if (result.ok) throw new Error("it was sent");
  return result;
}

const graphError = (code: number, more = {}) => ({
  error: {
    message: `(#${code}) Something`,
    type: "OAuthException",
    code,
    error_data: { details: "More" },
    ...more,
  },
});

Deno.test("send() posts to the number's messages, with token and our id, and returns the wamid", async () => {
  const answer = {
    messaging_product: "whatsapp",
    contacts: [{ input: "1", wa_id: "1", user_id: "US.1" }],
    messages: [{ id: "wamid.NEW" }],
  };
  const { result, seen } = await sendTo(() => Response.json(answer));
  assertEquals(JSON.parse(JSON.stringify(result)), {
    ok: true,
    providerId: "wamid.NEW",
    identities: [{ kind: "phone", value: "1" }, { kind: "bsuid", value: "US.1" }],
  });
  assertEquals(seen, [{
    method: "POST",
    path: "/v26.0/301245600017789/messages",
    authorization: `Bearer ${TOKEN}`,
    body: {
      messaging_product: "whatsapp",
      recipient_type: "individual",
      to: "12025550123",
      type: "text",
      text: { body: "Hello" },
      biz_opaque_callback_data: REQUEST.id,
    },
  }]);
});

Deno.test("send() leaves out the answer's details about the person that cannot be stored", async () => {
  for (const contacts of [[{ wa_id: "1\u0000" }], [{}], [null], "1", undefined]) {
    const { result } = await sendTo(() => Response.json({ contacts, messages: [{ id: "wamid.NEW" }] }));
    assertEquals(result, { ok: true, providerId: "wamid.NEW" });
  }
});

Deno.test("send() reads a person's number from the answer, and nothing for a group", async () => {
  const told = async (to: string, wa_id: string) => {
    const answer = { contacts: [{ input: to, wa_id }], messages: [{ id: "wamid.NEW" }] };
    const { result } = await sendTo(() => Response.json(answer), { request: { ...REQUEST, to } });
    return result.ok ? result.identities?.map(({ kind, value }) => `${kind} ${value}`) : undefined;
  };
  assertEquals(await told("US.1", "US.1"), ["bsuid US.1"]);
  assertEquals(await told("12025550123", "+1 202-555-0123"), ["phone 12025550123"]);
  assertEquals(await told("12025550123", "somebody"), undefined);
  assertEquals(await told("R3JvdXA6MQ==", "R3JvdXA6MQ=="), undefined);
});

Deno.test("graphBody() marks a group's id as one", () => {
  const body = graphBody({ ...REQUEST, to: "R3JvdXA6MQ==" });
  assertEquals([body.to, body.recipient_type], ["R3JvdXA6MQ==", "group"]);
});

Deno.test("graphBody() puts a BSUID under recipient, where Meta expects it", () => {
  const body = graphBody({ ...REQUEST, to: "US.13491208655302741918" });
  assertEquals([body.to, body.recipient], [undefined, "US.13491208655302741918"]);
});

Deno.test("graphBody() makes a read receipt in Meta's format", () => {
  const message = { type: "read", message_id: "wamid.1", typing_indicator: { type: "text" } } as const;
  assertEquals(graphBody({ ...REQUEST, message }), {
    messaging_product: "whatsapp",
    status: "read",
    message_id: "wamid.1",
    typing_indicator: { type: "text" },
  });
});

Deno.test("send() accepts a read receipt's success, which has no wamid", async () => {
  const { result } = await sendTo(() => Response.json({ success: true }));
  assertEquals(result, { ok: true, providerId: undefined });
});

Deno.test("send() returns Meta's error with its kind and Retry-After", async () => {
  const headers = { "retry-after": "7" };
  const throttled = await sendTo(() => Response.json(graphError(131056), { status: 400, headers }));
  assertEquals(throttled.result, {
    ok: false,
    kind: "throttle",
    scope: "pair",
    code: 131056,
    status: 400,
    message: "(#131056) Something",
    details: "More",
    retryAfterMs: 7000,
  });
  const kinds: [number, number, string][] = [[130429, 429, "throttle"], [131000, 500, "retry"], [
    131047,
    400,
    "final",
  ]];
  for (const [code, status, kind] of kinds) {
    const { result } = await sendTo(() => Response.json(graphError(code), { status }));
    const failed = failure(result);
    assertEquals([failed.kind, failed.code, failed.status], [kind, code, status]);
  }
});

Deno.test("send() retries answers that are not Meta's: a gateway's page, a redirect, an error with status 200", async () => {
  const odd: [() => Response, number | string][] = [
    [() => new Response("<h1>Bad gateway</h1>", { status: 502 }), "unreadable"],
    [
      () => new Response(null, { status: 302, headers: { location: "http://127.0.0.1:1/steal" } }),
      "unreadable",
    ],
    [() => Response.json(graphError(2)), 2],
  ];
  for (const [answer, code] of odd) {
    const { result, seen } = await sendTo(answer);
    const failed = failure(result);
    assertEquals([failed.kind, failed.code], ["retry", code]);
    assertEquals(seen.length, 1);
  }
});

Deno.test("send() treats an unreadable success as a success, so that the person does not get the message twice", async () => {
  const endless = () => {
    const chunk = new TextEncoder().encode(" ".repeat(16 * 1024));
    return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }));
  };
  for (
    const answer of [() => new Response("ok"), () => new Response(null), () => Response.json([]), endless]
  ) {
    const { result } = await sendTo(answer);
    assertEquals(result, { ok: true, providerId: undefined });
  }
});

Deno.test("send() retries after a timeout or a failed connection", async () => {
  const { result } = await sendTo(async (_, ended) => {
    await ended;
    return new Response();
  }, { timeoutMs: 50 });
  assertEquals(result, { ok: false, kind: "retry", code: "timeout", message: "no answer within 50 ms" });

  const nobody = { graphUrl: "http://127.0.0.1:1/v26.0", token: TOKEN, phoneNumberId: "1" };
  const refused = failure(await send(fetch, nobody, REQUEST));
  assertEquals([refused.kind, refused.code], ["retry", "network"]);
});

Deno.test("send() keeps the token out of its results", async () => {
  const words = `Error validating ${TOKEN}. ${"x".repeat(1000)}`;
  const error = graphError(190, { message: words, error_data: { details: words } });
  const { result } = await sendTo(() => Response.json(error, { status: 401 }));
  const failed = failure(result);
  assertEquals(failed.kind, "held");
  assert(!JSON.stringify(failed).includes(TOKEN));
  assert(failed.message.length <= 500);
});

Deno.test("graphBody() does not send our own member category", () => {
  const message = {
    type: "template",
    template: { name: "offer", language: { code: "en" } },
    category: "utility",
  } as const;
  assertEquals(graphBody({ ...REQUEST, message }).category, undefined);
});

/** Asks a Meta that answers with `answer`. */
async function ask(answer: () => Response | Promise<Response>) {
  const urls: string[] = [];
  const fetch = (url: string, { headers }: RequestInit) => {
    urls.push(`${url} ${new Headers(headers).get("authorization")}`);
    return Promise.resolve().then(answer);
  };
  const account = { graphUrl: "https://graph.test/v26.0", token: TOKEN };
  return { result: await askTemplates(fetch, account, { account: "24001", name: "offer & more" }), urls };
}

Deno.test("askTemplates() asks the account by name, and returns the languages of exactly that name", async () => {
  const found = { id: "1", language: "en", category: "MARKETING" };
  const data = [
    { name: "offer & more", ...found, status: "APPROVED" },
    { name: "offer & more and more", ...found },
    { name: "offer & more", language: "de" },
    null,
    "x",
  ];
  const { result, urls } = await ask(() => Response.json({ data }));
  assertEquals(result, { ok: true, templates: [found] });
  const query = "name=offer+%26+more&fields=id%2Cname%2Clanguage%2Ccategory&limit=250";
  assertEquals(urls, [`https://graph.test/v26.0/24001/message_templates?${query} Bearer ${TOKEN}`]);
});

Deno.test("askTemplates(): a temporary error is a failure, a final refusal means unknown", async () => {
  const error = (code: number, status: number) => () => Response.json(graphError(code), { status });
  const kinds = async (answer: () => Response) => {
    const { result } = await ask(answer);
    return result.ok ? result.templates : result.kind;
  };
  assertEquals(await kinds(error(2, 500)), "retry");
  assertEquals(await kinds(() => new Response("bad gateway", { status: 502 })), "retry");
  assertEquals(await kinds(error(80007, 400)), "throttle");
  assertEquals(await kinds(error(190, 401)), "held");
  assertEquals(
    await kinds(() => {
      throw new TypeError("no connection");
    }),
    "retry",
  );
  for (const refused of [error(200, 403), error(10, 403), error(100, 400)]) {
    assertEquals(await kinds(refused), []);
  }
  assertEquals(await kinds(() => new Response("", { status: 501 })), []);
  assertEquals(await kinds(() => new Response("not JSON")), []);
});
