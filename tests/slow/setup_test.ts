/**
 * `gatelink setup` and `gatelink upgrade` on a local stack in place of a project: the real Supabase CLI uploads, the real
 * functions answer, and each step fails once for a reason of its own before it works.
 */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { COMMON_FIELDS } from "../../supabase/functions/_shared/contract/webhook_fields.ts";
import { runSetup } from "../../cli/commands/setup/run.ts";
import { runUpgrade } from "../../cli/commands/setup/run_upgrade.ts";
import type { SetupOptions } from "../../cli/commands/setup/options.ts";
import type { Taken } from "../../cli/commands/setup/walk.ts";
import { join } from "../../lib/paths.ts";
import { testSession } from "../support/gatelink.ts";
import { ownProject } from "../support/own_project.ts";
import { until } from "../support/until.ts";
import { says, somebody } from "../support/people.ts";
import { type ScriptedGraph, scriptedGraph } from "../support/scripted_graph.ts";

Deno.test({
  name: "setup: goes on after a failure of each step, does each thing once, and is harmless when repeated",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const own = await ownProject();
    const { stack, sql, project } = own;
    const { keys } = await import("../../local/project/data_folder.ts").then(async () => ({
      keys: JSON.parse(await Deno.readTextFile(join(stack.dir, "keys.json"))).whatsapp as {
        appSecret: string;
        accessToken: string;
      },
    }));
    const graph: ScriptedGraph = scriptedGraph(keys);
    const answering = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => Response.json({ replies: [{ type: "text", text: { body: "Hello!" } }] }),
    );
    const secretsOfWhatsApp = {
      WHATSAPP_APP_SECRET: keys.appSecret,
      WHATSAPP_ACCESS_TOKEN: keys.accessToken,
    };

    async function setup(
      options: Partial<SetupOptions> = {},
      env: Record<string, string> = secretsOfWhatsApp,
      whenAsked?: () => Promise<unknown>,
    ) {
      const session = testSession({
        env: {
          GATELINK_STACK: own.file,
          WHATSAPP_GRAPH_URL: graph.url,
          SUPABASE_DB_URL: stack.stack.dbUrl,
          ...env,
        },
      });
      const running = runSetup(session, { message: true, wait: 20_000, ...options }, {
        root: project.folder,
        seenMs: 20_000,
        replyMs: 60_000,
      });
      const [{ document, text }] = await Promise.all([
        running,
        whenAsked &&
        until("a person is asked to write", () => session.said.some((line) => /Write to/.test(line)))
          .then(whenAsked),
      ]);
      const { steps } = document as { steps: Taken[] };
      const printed = session.said.join("\n") + text + JSON.stringify(document);
      for (const secret of Object.values(keys)) assert(!printed.includes(secret), "a secret was printed");
      const last = steps.at(-1)!;
      return { steps, states: steps.map(({ state, name }) => `${name} ${state}`), last, text };
    }
    async function fails(name: string, said: RegExp, ...how: Parameters<typeof setup>) {
      const { last, text } = await setup(...how);
      assertEquals([last.name, last.state], [name, "failed"], last.detail);
      assert(said.test(last.detail), last.detail);
      assertStringIncludes(text, "gatelink setup");
    }

    try {
      // A newcomer's project: the stack without what it was seeded with, and without the last migration.
      await sql`set session_replication_role = replica`;
      await sql`delete from public.team_members`;
      await sql`delete from public.routes`;
      await sql`delete from public.settings where key in ('wa_router.enabled', 'wa_send.enabled')`;
      await sql`set session_replication_role = origin`;

      await fails("access", /does not answer/, { dbUrl: "postgres://postgres@127.0.0.1:1/postgres" });
      await sql`insert into supabase_migrations.schema_migrations (version, name) values ('20261129000101', 'foreign')`;
      await sql`insert into private.own_migrations (version) values ('20261129000101')`;
      await fails("database", /created by different migrations/);
      await sql`delete from supabase_migrations.schema_migrations where version = '20261129000101'`;
      await sql`delete from private.own_migrations where version = '20261129000101'`;

      await fails("secrets", /WHATSAPP_APP_SECRET is missing/, {}, {});
      graph.token.scopes = ["whatsapp_business_messaging"];
      await fails("secrets", /lacks whatsapp_business_management/);
      graph.token.scopes.push("whatsapp_business_management");
      graph.token.expires_at = 1_800_000_000;
      await fails("secrets", /expires on 2027-01-15/);
      graph.token.expires_at = 0;
      graph.down = 503;
      await fails("secrets", /temporarily unavailable/);
      graph.down = undefined;

      const broken = join(project.folder, "supabase", "functions", "health", "index.ts");
      const whole = await Deno.readTextFile(broken);
      await Deno.writeTextFile(broken, `import "./missing.ts";\n${whole}`);
      await fails("functions", /supabase functions deploy/);
      await Deno.writeTextFile(broken, whole);

      await fails("team", /Nobody is named/);
      await fails("team", /Give `email`/, { admin: "nobody" });
      // Whoever has no account is invited, and is admin once the address is proved.
      await fails("service", /No service is named/, { admin: "newcomer@example.com" });
      assertStringIncludes(await Deno.readTextFile(join(stack.dir, "mails.txt")), "newcomer@example.com");
      assertEquals(await sql`select email, role from public.team_invitations`.then((rows) => [...rows]), [
        { email: "newcomer@example.com", role: "admin" },
      ]);
      await fails("service", /No service is named/);
      await sql`delete from public.team_invitations`;
      await fails("service", /No service is named/, { admin: "admin@example.com" });
      const service = { name: "support", url: `http://127.0.0.1:${answering.addr.port}/hook` };
      await fails("service", /allowlist does not permit/, {
        service: { name: "support", url: "ftp://service.invalid/" },
      });
      graph.callbackUrl = "https://other.example.com/hook";
      await fails("meta", /lead to https:\/\/other\.example\.com/, { service });
      graph.callbackUrl = undefined;
      graph.subscribed = false;
      graph.offered = [...COMMON_FIELDS];
      await fails("message", /No message arrived/, { wait: 1500 });

      const phone = await somebody(stack, "Ana", "15550109999");
      const { states, last } = await setup(
        { wait: 60_000 },
        secretsOfWhatsApp,
        () => says(stack, phone, "hello"),
      );
      assertEquals(states.filter((state) => !state.endsWith(" found")), ["message done"], last.detail);
      assertEquals([last.name, last.state], ["bill", "found"]);
      assertStringIncludes(last.detail, "86,400 calls");

      const { states: repeated } = await setup({});
      assertEquals(repeated.filter((state) => !state.endsWith(" found")), [], "harmless when repeated");
      assertEquals(
        await sql`select key, value from public.settings where key like 'wa\\_%.enabled' order by key`.then((
          rows,
        ) => rows.map(({ key, value }) => `${key} ${value}`)),
        ["wa_router.enabled true", "wa_send.enabled true"],
      );

      await t_upgrade();
    } finally {
      await own.stop();
      await graph.stop();
      await answering.shutdown();
    }

    async function t_upgrade() {
      const upgrade = async (anyway: boolean) => {
        const session = testSession({
          env: { GATELINK_STACK: own.file, SUPABASE_DB_URL: stack.stack.dbUrl },
        });
        const { document } = await runUpgrade(session, { anyway }, { root: project.folder, seenMs: 20_000 });
        return (document as { steps: Taken[] }).steps;
      };
      const before = (await upgrade(true)).find(({ name }) => name === "functions")!;
      assertEquals(before.state, "found", before.detail);
      await project.commit("supabase/functions/health/note.ts", "export {};\n", "A new version");
      const stopped = await upgrade(false);
      assertEquals(stopped.at(-1)!.name, "gates", "an open gate stops it before anything changes");
      const [, wayBack, , , functions] = await upgrade(true);
      assertStringIncludes(wayBack.detail, "gatelink rollback 3 ");
      assertEquals(functions.state, "done", functions.detail);
      assertEquals((await upgrade(true)).at(-1)!.state, "found");
    }
  },
});
