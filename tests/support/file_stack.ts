/**
 * One stack for all tests of a file, on a copy of the migrated template: started for the first test, stopped
 * after the last. Each test finds the seeded state, whatever ran before: no state outlives a test.
 */
import type { Sql } from "postgres";
import type { Browser } from "playwright-core";
import { join } from "../../lib/paths.ts";
import { browserTest } from "./chromium.ts";
import { testDatabase } from "./postgres.ts";
import { type Restore, snapshot } from "./snapshot.ts";
import { type RunningStack, startStack } from "./stack.ts";
import { until } from "./until.ts";

/** The environment of a test on the stack of its file. */
export interface RouteDeps<Prepared = void> {
  browser: Browser;
  stack: RunningStack;
  /** The database, as superuser. */
  sql: Sql;
  /** The result of {@linkcode FileStackOptions.prepare}. */
  prepared: Prepared;
}

export interface FileStackOptions<Prepared = void> {
  /** Added to the environment that the stack starts in. */
  env?: Record<string, string>;
  /** Runs once, when the stack is up. Every test finds what it leaves in the database. */
  prepare?(stack: RunningStack, sql: Sql): Promise<Prepared>;
}

/** Declares a test on the stack; takes a name and the test. */
export type StackTest<Prepared = void> = (
  name: string,
  test: (ground: RouteDeps<Prepared>) => Promise<void>,
) => void;

interface Running<Prepared> extends Omit<RouteDeps<Prepared>, "browser"> {
  restore: Restore;
  stop(): Promise<void>;
}

/** The stack of the calling file, not started yet; returns what declares tests on it. */
export function fileStack<Prepared = void>(
  options: FileStackOptions<Prepared> = {},
): StackTest<Prepared> {
  let running: Promise<Running<Prepared>> | undefined;
  /** Whether a test that may have changed something has run on it. */
  let used = false;
  let isStoppedAfterwards = false;

  async function ready(): Promise<Running<Prepared>> {
    // One that could not start is tried again by the next test.
    running ??= start(options).catch((error) => {
      running = undefined;
      throw error;
    });
    const ground = await running;
    if (used) await reset(ground);
    used = true;
    return ground;
  }

  return (name, test) => {
    if (!isStoppedAfterwards) {
      isStoppedAfterwards = true;
      Deno.test.afterAll(async () => await (await running)?.stop());
    }
    browserTest(name, async (browser) => {
      const { stack, sql, prepared } = await ready();
      await test({ browser, stack, sql, prepared });
    });
  };
}

async function start<Prepared>(
  { env, prepare }: FileStackOptions<Prepared>,
): Promise<Running<Prepared>> {
  const { url, sql, drop } = await testDatabase();
  let stack: RunningStack | undefined;
  const stop = async () => {
    await stack?.stop();
    await drop();
  };
  try {
    stack = await startStack({ env: { ...env, DATABASE_URL: url } });
    const prepared = await prepare?.(stack, sql) as Prepared;
    return { stack, sql, prepared, restore: await snapshot(sql), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Restores the prepared state, once nothing is in flight. */
async function reset(
  { stack, sql, restore }: Pick<Running<unknown>, "stack" | "sql" | "restore">,
): Promise<void> {
  // After the first round nothing is sent any more, after the second nothing comes back from what was sent.
  for (const _ of [1, 2]) {
    const response = await fetch(`${stack.url}/simulator/api/reset`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the simulator answered ${response.status}`);
    await restore();
  }
  await Deno.remove(join(stack.dir, "mails.txt")).catch(() => {});
  await configKnown(stack, sql);
  await linksKnown(stack);
}

/** Resolves when the functions use the configuration in the database: they cache one for a second. */
export async function configKnown({ url, stack }: RunningStack, sql: Sql): Promise<void> {
  const [{ revision }] = await sql`select revision::float8 from private.config_revision`;
  await until(`revision ${revision} of the configuration`, async () => {
    const response = await fetch(`${url}/functions/v1/health`, {
      headers: { apikey: stack.secretKey, "x-gatelink-state": "deeplinks.enabled" },
    });
    return (await response.json()).config_revision >= revision;
  });
}

/** Resolves when the functions use the links in the database. */
async function linksKnown({ url, stack }: RunningStack): Promise<void> {
  // A link that may not lead where it would is refused by the rules of this moment, which are read with the links.
  const refused = await fetch(`${url}/functions/v1/deeplinks`, {
    method: "POST",
    headers: { apikey: stack.secretKey },
    body: JSON.stringify({ default_url: "https://not-allowed.example/" }),
  });
  const { code } = await refused.json();
  if (code !== "url_not_allowed") throw new Error(`the links were not read anew: ${refused.status} ${code}`);
}
