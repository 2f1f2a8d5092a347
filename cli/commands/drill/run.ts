/** Runs all four rollbacks, on a separate project and stack. */
import { migrate } from "../../../lib/migrate.ts";
import { join } from "../../../lib/paths.ts";
import postgres from "postgres";
import { connect } from "../../core/api.ts";
import { type DrillProject, makeProject } from "./project.ts";
import { startDrillStack } from "./stack.ts";
import { CliError } from "../../core/errors.ts";
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
  ok: boolean;
  took_ms: number;
  /** The time limit of the mission. */
  within_ms: number;
  /** The evidence that it worked, or what went wrong. */
  seen: string;
}

const FLAG = "wa_send.enabled";
const WHY = "drill";
const DRILL_VERSION = "29990101000000";
/** The time limits of a release team for LEVELS, in milliseconds. */
const WITHIN_MS = { 1: 60_000, 2: 300_000, 3: 900_000, 4: 1_800_000 } as const;

/** Runs the drill. @throws {CliError} if its stack does not start */
export async function drillAll({ io, progress }: Pick<Session, "io" | "progress">): Promise<Drilled[]> {
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
      };
      return [await flag(world), await environment(world), await code(world), await database(world)];
    } finally {
      progress("stopping the stack");
      await stack.stop();
    }
  } finally {
    await project.remove();
  }
}

interface DrillContext {
  session: Session;
  project: DrillProject;
  url: string;
  secretKey: string;
  dbUrl: string;
}

/** Runs a rollback, then verifies its effect from outside. */
async function level(
  session: Session,
  number: 1 | 2 | 3 | 4,
  plan: () => Promise<WayBack>,
  look: () => Promise<string>,
): Promise<Drilled> {
  const result: Drilled = {
    level: number,
    name: LEVELS[number].name,
    ok: false,
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
    result.seen = error instanceof Error ? error.message : String(error);
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
    world.session,
    1,
    () => flagWayBack(world.session, FLAG, { why: WHY }),
    async () => expect(await send(world), (code) => code === "feature_off", `sending was ${before}, is`),
  );
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
    session,
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
      took_ms,
      within_ms: WITHIN_MS[3],
      seen: `the release before the way back: ${lastDetail(deploy.document)}`,
    };
  }
  const version = async () =>
    (await (await fetch(`${world.url}/functions/v1/health`)).json()).version as string;
  const from = await version();
  return await level(
    session,
    3,
    () => codeWayBack(session, `${broken}~1`, { why: WHY, repository: project.folder }),
    async () =>
      expect(await version(), (to) => to !== from && broken.startsWith(from), `health said ${from}, says`),
  );
}

async function database(world: DrillContext): Promise<Drilled> {
  const { session, project } = world;
  const migrations = join(project.folder, "supabase", "migrations");
  const name = `${DRILL_VERSION}_drill.sql`;
  await Deno.writeTextFile(
    join(migrations, name),
    `create table public.drill (id integer primary key);\nalter table public.drill enable row level security;\n`,
  );
  await Deno.writeTextFile(join(migrations, "reverse", name), `drop table public.drill;\n`);
  const sql = postgres(world.dbUrl, { max: 1, onnotice: () => {} });
  try {
    await migrate(sql, migrations);
    await sql`insert into public.drill values (1), (2)`;
    // It must not destroy these rows unasked.
    const unasked = await databaseWayBack(session, { why: WHY, steps: 1, migrations })
      .then(
        (way) => way.cleanUp!().then(() => "it would destroy rows without --accept-loss"),
        (error) => refusalOf(error),
      );
    if (unasked !== undefined) {
      return {
        level: 4,
        name: LEVELS[4].name,
        ok: false,
        took_ms: 0,
        within_ms: WITHIN_MS[4],
        seen: unasked,
      };
    }
    return await level(
      session,
      4,
      () => databaseWayBack(session, { why: WHY, steps: 1, acceptLoss: true, migrations }),
      async () => {
        const [{ gone }] = await sql`select to_regclass('public.drill') is null as gone`;
        const [{ recorded }] = await sql`
          select exists (select from supabase_migrations.schema_migrations where version = ${DRILL_VERSION}) as recorded`;
        return expect(
          String(gone && !recorded),
          (gone) => gone === "true",
          "refused to destroy 2 rows without --accept-loss; destroyed with it",
        );
      },
    );
  } finally {
    await sql.end({ timeout: 2 });
  }
}

/** Undefined for the expected refusal; else what went wrong. */
function refusalOf(error: unknown): string | undefined {
  if (
    error instanceof CliError && error.code === "refused" && /2 rows of public\.drill/.test(error.message)
  ) return;
  return error instanceof Error ? error.message : String(error);
}
