/** What is set up: a hosted project, or the local stack in its place. */
import postgres, { type Sql } from "postgres";
import { type Api, connect } from "../../core/api.ts";
import { CliError } from "../../core/errors.ts";
import { openProject, type Project } from "../../core/project.ts";
import type { Session } from "../../core/session.ts";
import type { Stack } from "../../core/stack.ts";
import { Inputs, type Wanted } from "./inputs.ts";

/** Options that say what is set up. */
export interface TargetOptions {
  /** The 20 letters of a hosted project. @default the stack that the command line finds */
  projectRef?: string;
  /** The database's address. @default the local stack's, else SUPABASE_DB_URL, else asked for */
  dbUrl?: string;
}

/** See the module. */
export interface Target {
  session: Session;
  stack: Stack;
  api: Api;
  project: Project;
  /** The database, as its owner. */
  sql: Sql;
  inputs: Inputs;
  /** `--project-ref abc…`, as it was given, for commands that are printed. */
  words: string;
  close(): Promise<void>;
}

const SECRET_KEY: Wanted = {
  name: "SUPABASE_SECRET_KEY",
  about: "secret key of the project, sb_secret_…: Project Settings > API Keys",
  wrong: (value) => /^sb_publishable_/.test(value) ? "it is a publishable key" : undefined,
};

const DB_URL: Wanted = {
  name: "SUPABASE_DB_URL",
  about: "address of the database with its password: Connect > Session pooler",
  wrong: (value) =>
    URL.canParse(value) && /^postgres(?:ql)?:$/.test(new URL(value).protocol)
      ? undefined
      : "an address looks like postgresql://postgres.abc:password@host:5432/postgres",
};

/** Opens it. Nothing is changed yet. @throws {CliError} usage, stack_not_found */
export async function openTarget(session: Session, { projectRef, dbUrl }: TargetOptions): Promise<Target> {
  const inputs = new Inputs(session.io);
  const stack: Stack = projectRef === undefined ? (await session.api()).stack : {
    url: `https://${projectRef}.supabase.co`,
    secretKey: await inputs.value(SECRET_KEY),
    from: "--project-ref and SUPABASE_SECRET_KEY",
    file: undefined,
  };
  if (dbUrl !== undefined) inputs.keep(DB_URL.name, dbUrl);
  const address = dbUrl === undefined && stack.dbUrl !== undefined ? stack.dbUrl : await inputs.value(DB_URL);
  const project = await openProject(session.io, stack, projectRef);
  const sql = postgres(address, { max: 1, connect_timeout: 10, onnotice: () => {}, prepare: false });
  return {
    session,
    stack,
    api: connect(stack),
    project,
    sql,
    inputs,
    words: projectRef === undefined ? "" : ` --project-ref ${projectRef}`,
    async close() {
      await sql.end({ timeout: 2 });
      await project.close();
    },
  };
}

/** Asks the database; an unreachable one is an error with advice. */
export async function asked<T>(work: () => PromiseLike<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (error instanceof CliError || (/^[0-9A-Z]{5}$/.test(code ?? "") && !/^(?:08|28|3D)/.test(code!))) {
      throw error;
    }
    throw new CliError(
      "stack_unreachable",
      `The database does not answer: ${message || code}`,
      "Check its address and password, and whether the project is paused.",
      { cause: error },
    );
  }
}
