/**
 * For tests that change what is deployed: a project of the test's own, as what is deployed of this checkout in a folder
 * with a history of its own, a local stack that serves it, and `gatelink` on that stack.
 */
import { assertEquals } from "@std/assert";
import postgres, { type Sql } from "postgres";
import { connect } from "../../cli/api.ts";
import { type DrillProject, makeProject } from "../../cli/drill_project.ts";
import type { Session } from "../../cli/session.ts";
import { findStack } from "../../cli/stack.ts";
import { join, ROOT } from "../../local/paths.ts";
import { type RunningStack, type StackOptions, startStack } from "./stack.ts";

export interface OwnProject {
  project: DrillProject;
  stack: RunningStack;
  /** The stack's database, as its owner. */
  sql: Sql;
  /** Path of stack.json. */
  file: string;
  /** Runs `gatelink` with these words, as a process. */
  gatelink(words: string[], env?: Record<string, string>): Promise<Ran>;
  /** As above with --json; the exit code must be this. @default {0} */
  // deno-lint-ignore no-explicit-any
  document(words: string[], code?: number): Promise<any>;
  /** What the parts of the command line get, in this process. Collects what is said. */
  session: Session & { said: string[] };
  stop(): Promise<void>;
}

export interface Ran {
  code: number;
  out: string;
  err: string;
}

/** Starts it, on an embedded Postgres of its own unless the options name another. */
export async function ownProject(options: StackOptions = {}): Promise<OwnProject> {
  const project = await makeProject();
  const stack = await startStack({ functions: project.functions, env: { DATABASE_URL: "" }, ...options })
    .catch(async (error) => {
      await project.remove();
      throw error;
    });
  const file = join(stack.dir, "stack.json");
  const sql = postgres(stack.stack.dbUrl, { max: 4, onnotice: () => {} });
  const said: string[] = [];
  const gatelink = async (words: string[], env: Record<string, string> = {}) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", join(ROOT, "cli", "main.ts"), ...words],
      cwd: ROOT,
      env: { GATELINK_STACK: file, NO_COLOR: "1", INIT_CWD: project.folder, ...env },
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  };
  return {
    project,
    stack,
    sql,
    file,
    gatelink,
    async document(words, code = 0) {
      const ran = await gatelink([...words, "--json"]);
      assertEquals([ran.code, ran.err], [code, ""], `gatelink ${words.join(" ")}\n${ran.out}${ran.err}`);
      return JSON.parse(ran.out);
    },
    session: {
      api: async () => connect(await findStack((name) => name === "GATELINK_STACK" ? file : undefined)),
      progress: () => {},
      say: (line) => said.push(line),
      said,
    },
    async stop() {
      await sql.end({ timeout: 1 });
      await stack.stop();
      await project.remove();
    },
  };
}
