/** Campaigns over HTTP: made, filled, started, read and stopped by a service; each answer as described. */
import { assertEquals } from "../support/assert.ts";
import { edgeTest, KEYS } from "../support/edge.ts";
import { addIdentity } from "../support/mail_stack.ts";
import { witness } from "../support/openapi.ts";
import { until } from "../support/until.ts";

const SECRET = { apikey: KEYS.secretKey };
const NEWS = { name: "October", subject: "News for {{name|you}}", text: "Hello {{name|there}}." };

edgeTest("email-send/campaigns: a service makes, fills, starts, reads and stops a campaign", async (edge) => {
  const { call, sql } = edge;
  const { see, assertAllMet } = witness();
  await addIdentity(sql);
  const at = (path: string) => `email-send/campaigns${path}` as const;
  const post = (path: string, body: unknown, headers: HeadersInit = SECRET) =>
    call(at(path), { headers, body });
  const get = (path: string, headers: HeadersInit = SECRET) => call(at(path), { method: "GET", headers });
  const PUBLISHABLE = { apikey: KEYS.publishableKey };
  const large = { ...NEWS, text: "x".repeat(9 << 20) };

  const ALL = "/email-send/campaigns";
  const made = await post("", NEWS);
  see(ALL, "post", 201, made);
  const { id, version, state } = made.body;
  assertEquals(state, "draft");
  see(ALL, "post", 400, await post("", "{"));
  see(ALL, "post", 401, await post("", NEWS, {}));
  see(ALL, "post", 403, await post("", NEWS, PUBLISHABLE));
  see(ALL, "post", 405, await call(at(""), { method: "DELETE", headers: SECRET }));
  see(ALL, "post", 413, await post("", large));
  see(ALL, "post", 422, await post("", { ...NEWS, colour: "red" }));
  see(ALL, "post", 422, await post("", { ...NEWS, from: "nobody@example.com" }));
  see(ALL, "post", 422, await post("", { name: "October", subject: "No words" }));
  see(ALL, "post", 422, await post("", { ...NEWS, text: "{{Name}}" }));
  const listed = await get("?limit=10&search=octo");
  see(ALL, "get", 200, listed);
  assertEquals(listed.body.length, 1);
  assertEquals((await get(`?before=${id}`)).body, []);
  see(ALL, "get", 401, await get("", {}));
  see(ALL, "get", 403, await get("", PUBLISHABLE));
  see(ALL, "get", 422, await get("?limit=0"));
  see(ALL, "get", 422, await get("?before=yesterday"));

  const PEOPLE = "/email-send/campaigns/{id}/recipients";
  const people = {
    recipients: [{ to: "casey@example.org", fields: { name: "Casey" } }, { to: "casey@example.org" }, {
      to: "no",
    }],
  };
  const nobody = crypto.randomUUID();
  const added = await post(`/${id}/recipients`, people);
  see(PEOPLE, "post", 200, added);
  assertEquals(added.body, { added: 1, duplicates: 1, invalid: 1, suppressed: 0 });
  see(PEOPLE, "post", 400, await post(`/${id}/recipients`, "["));
  see(PEOPLE, "post", 401, await post(`/${id}/recipients`, people, {}));
  see(PEOPLE, "post", 403, await post(`/${id}/recipients`, people, PUBLISHABLE));
  see(PEOPLE, "post", 404, await post(`/${nobody}/recipients`, people));
  see(PEOPLE, "post", 404, await post("/october/recipients", people));
  see(PEOPLE, "post", 405, await call(at(`/${id}/recipients`), { method: "PATCH", headers: SECRET }));
  see(PEOPLE, "post", 413, await post(`/${id}/recipients`, large));
  see(
    PEOPLE,
    "post",
    422,
    await post(`/${id}/recipients`, { recipients: [{ address: "casey@example.org" }] }),
  );

  const START = "/email-send/campaigns/{id}/start", STOP = "/email-send/campaigns/{id}/stop";
  see(START, "post", 409, await post(`/${id}/start`, { version: version + 1 }));
  const started = await post(`/${id}/start`, { version, per_minute: 1200 });
  see(START, "post", 200, started);
  assertEquals([started.body.state, started.body.per_minute], ["sending", 1200]);
  see(PEOPLE, "post", 409, await post(`/${id}/recipients`, people));
  await sql`select private.send_campaigns(now())`;
  await edge.settled();
  assertEquals(edge.mail.sent.map(({ to, subject }) => [to[0].email, subject]), [
    ["casey@example.org", "News for Casey"],
  ]);
  const ONE = "/email-send/campaigns/{id}";
  const read = await until("it is counted", async () => {
    await sql`select private.count_campaign_news(now())`;
    const answer = await get(`/${id}`);
    return answer.body.counts.sent === 1 && answer;
  });
  see(ONE, "get", 200, read);
  assertEquals([read.body.counts.recipients, read.body.counts.sent, read.body.text], [1, 1, NEWS.text]);
  see(ONE, "get", 401, await get(`/${id}`, {}));
  see(ONE, "get", 403, await get(`/${id}`, PUBLISHABLE));
  see(ONE, "get", 404, await get(`/${nobody}`));
  see(ONE, "get", 405, await post(`/${id}`, {}));

  see(STOP, "post", 409, await post(`/${id}/stop`, { version: started.body.version }));
  const other = (await post("", NEWS)).body;
  const stopped = await post(`/${other.id}/stop`, {
    version: other.version,
    cancel: true,
    reason: "not needed",
  });
  see(STOP, "post", 200, stopped);
  assertEquals([stopped.body.state, stopped.body.stopped_because], ["cancelled", "not needed"]);
  for (const [path, last] of [[START, "start"], [STOP, "stop"]] as const) {
    see(path, "post", 400, await post(`/${id}/${last}`, "{"));
    see(path, "post", 401, await post(`/${id}/${last}`, { version: 1 }, {}));
    see(path, "post", 403, await post(`/${id}/${last}`, { version: 1 }, PUBLISHABLE));
    see(path, "post", 404, await post(`/${nobody}/${last}`, { version: 1 }));
    see(path, "post", 405, await get(`/${id}/${last}`));
    see(path, "post", 413, await post(`/${id}/${last}`, large));
    see(path, "post", 422, await post(`/${id}/${last}`, {}));
  }
  assertAllMet(
    (path) => path.startsWith("/email-send/campaigns"),
    (what) => /^(config_invalid|disabled_by_environment|database_unavailable|schema_.*)$/.test(what),
  );
});
