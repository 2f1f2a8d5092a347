/**
 * The checks of rollout plans, each as a task of deno.json: `deno task validate:performance:production` runs this with the
 * task's name. Exit codes: 0 all passed, 1 a check failed, 2 wrong arguments or no stack.
 */
import { InvalidArgumentError } from "commander";
import { connect } from "../../cli/core/api.ts";
import { told } from "../../cli/core/errors.ts";
import { denoIo } from "../../cli/core/io_deno.ts";
import { findStack } from "../../cli/core/stack.ts";
import { task } from "../../lib/task.ts";
import type { Environment } from "../../supabase/functions/_shared/http/environment.ts";
import { GREEN_FLAG } from "../../supabase/functions/_shared/contract/traffic.ts";
import { type Check, type Load, stackOf, type Target, targetOf } from "./check.ts";
import { load } from "./load.ts";
import * as subjects from "./subjects.ts";

type Subject = (target: Target) => Promise<Check[]>;

const performance: Subject = (target) => subjects.performance(target);
const drive: Subject = (target) => load(target, target.load);

interface Task {
  /** What it says of itself. */
  about: string;
  environment?: Environment;
  /** Whom and what it asks. */
  subjects: Subject[];
  /** The gate of a ramp that is signed when all passed, if `--sign` says by whom. */
  gate?: string;
}

/** The tasks by name. */
export const TASKS: Readonly<Record<string, Task>> = {
  "test:performance:staging": {
    about: "Measures API and tracking of staging: p99 and failures.",
    subjects: [performance],
  },
  "test:security:staging": {
    about: "Knocks at the doors of staging that have to be closed.",
    subjects: [subjects.security],
    gate: "green_security",
  },
  "test:integration:staging": {
    about: "Asks every integration of staging: components, variables, paths of providers, counts.",
    subjects: [subjects.integration],
    gate: "green_staging",
  },
  "test:load:green": {
    about: "Drives ten times the present rate against green: p99 and failures.",
    environment: "green",
    subjects: [drive],
    gate: "green_load",
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
    subjects: [performance],
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

interface Options extends Load {
  gateway?: string;
  requests: number;
  apiP99: number;
  trackingP99: number;
  sign?: string;
}

async function main(name: string, args: string[]): Promise<number> {
  const { about, environment = "blue", subjects, gate } = TASKS[name];
  const command = task(name, about)
    .option(
      "--gateway <url>",
      "the address that visitors use (default: the local stack's, or the function gateway)",
    )
    .option("--requests <n>", "how many requests are measured", positive, 200)
    .option("--api-p99 <ms>", "what 99 % of the API's requests have to be below", positive, 100)
    .option("--tracking-p99 <ms>", "what 99 % of the pixels have to be below", positive, 50);
  if (subjects.includes(drive)) {
    command.option("--times <n>", "how many times the present rate", positive, 10)
      .option("--seconds <n>", "for how long", positive, 60)
      .option(
        "--rate <n>",
        "the present rate, in requests a second (default: that of the last hour)",
        positive,
      );
  }
  if (gate !== undefined) {
    command.option("--sign <address>", `when all passed, sign the gate ${gate} of a ramp for this engineer`);
  }
  command.parse(args, { from: "user" });
  const options = command.opts<Options>();
  let checks: Check[];
  let signed: string | undefined;
  try {
    const stack = await stackOf(name.split(":").at(-1)!);
    const { gateway, requests, apiP99, trackingP99, times, seconds, rate } = options;
    const target = targetOf(stack, {
      environment,
      gateway,
      requests,
      apiP99,
      trackingP99,
      load: { times, seconds, rate },
    });
    checks = [];
    for (const subject of subjects) checks.push(...await subject(target));
    if (gate !== undefined && options.sign !== undefined && checks.every(({ ok }) => ok)) {
      await connect(await findStack(denoIo())).rpc("sign_gate", {
        p_flag_key: GREEN_FLAG,
        p_role: "engineering",
        p_gate: gate,
        p_note: `deno task ${name}: ${checks.map(({ detail }) => detail).join("; ")}`.slice(0, 500),
        p_applies: true,
        p_signer: options.sign,
      });
      signed = `${gate} is signed by ${options.sign}`;
    }
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
  if (signed !== undefined) console.log(signed);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args[0], Deno.args.slice(1)));
