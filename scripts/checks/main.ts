/**
 * The checks of rollout plans, each as a task of deno.json: `deno task validate:performance:production` runs this with the
 * task's name. Exit codes: 0 all passed, 1 a check failed, 2 wrong arguments or no stack.
 */
import { InvalidArgumentError } from "commander";
import { told } from "../../cli/core/errors.ts";
import { task } from "../../lib/task.ts";
import type { Environment } from "../../supabase/functions/_shared/http/environment.ts";
import { type Check, stackOf, type Target, targetOf } from "./check.ts";
import * as subjects from "./subjects.ts";

type Subject = (target: Target) => Promise<Check[]>;

/** Each task: what it says of itself, whom it asks, and what. */
export const TASKS: Readonly<
  Record<string, { about: string; environment?: Environment; subjects: Subject[] }>
> = {
  "test:performance:staging": {
    about: "Measures API and tracking of staging: p99 and failures.",
    subjects: [subjects.performance],
  },
  "test:security:staging": {
    about: "Knocks at the doors of staging that have to be closed.",
    subjects: [subjects.security],
  },
  "test:integration:staging": {
    about: "Asks every integration of staging: components, variables, paths of providers, counts.",
    subjects: [subjects.integration],
  },
  "verify:database:green": {
    about: "Checks the database as green sees it: health, migrations, connections.",
    environment: "green",
    subjects: [subjects.database],
  },
  "test:critical-paths:green": {
    about: "Calls what visitors, services and providers call, under green's slugs.",
    environment: "green",
    subjects: [subjects.functions, subjects.criticalPaths],
  },
  "test:post-deployment:production": {
    about: "Checks production after a deployment: functions, health, critical paths, counts.",
    subjects: [subjects.functions, subjects.health, subjects.criticalPaths, subjects.business],
  },
  "validate:performance:production": {
    about: "Measures API and tracking of production: p99 and failures.",
    subjects: [subjects.performance],
  },
  "validate:security:production": {
    about: "Knocks at the doors of production that have to be closed.",
    subjects: [subjects.security],
  },
  "validate:business:production": {
    about: "Checks that no message of production was lost or waits for too long.",
    subjects: [subjects.business],
  },
  "test:health:post-rollback": {
    about: "Checks after a rollback that everybody gets one environment and its components are up.",
    subjects: [subjects.everybody, subjects.health],
  },
  "validate:performance:post-rollback": {
    about: "Measures API and tracking after a rollback.",
    subjects: [subjects.performanceAfterRollback],
  },
  "validate:functionality:post-rollback": {
    about: "Calls what visitors, services and providers call, and counts, after a rollback.",
    subjects: [subjects.functions, subjects.criticalPaths, subjects.business],
  },
};

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("Use a number above 0.");
  return value;
}

async function main(name: string, args: string[]): Promise<number> {
  const { about, environment = "blue", subjects } = TASKS[name];
  const command = task(name, about)
    .option(
      "--gateway <url>",
      "the address that visitors use (default: the local stack's, or the function gateway)",
    )
    .option("--requests <n>", "how many requests are measured", positive, 200)
    .option("--api-p99 <ms>", "what 99 % of the API's requests have to be below", positive, 100)
    .option("--tracking-p99 <ms>", "what 99 % of the pixels have to be below", positive, 50)
    .parse(args, { from: "user" });
  const options = command.opts<{ gateway?: string; requests: number; apiP99: number; trackingP99: number }>();
  let checks: Check[];
  try {
    const stack = await stackOf(name.split(":").at(-1)!);
    const target = targetOf(stack, { environment, ...options, gateway: options.gateway });
    checks = [];
    for (const subject of subjects) checks.push(...await subject(target));
  } catch (error) {
    const { message, hint } = told(error);
    console.error(hint === undefined ? message : `${message} ${hint}`);
    return 2;
  }
  for (const { what, ok, detail } of checks) console.log(`${ok ? "ok    " : "FAILED"}  ${what}: ${detail}`);
  const failed = checks.filter(({ ok }) => !ok).length;
  console.log(
    failed === 0 ? `${checks.length} checks passed` : `${failed} of ${checks.length} checks failed`,
  );
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args[0], Deno.args.slice(1)));
