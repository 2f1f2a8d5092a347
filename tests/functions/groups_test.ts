/** Groups and Flows over HTTP: routed by a condition, told of to a service, answered in the group. */
import { assertEquals } from "../support/assert.ts";
import { edgeTest } from "../support/edge.ts";
import { decisions, person } from "../support/routed.ts";
import { addDestination, addRoute, startService, withReplies } from "../support/service.ts";

edgeTest(
  "groups: a route takes what a group writes, and the service's reply goes to the group",
  async (edge) => {
    const { sql, meta, settled, reread } = edge;
    await using club = startService();
    await addDestination(sql, "club", club);
    await addRoute(sql, ["club"], { type: "group" }, { name: "groups" });
    await reread();
    club.answers(withReplies({ type: "text", text: { body: "Noted" } }));
    const [nora, ben] = [person(edge, 1), person(edge, 2)];
    const group = meta.addGroup("Sunday", [nora.id, ben.id]);
    meta.userSends(group, "who comes?", undefined, ben.id);
    meta.userSends(nora, "private");
    await meta.settled();
    await settled();
    await meta.settled();

    assertEquals(
      (await decisions(sql)).map(({ text, route_name }) => [text, route_name]).sort(),
      [["private", null], ["who comes?", "groups"]],
    );
    assertEquals(club.texts(), ["who comes?"]);
    const { contact, message } = club.received[0].event.data;
    const { id: _, ...author } = message.author;
    assertEquals(author, { name: ben.name, phone: ben.phone });
    assertEquals([contact.name, contact.group, contact.phone], ["Sunday", group.group, undefined]);
    const [{ to, payload, status }] = meta.outbox.messages;
    assertEquals([to, payload.recipient_type, status], [group.group, "group", "delivered"]);
    const [{ status: stored }] = await sql`select status from public.messages where direction = 'out'`;
    assertEquals(stored, "delivered");
    // Nobody's own window opened.
    const refused = await edge.send({ to: ben.phone, type: "text", text: { body: "hi" } });
    assertEquals([refused.status, refused.body.code], [409, "window_closed"]);
    const sent = await edge.send({
      to: group.group,
      recipient_type: "group",
      type: "text",
      text: { body: "See you" },
    });
    assertEquals(sent.status, 202);
  },
);

edgeTest("flows: a route asks what was answered, and the service is told of it", async (edge) => {
  const { sql, says, settled, reread } = edge;
  await using tables = startService();
  await addDestination(sql, "tables", tables);
  await addRoute(sql, ["tables"], { type: "flow", tokens: ["booking"], field: "table", values: ["terrace"] });
  await reread();
  const answered = (answers: Record<string, unknown>) => ({
    type: "interactive",
    interactive: {
      type: "nfm_reply",
      nfm_reply: { name: "flow", body: "Sent", response_json: JSON.stringify(answers) },
    },
  });
  const nora = person(edge, 1);
  await says(nora, answered({ flow_token: "booking", table: "hall", seats: 2 }));
  await says(nora, answered({ flow_token: "booking", table: "terrace", seats: 4 }));
  await says(nora, answered({ flow_token: "survey", table: "terrace" }));
  await settled();
  const told = tables.received.map(({ event }) => event.data.message);
  assertEquals(told.map(({ flow, choice, author }) => ({ flow, choice, author })), [
    {
      flow: { token: "booking", answers: { table: "terrace", seats: 4 } },
      choice: "booking",
      author: undefined,
    },
  ]);
});
