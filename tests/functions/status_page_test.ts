/** `GET /functions/v1/health/status`: what everybody may read, on the real functions and database. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Rpc } from "../../supabase/functions/_shared/db/client.ts";
import { statusPage } from "../../supabase/functions/health/status_page.ts";
import { edgeTest } from "../support/edge.ts";

edgeTest("health/status: public, readable by any page, cached for seconds", async ({ url, sql }) => {
  await sql`select private.sample_minutes(clock_timestamp())`;
  await sql`select public.open_incident('Replies come late', 'performance', null, null, 'graph', true, 'secret note')`;
  await sql`select public.open_incident('Not for the public', 'bug')`;
  await sql`insert into public.settings (key, value) values ('incident_template.status_investigating', 'We saw it ({{severity}}).')`;
  const response = await fetch(`${url}/functions/v1/health/status`, {
    headers: { origin: "https://status.example" },
  });
  const text = await response.text();
  const body = JSON.parse(text);
  assertEquals(
    ["access-control-allow-origin", "cache-control"].map((name) => response.headers.get(name)),
    ["*", "public, max-age=10"],
  );
  assertEquals(Object.keys(body), ["status", "at", "components", "incidents"]);
  assertEquals(
    body.incidents.map(({ opened_at: _, updates, ...rest }: Record<string, unknown>) => ({
      ...rest,
      updates: (updates as { text: string }[]).map(({ text }) => text),
    })),
    [{
      number: 1,
      title: "Replies come late",
      severity: "P1",
      status: "investigating",
      resolved_at: null,
      updates: ["We saw it (P1)."],
    }],
  );
  for (const part of body.components) assertEquals(Object.keys(part).sort(), ["component", "status"]);
  assert(body.components.length > 5 && !text.includes("config"));
  for (const hidden of ["secret note", "Not for the public", 'graph","opened', "postgres"]) {
    assert(!text.includes(hidden), text);
  }
  const refused = await fetch(`${url}/functions/v1/health/status`, { method: "POST" });
  assertEquals([refused.status, (await refused.json()).code], [405, "method_not_allowed"]);
});

Deno.test("statusPage(): shows the worst of components and open incidents", async () => {
  const cases: [string[], [severity: string, status: string][], string][] = [
    [["healthy"], [], "healthy"],
    [["healthy", "degraded"], [], "degraded"],
    [["degraded", "down"], [], "down"],
    [["healthy"], [["P2", "monitoring"]], "degraded"],
    [["healthy"], [["P1", "resolved"], ["P0", "identified"]], "down"],
    [["healthy"], [["P0", "resolved"]], "healthy"],
  ];
  for (const [parts, open, expected] of cases) {
    const call = (() =>
      Promise.resolve({
        at: "2026-11-29T03:00:00Z",
        components: parts.map((status) => ({ component: "queue", status })),
        incidents: open.map(([severity, status], i) => ({
          number: i,
          title: "x",
          severity,
          status,
          opened_at: "",
          resolved_at: null,
          updates: [],
        })),
        templates: {},
      })) as unknown as Rpc;
    const { status } = await (await statusPage(call)()).json();
    assertEquals(status, expected);
  }
});

Deno.test("statusPage(): with the database down it says so and shows its last data, asking at most once in five seconds", async () => {
  let time = 0, calls = 0, away = false;
  const call = (() => {
    calls++;
    return away ? Promise.reject(new Error("away")) : Promise.resolve({
      at: "2026-11-29T03:00:00Z",
      components: [{ component: "queue", status: "healthy" }],
      incidents: [{
        number: 1,
        title: "x",
        severity: "P2",
        status: "resolved",
        opened_at: "",
        resolved_at: "",
        updates: [],
      }],
      templates: {},
    });
  }) as unknown as Rpc;
  const page = statusPage(call, () => time);
  const ask = async () => (await page()).json();
  await Promise.all(Array.from({ length: 50 }, ask));
  assertEquals(calls, 1);
  away = true;
  time = 5001;
  const body = await ask();
  assertEquals([body.status, body.components, body.incidents.length, calls], [
    "down",
    [{ component: "database", status: "down" }],
    1,
    2,
  ]);
  const never = await (await statusPage(() => Promise.reject(new Error("away")))()).json();
  assertEquals([never.status, never.at, never.incidents], ["down", null, []]);
});
