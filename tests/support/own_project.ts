/**
 * For tests that change what is deployed: a project of the test's own, as what is deployed of this checkout in a folder
 * with a history of its own, a local stack that serves it, and `gatelink` on that stack.
 */
import { assertEquals } from "./assert.ts";
import postgres, { type Sql } from "postgres";
import { type DrillProject, makeProject } from "../../cli/commands/drill/project.ts";
import type { Session } from "../../cli/core/session.ts";
import { join } from "../../lib/paths.ts";
import { type Ran, runGatelink, testSession } from "./gatelink.ts";
import { type RunningStack, type StackOptions, startStack } from "./stack.ts";

export interface OwnProject {
  project: DrillProject;
  stack: RunningStack;
  /** The stack's database, as its owner. */
  sql: Sql;
  /** Path of stack.json. */
  file: string;
  /** Runs `gatelink` with these words. */
  gatelink(words: string[], env?: Record<string, string>): Promise<Ran>;
  /** As above with --json; the exit code must be this. @default {0} */
  // deno-lint-ignore no-explicit-any
  document(words: string[], code?: number): Promise<any>;
  /** What the parts of the command line get. Collects what is said. */
  session: Session & { said: string[] };
  stop(): Promise<void>;
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
  const env = { GATELINK_STACK: file, INIT_CWD: project.folder };
  const gatelink = (words: string[], changes: Record<string, string> = {}) =>
    runGatelink(words, { env: { ...env, ...changes } });
  return {
    project,
    stack,
    sql,
    file,
    gatelink,
    async document(words, code = 0) {
      const ran = await gatelink([...words, "--json"]);
      assertEquals([ran.code, ran.err], [code, ""], `gatelink ${words.join(" ")}\n${ran.out}${ran.err}`);
      return ran.json();
    },
    session: testSession({ env }),
    async stop() {
      await sql.end({ timeout: 1 });
      await stack.stop();
      await project.remove();
    },
  };
}
