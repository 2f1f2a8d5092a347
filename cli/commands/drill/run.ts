/** Runs all four rollbacks, on a separate project and stack, perhaps beside what is in their way. */
import { migrate } from "../../../lib/migrate.ts";
import { join } from "../../../lib/paths.ts";
import postgres from "postgres";
import { type Api, connect } from "../../core/api.ts";
import { type Obstacle, obstruct } from "./beside.ts";
import type { Beside } from "./states.ts";
import { copy, type DrillProject, makeProject } from "./project.ts";
import { startDrillStack } from "./stack.ts";
import { CliError, told } from "../../core/errors.ts";
import { codeWayBack } from "../rollback/code.ts";
import { databaseWayBack } from "../rollback/database.ts";
import { environmentWayBack } from "../rollback/environment.ts";
import { flagWayBack } from "../rollback/flag.ts";
import type { Session } from "../../core/session.ts";
import { findStack } from "../../core/stack.ts";
import { LEVELS, take, type WayBack } from "../rollback/steps.ts";

/** The result of one level. */
export interface Drilled {
  level: 1 | 2 | 3 | 4;
  name: string;
  /** It worked in time, or said at once what blocks it and which other way works. */
  ok: boolean;
  /** It did not work, because of what the drill put in its way. */
  blocked: boolean;
  took_ms: number;
  /** The time limit of the mission. */
  within_ms: number;
  /** The evidence that it worked, or what went wrong. */
  seen: string;
}

const FLAG = "wa_send.enabled";
const WHY = "drill";
const DRILL_VERSION = "29990101000000";
const DRILL_TABLE = "public.drill";
/** The time limits of a release team for LEVELS, in milliseconds. */
const WITHIN_MS = { 1: 60_000, 2: 300_000, 3: 900_000, 4: 1_800_000 } as const;

/** A rollback that is blocked must say so within this time, in milliseconds. */
const AT_ONCE_MS = 5000;

/**
 * Runs the drill.
 *
 * @param beside What to put in the way. @default nothing
 * @throws {CliError} if its stack does not start
 */
export async function drillAll(
  { io, progress }: Pick<Session, "io" | "progress">,
  beside?: Beside,
): Promise<Drilled[]> {
  progress("creating a project");
  const project = await makeProject();
  try {
    progress("starting a stack");
    const stack = await startDrillStack(project.functions);
    try {
      const found = await findStack({ ...io, env: { GATELINK_STACK: stack.file } });
      const api = connect(found);
      // What the levels say while they go is not the drill's result.
      const session: Session = { io, api: () => Promise.resolve(api), progress, say: () => {} };
      const world: DrillContext = {
        session,
        project,
        url: found.url,
        secretKey: found.secretKey,
        dbUrl: found.dbUrl!,
        migrations: await drillMigration(project, found.dbUrl!),
      };
      if (beside !== undefined) {
        progress(`beside ${beside}`);
        world.obstacle = await obstruct(beside, world.dbUrl, { flag: FLAG, table: DRILL_TABLE });
        await connected(api);
      }
      try {
        return [await flag(world), await environment(world), await code(world), await database(world)];
      } finally {
        await world.obstacle?.end();
      }
    } finally {
      progress("stopping the stack");
      await stack.stop();
    }
  } finally {
    await project.remove();
  }
}

/** Longest wait for new connections of the Data API, in milliseconds. */
const CONNECTED_MS = 10_000;

/** Waits until the Data API answers again, whose connections may have been ended. */
async function connected(api: Api): Promise<void> {
  for (const deadline = Date.now() + CONNECTED_MS;;) {
    const gone = await api.rpc("schema_version", {}).then(() => undefined, (error) => error);
    if (gone === undefined || Date.now() > deadline) return;
    await new Promise((done) => setTimeout(done, 100));
  }
}

interface DrillContext {
  session: Session;
  project: DrillProject;
  url: string;
  secretKey: string;
  dbUrl: string;
  /** Folder of the project's migrations, with the drill's own as the newest. */
  migrations: string;
  /** What is in the way. */
  obstacle?: Obstacle;
}

/** Runs a rollback, then verifies its effect from outside. */
async function level(
  { session, obstacle }: DrillContext,
  number: 1 | 2 | 3 | 4,
  plan: () => Promise<WayBack>,
  look: () => Promise<string>,
): Promise<Drilled> {
  const result: Drilled = {
    level: number,
    name: LEVELS[number].name,
    ok: false,
    blocked: false,
    took_ms: 0,
    within_ms: WITHIN_MS[number],
    seen: "",
  };
  const began = performance.now();
  try {
    const { failed, document } = await take(session, await plan());
    result.took_ms = Math.round(performance.now() - began);
    if (failed) throw new CliError("refused", lastDetail(document));
    result.seen = await look();
    result.ok = result.took_ms <= result.within_ms;
    if (!result.ok) result.seen += "; too slow";
  } catch (error) {
    result.took_ms ||= Math.round(performance.now() - began);
    const { message, hint } = told(error);
    result.seen = message;
    if (obstacle?.named.test(message)) {
      const instead = /gatelink rollback \d/.test(`${message} ${hint}`);
      result.blocked = true;
      result.ok = instead && result.took_ms <= AT_ONCE_MS;
      result.seen = `${message}${hint === undefined || message.includes(hint) ? "" : ` ${hint}`}${
        instead ? "" : "; no other way is named"
      }${result.took_ms <= AT_ONCE_MS ? "" : "; said too late"}`;
    }
  }
  return result;
}

function lastDetail(document: unknown): string {
  const { steps } = document as { steps: { what: string; detail?: string }[] };
  const last = steps.at(-1)!;
  return `${last.what}: ${last.detail ?? "failed"}`;
}

/** Code of the response to a message for an unused number, or its status if it has no code. */
async function send({ url, secretKey }: DrillContext): Promise<string> {
  const response = await fetch(`${url}/functions/v1/wa-send`, {
    method: "POST",
    headers: { apikey: secretKey, "content-type": "application/json" },
    body: JSON.stringify({ to: "15550100999", type: "text", text: { body: "drill" } }),
  });
  return (await response.json()).code ?? String(response.status);
}

/** @throws {CliError} if the observation is not the expected one */
function expect(seen: string, wanted: (seen: string) => boolean, what: string): string {
  if (wanted(seen)) return `${what}: ${seen}`;
  throw new CliError("refused", `${what}: ${seen}`);
}

async function flag(world: DrillContext): Promise<Drilled> {
  const before = await send(world);
  const drilled = await level(
    world,
    1,
    () => flagWayBack(world.session, FLAG, { why: WHY }),
    async () => expect(await send(world), (code) => code === "feature_off", `sending was ${before}, is`),
  );
  if (!drilled.ok || drilled.blocked) return drilled;
  const api = await world.session.api();
  await api.rpc("set_flag", {
    p_key: FLAG,
    p_changes: { on: true },
    p_expected_version: (await api.rows((client) =>
      client.from("settings").select("version").eq("key", FLAG)
    ))[0].version,
    p_reason: WHY,
  });
  return drilled;
}

async function environment(world: DrillContext): Promise<Drilled> {
  const { session } = world;
  const drilled = await level(
    world,
    2,
    () => environmentWayBack(session, FLAG, { why: WHY }),
    async () => expect(await send(world), (code) => code === "disabled_by_environment", "sending is"),
  );
  const undone = await take(session, await environmentWayBack(session, FLAG, { why: WHY, undo: true }));
  if (undone.failed) {
    return { ...drilled, ok: false, seen: `it cannot be undone: ${lastDetail(undone.document)}` };
  }
  return drilled;
}

async function code(world: DrillContext): Promise<Drilled> {
  const { session, project } = world;
  const index = "supabase/functions/wa-router/index.ts";
  const broken = await project.commit(
    index,
    `${await Deno.readTextFile(join(project.folder, index))}\n// The release that has to go.\n`,
    "The release that has to go",
  );
  const deploy = await take(
    session,
    await codeWayBack(session, broken, { why: WHY, repository: project.folder }),
  );
  if (deploy.failed) {
    const { took_ms } = deploy.document as { took_ms: number };
    return {
      level: 3,
      name: LEVELS[3].name,
      ok: false,
      blocked: false,
      took_ms,
      within_ms: WITHIN_MS[3],
      seen: `the release before the rollback: ${lastDetail(deploy.document)}`,
    };
  }
  const version = async () =>
    (await (await fetch(`${world.url}/functions/v1/health`)).json()).version as string;
  const from = await version();
  return await level(
    world,
    3,
    () => codeWayBack(session, `${broken}~1`, { why: WHY, repository: project.folder }),
    async () =>
      expect(await version(), (to) => to !== from && broken.startsWith(from), `health said ${from}, says`),
  );
}

/** A migration of the drill's own, applied, with rows that its reverse destroys. Returns the folder. */
async function drillMigration(project: DrillProject, dbUrl: string): Promise<string> {
  // Deployed code must not seem to need it.
  const migrations = join(project.drill, "migrations");
  await copy(join(project.folder, "supabase", "migrations"), migrations);
  const name = `${DRILL_VERSION}_drill.sql`;
  await Deno.writeTextFile(
    join(migrations, name),
    `create table ${DRILL_TABLE} (id integer primary key);\nalter table ${DRILL_TABLE} enable row level security;\n`,
  );
  await Deno.writeTextFile(join(migrations, "reverse", name), `drop table ${DRILL_TABLE};\n`);
  const sql = postgres(dbUrl, { max: 1, onnotice: () => {} });
  try {
    await migrate(sql, migrations);
    await sql`insert into ${sql(DRILL_TABLE)} values (1), (2)`;
  } finally {
    await sql.end({ timeout: 2 });
  }
  return migrations;
}

async function database(world: DrillContext): Promise<Drilled> {
  const { session, migrations } = world;
  const back = (acceptLoss: boolean) =>
    databaseWayBack(session, { why: WHY, steps: 1, acceptLoss, migrations });
  return await level(
    world,
    4,
    async () => {
      // It must not destroy these rows unasked.
      const unasked = await back(false).then(
        (way) => way.cleanUp!().then(() => "it would destroy rows without --accept-loss"),
        refusalOf,
      );
      if (unasked !== undefined) throw new CliError("refused", unasked);
      return await back(true);
    },
    async () => {
      const sql = postgres(world.dbUrl, { max: 1, onnotice: () => {} });
      try {
        const [{ gone }] = await sql`select to_regclass(${DRILL_TABLE}) is null as gone`;
        const [{ recorded }] = await sql`
          select exists (select from supabase_migrations.schema_migrations where version = ${DRILL_VERSION}) as recorded`;
        return expect(
          String(gone && !recorded),
          (gone) => gone === "true",
          "refused to destroy 2 rows without --accept-loss; destroyed with it",
        );
      } finally {
        await sql.end({ timeout: 2 });
      }
    },
  );
}

/** Undefined for the expected refusal. @throws anything else */
function refusalOf(error: unknown): undefined {
  if (
    error instanceof CliError && error.code === "refused" && /2 rows of public\.drill/.test(error.message)
  ) return;
  throw error;
}
