/** Step: the clock, which calls the functions with an address and a key from Vault. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { CliError } from "../../core/errors.ts";
import type { Wanted } from "./inputs.ts";
import { asked, type Target } from "./target.ts";
import type { WalkStep } from "./walk.ts";

/** A key of its own can be revoked alone. */
const CLOCK_KEY: Wanted = {
  name: "GATELINK_CLOCK_KEY",
  about: "secret key for the clock alone, sb_secret_…: Project Settings > API Keys > New secret key",
};

/** Puts address and key into Vault and schedules the jobs. The local stack has a clock of its own. */
export function clock(
  { sql, stack, project, inputs, words }: Pick<Target, "sql" | "words" | "inputs"> & {
    stack: { url: string };
    project: { local: boolean };
  },
): WalkStep {
  const read = async () => {
    const [{ vault, cron }] = await sql`
      select to_regclass('vault.decrypted_secrets') is not null as vault, to_regclass('cron.job') is not null as cron`;
    const secrets = vault
      ? await sql<{ id: string; name: string; decrypted_secret: string }[]>`
        select id, name, decrypted_secret from vault.decrypted_secrets
        where name in ('gatelink_url', 'gatelink_secret_key')`
      : [];
    const [{ jobs, wanted }] = cron
      ? await sql`select (select count(*)::int from private.clock_jobs() c join cron.job j on j.jobname = c.name) as jobs,
          (select count(*)::int from private.clock_jobs()) as wanted`
      : [{ jobs: 0, wanted: 0 }];
    return { vault, cron, jobs, wanted, secrets: new Map(secrets.map((one) => [one.name, one])) };
  };
  return {
    name: "clock",
    what: "let the database call the functions",
    look: () =>
      asked(async () => {
        const { vault, cron, jobs, wanted, secrets } = await read();
        if (!vault && project.local) return { done: true, found: "the local stack has a clock of its own" };
        const url = secrets.get("gatelink_url")?.decrypted_secret.replace(/\/+$/, "");
        if (url !== stack.url || !secrets.get("gatelink_secret_key")?.decrypted_secret) {
          return { done: false, lacks: "address and key of the clock to be put into Vault" };
        }
        if (cron && jobs < wanted) {
          return { done: false, lacks: `${counted(wanted - jobs, "job")} to be scheduled` };
        }
        const [{ fault }] = await sql`select private.clock_health(now()) -> 'figures' ->> 'fault' as fault`;
        return {
          done: true,
          found: `${jobs} jobs${fault === null ? "" : `; calls do not arrive yet (${fault})`}`,
        };
      }),
    act: () =>
      asked(async () => {
        const { vault, cron, secrets } = await read();
        if (!vault) {
          throw new CliError(
            "refused",
            "The database has no Vault.",
            "Enable it: Dashboard > Integrations > Vault.",
          );
        }
        if (!cron) {
          await sql`create extension if not exists pg_cron`.catch(() => {
            throw new CliError(
              "refused",
              "The extension pg_cron cannot be enabled.",
              `Enable pg_cron and pg_net in the dashboard (Database > Extensions), then: gatelink setup${words}`,
            );
          });
          await sql`create extension if not exists pg_net`;
        }
        const values = { gatelink_url: stack.url, gatelink_secret_key: await inputs.value(CLOCK_KEY) };
        for (const [name, value] of Object.entries(values)) {
          const before = secrets.get(name);
          if (before === undefined) await sql`select vault.create_secret(${value}, ${name})`;
          else await sql`select vault.update_secret(${before.id}, ${value})`;
        }
        await sql`select private.schedule_clock()`;
      }),
  };
}
