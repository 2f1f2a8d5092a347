/** docs/architecture.md names every table there is, and its limits are those of the code. */
import { assert, assertEquals } from "../support/assert.ts";
import { join } from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { MAX_REPLIES } from "../../supabase/functions/_shared/contract/http/limits.ts";
import { MAX_KEPT } from "../../supabase/functions/_shared/delivery/answer.ts";
import { MAX_READ } from "../../supabase/functions/_shared/http/answers.ts";
import { DEFAULT_TIMEOUT_MS } from "../../supabase/functions/_shared/delivery/deliver.ts";
import { SCHEDULE } from "../../supabase/functions/_shared/contract/retries.ts";
import { LIMITS } from "../../supabase/functions/_shared/contract/routing/condition.ts";
import { MAX_SEND_ATTEMPTS } from "../../supabase/functions/_shared/channels/backoff.ts";
import { whatsapp } from "../../supabase/functions/_shared/channels/whatsapp/index.ts";
import { databaseTest } from "../support/database.ts";

const PAGE = await Deno.readTextFile(join(ROOT, "docs", "architecture.md"));

databaseTest("docs/architecture.md: lists every table and nothing else", async (sql) => {
  const rows = await sql<{ name: string }[]>`
    select case schemaname when 'public' then tablename else schemaname || '.' || tablename end as name
    from pg_tables where schemaname in ('public', 'private') order by 1`;
  const section = /^## What is stored where$[\s\S]*?(?=^## )/m.exec(PAGE)![0];
  const cells = section.split("\n").filter((line) => line.startsWith("|")).map((line) => line.split("|")[2]);
  const named = cells.flatMap((cell) => [...cell.matchAll(/`([a-z_.]+)`/g)].map(([, name]) => name));
  const tables = named.filter((name) => name !== "messages.native");
  assertEquals([...new Set(tables)].toSorted(), rows.map(({ name }) => name));
});

Deno.test("docs/architecture.md: its limits equal those of the code", () => {
  const limits: Record<string, string> = {
    "Body of a webhook": `${whatsapp.limits.webhookBytes / 2 ** 20} MiB, ${
      whatsapp.limits.requestBytes / 2 ** 10
    } KiB`,
    "Time for a delivery":
      `${DEFAULT_TIMEOUT_MS / 1000} s, up to 30 s; ${MAX_READ / 1024} KB of the answer are read, ` +
      `${MAX_KEPT / 1024} KB kept, ${MAX_REPLIES} replies used`,
    "Attempts at a delivery": `${SCHEDULE.length + 1} over ${
      Math.round(SCHEDULE.reduce((sum, wait) => sum + wait) / 3600)
    } h`,
    "Attempts at a send": `${MAX_SEND_ATTEMPTS} over`,
    "A condition": `${LIMITS.depth} deep, ${LIMITS.nodes} parts, lists of ${
      LIMITS.list.toLocaleString("en")
    }, ${LIMITS.patterns} regular expressions`,
  };
  for (const [what, limit] of Object.entries(limits)) {
    const row = PAGE.split("\n").find((line) => line.startsWith(`| ${what}`));
    assert(row?.includes(limit), `${what}: ${limit} is not in\n${row}`);
  }
});

Deno.test("docs/architecture.md, README.md: no diagram names a node by a reserved word of Mermaid", async () => {
  for (const page of [PAGE, await Deno.readTextFile(join(ROOT, "README.md"))]) {
    const diagrams = [...page.matchAll(/^```mermaid\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
    assert(diagrams.length > 0);
    for (const code of diagrams) {
      const bare = code.replaceAll(/"[^"]*"|\[[^\]]*\]/g, "").replaceAll(/(--|-\.) .*? ?(-->|\.->)/g, "-->");
      assertEquals(bare.match(/(^ +|> |& )(graph|flowchart|end|style|class|click)\b(?!$)/m), null);
    }
  }
});
