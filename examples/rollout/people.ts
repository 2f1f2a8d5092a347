/**
 * People who use a feature: each minute, some come who were never there before. For each it asks the flag, as a service
 * does before it shows the feature, and reports how it went, with what the flag said.
 *
 *     deno run -A examples/rollout/people.ts checkout --minutes 10
 *
 * With --failing 0.3, three of ten who have the feature fail. With --with anna, Anna comes every minute, too.
 */
const [feature, ...options] = Deno.args;
const option = (name: string) => options.includes(name) ? options[options.indexOf(name) + 1] : undefined;
const minutes = Number(option("--minutes") ?? 1), failing = Number(option("--failing") ?? 0);
const regular = option("--with");

const { url, secretKey } = JSON.parse(
  await Deno.readTextFile(Deno.env.get("GATELINK_STACK") ?? ".gatelink/stack.json"),
);
const flag = `${feature}.enabled`;

async function post(path: string, body: unknown) {
  const response = await fetch(`${url}/functions/v1/flags/${path}`, {
    method: "POST",
    headers: { apikey: secretKey, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return await response.json();
}

/** Begins the ids of this run's people. */
const run = Deno.env.get("PEOPLE") ?? crypto.randomUUID();
let having = 0, came = 0;

/** One person: whether they have the feature, and how it went. */
async function visit(targetingKey: string) {
  const { value } = await post(`ofrep/v1/evaluate/flags/${flag}`, { context: { targetingKey } });
  const failed = value && Math.floor(++having * failing) > Math.floor((having - 1) * failing);
  return { flag, targetingKey, value, failed, latency_ms: 80 + ++came * 37 % 80 };
}

for (let minute = 1; minute <= minutes; minute++) {
  if (minute > 1) await new Promise((done) => setTimeout(done, 60_000));
  const people: string[] = Array.from({ length: 100 }, (_, n) => `${run}-${minute}-${n}`);
  if (regular !== undefined) people[0] = regular;
  const outcomes = await Promise.all(people.map(visit));
  await post("outcomes", { outcomes });
  const count = (key: "value" | "failed") => outcomes.filter((outcome) => outcome[key]).length;
  console.log(
    `minute ${minute}: ${count("value")} of ${people.length} have ${feature}, ${
      count("failed")
    } of them failed`,
  );
}
