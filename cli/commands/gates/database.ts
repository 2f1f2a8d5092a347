/** Gates that examine the database. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { listMigrations } from "../../../lib/migrate.ts";
import { join } from "../../../lib/paths.ts";
import { entry, factGate, type Gate, type GateContext, none, notApplicable, open, passed } from "./gate.ts";
import { irreversible } from "../rollback/irreversible.ts";
import { each } from "../../core/each.ts";
import { age } from "../../core/output.ts";
import { openProject } from "../../core/project.ts";
import { reversePath } from "../rollback/reverse.ts";

/** Largest age of a backup, because later data would be lost. */
const BACKUP_WITHIN_S = 24 * 3600;
/** Tables that are tried at once: the project's connections are for its users. */
const AT_ONCE = 8;

export const DATABASE_GATES: Gate[] = [
  {
    ...entry("migrations"),
    check({ root, facts }) {
      if (facts.migrations === null) return open("there is no record of migrations", "supabase db push");
      const files = new Set(
        listMigrations(join(root, "supabase", "migrations")).map(({ version }) => version),
      );
      const applied = new Set(facts.migrations);
      const missing = [...files].filter((version) => !applied.has(version));
      const unknown = [...applied].filter((version) => !files.has(version));
      if (unknown.length > 0) return none(unknown, "", "applied, but not in this checkout", "git pull");
      return none(missing, counted(files.size, "migration"), "not applied", "supabase db push");
    },
  },
  {
    ...entry("reverses"),
    async check({ root }) {
      const folder = join(root, "supabase", "migrations");
      const missing: string[] = [];
      for (const migration of listMigrations(folder)) {
        if (!await Deno.stat(reversePath(migration)).catch(() => undefined)) missing.push(migration.version);
      }
      const marked = (await irreversible(folder)).map(({ version, name, level }) =>
        `${version}_${name} needs ${level === 5 ? "a backup" : `level ${level}`}`
      );
      const good = marked.length === 0
        ? "each migration has its reverse"
        : `paired; beware: ${marked.join(", ")}`;
      return none(
        missing,
        good,
        "without a reverse",
        "Write it in supabase/migrations/reverse, and test it with rows",
      );
    },
  },
  { ...factGate("rls"), check: rowLevelSecurity },
  {
    ...entry("backup"),
    check: backup,
  },
];

/** Checks the catalog, and tries access with the publishable key, which anybody has. */
async function rowLevelSecurity(world: GateContext) {
  const { api, facts } = world;
  const found = await factGate("rls").check(world);
  if (found.status === "open") return found;
  const { url, publishableKey } = api.stack;
  if (publishableKey === undefined) {
    return passed(`${facts.tables.length} tables (not tested: the publishable key is unknown)`);
  }
  const seen: string[] = [];
  await each(facts.tables, AT_ONCE, async (table) => {
    const response = await fetch(`${url}/rest/v1/${table}?limit=1`, {
      headers: { apikey: publishableKey },
      signal: AbortSignal.timeout(20_000),
    });
    const body = await response.text();
    if (response.ok && body.trim() !== "[]") seen.push(table);
  });
  return none(
    seen.sort(),
    `${facts.tables.length} tables are hidden from the publishable key`,
    "readable by anybody",
    "Close it",
  );
}

interface Backups {
  pitr_enabled?: boolean;
  backups?: { status: string; inserted_at: string }[];
}

/** Checks Supabase's backups of a hosted project; elsewhere the server's archive. */
async function backup({ session, api, facts, local, projectRef, now }: GateContext) {
  if (local) return notApplicable("a stack on this machine");
  const how =
    "Take one (dashboard: Database > Backups), or sign that one exists: gatelink gates sign FLAG --gate backup";
  const ageOf = (at: string) => (now.getTime() - Date.parse(at)) / 1000;
  const { mode, last_at, failing } = facts.archive;
  if (mode === "on" && last_at !== null && !failing && ageOf(last_at) < BACKUP_WITHIN_S) {
    return passed(`the log is archived, last ${age(ageOf(last_at))} ago`);
  }
  const project = await openProject(session.io, api.stack, projectRef);
  try {
    const { pitr_enabled, backups = [] } = await project.json<Backups>(["backups", "list"]);
    if (pitr_enabled) return passed("point-in-time recovery is on");
    const newest = backups.filter(({ status }) => status === "COMPLETED").map(({ inserted_at }) =>
      inserted_at
    ).sort()
      .at(-1);
    if (newest === undefined) return open("there is none", how);
    return ageOf(newest) < BACKUP_WITHIN_S
      ? passed(`${age(ageOf(newest))} old`)
      : open(`the newest is ${age(ageOf(newest))} old`, how);
  } finally {
    await project.close();
  }
}
