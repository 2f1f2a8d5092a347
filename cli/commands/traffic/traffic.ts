/** `gatelink traffic`: two environments, and how many visitors each of them gets. */
import type {
  EnvironmentWatch,
  TrafficFigures,
  TrafficSplit,
} from "../../../supabase/functions/_shared/contract/answers/traffic.ts";
import { eventInWords } from "../../../supabase/functions/_shared/contract/words/rollouts.ts";
import { GREEN_FLAG } from "../../../supabase/functions/_shared/contract/traffic.ts";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Api } from "../../core/api.ts";
import { fromCheckout } from "../../core/checkout.ts";
import { CliError } from "../../core/errors.ts";
import { facts, table, time } from "../../core/output.ts";
import type { Result, Run, Session } from "../../core/session.ts";
import { address, duration, reason } from "../../core/values.ts";
import { type GateResult, openGates } from "../gates/gate.ts";
import { planOf } from "../rollout/plan.ts";
import { greenAnswers } from "./green.ts";
import { gatewayOf, verify } from "./probe.ts";
import { ramps } from "./ramps.ts";

/** Defines the commands of the group. */
export function traffic(group: Command, run: Run): void {
  showing(group, run);
  deploying(group, run);
  setting(group, run);
  ramping(group, run);
  goingBack(group, run);
  retiring(group, run);
  ramps(group, run);
}

/** Steps of a gradual way back, in percent of green. */
const STEPS = [50, 25, 10, 0];

const gateway = () =>
  new Option(
    "--gateway <url>",
    "the address that visitors use (default: the local stack's, or the function gateway)",
  ).argParser(address);

function showing(group: Command, run: Run): void {
  group.command("status").description("show the split, and how both environments do")
    .addHelpText(
      "after",
      `
Example:
  gatelink traffic status`,
    )
    .action(() =>
      run(async (session) => {
        const api = await session.api();
        const [split, figures, watch] = await Promise.all([
          api.rpc("traffic_split", {}),
          api.rpc("traffic_figures", { p_minutes: 5 }),
          api.rpc("environment_watch", {}),
        ]);
        return {
          document: { ...split, figures, watch },
          text: [splitText(split), figuresText(figures), watchText(watch)].join("\n\n"),
        };
      })
    );
}

function splitText(split: TrafficSplit): string {
  const { blue, green, changed_at, changed_by, reason, rollout } = split;
  return facts({
    blue: `${blue} %`,
    green: `${green} %`,
    since: changed_at === null ? "never split" : `${time(changed_at)} by ${changed_by}`,
    why: reason,
    ramp: rollout === null
      ? null
      : `${rollout.state} at ${rollout.stage}${
        rollout.waits_because === null ? "" : `, waits because of ${rollout.waits_because}`
      }: gatelink rollout show ${rollout.id}`,
  });
}

function figuresText({ window_minutes, environments }: TrafficFigures): string {
  const rate = (value: number | null) => value === null ? "" : `${+(value * 100).toFixed(3)} %`;
  return table(
    [`last ${window_minutes} min`, "requests", "failed", "error rate", "mean ms", "p99 ms"],
    (["blue", "green"] as const).map((name) => {
      const { requests, failed, error_rate, mean_ms, p99_ms } = environments[name];
      return [name, requests, failed, rate(error_rate), mean_ms ?? "", p99_ms ?? ""];
    }),
  );
}

function watchText({ minutes, connections, environments, findings }: EnvironmentWatch): string {
  const known = (value: number | null, unit: string) => value === null ? "not known" : `${value} ${unit}`;
  return [
    table(
      [`last ${minutes} min`, "database errors", "memory", "growth a minute", "CPU"],
      (["blue", "green"] as const).map((name) => {
        const { database_errors, memory_mb, memory_growth_mb } = environments[name];
        return [name, database_errors, known(memory_mb, "MB"), known(memory_growth_mb, "MB"), "not known"];
      }),
    ),
    `Connections of the database: ${connections.used} of ${connections.most} (${+(connections.share * 100)
      .toFixed(1)} %)`,
    ...findings.map(({ rule, verdict, figures }) =>
      eventInWords({ kind: verdict === "page" ? "paged" : "rolled_back", rule, verdict, figures })
    ),
  ].join("\n");
}

function deploying(group: Command, run: Run): void {
  group.command("deploy").description("deploy a commit's functions to green, to which nobody goes yet")
    .option("--from <commit>", "the commit", "HEAD")
    .option("--project-ref <ref>", "the hosted project, if the stack's address does not contain it")
    .addHelpText(
      "after",
      `
Example:
  gatelink traffic deploy --from v0.3.0`,
    )
    .action((options: { from: string; projectRef?: string }) =>
      run(async (session) => {
        const { deployGreen } = await fromCheckout("gatelink traffic deploy", () => import("./deploy.ts"));
        return await deployGreen(session, options);
      })
    );
}

function environment(text: string): "blue" | "green" {
  if (text === "blue" || text === "green") return text;
  throw new InvalidArgumentError("Use blue or green.");
}

function percentage(text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (value >= 0 && value <= 100 && Number(value.toFixed(2)) === value) return value;
  throw new InvalidArgumentError("Use 0 to 100, in steps of 0.01.");
}

interface SetOptions {
  why?: string;
  gateway?: string;
}

/** Changes the split and verifies it with ten probes. */
async function changed(
  session: Session,
  api: Api,
  name: "blue" | "green",
  share: number,
  { why, gateway: given }: SetOptions,
): Promise<Result> {
  const split = await api.rpc("set_traffic", {
    p_environment: name,
    p_percentage: share,
    p_reason: why ?? null,
  });
  const address = gatewayOf(api.stack, given);
  session.progress(`${share} % to ${name}; asking ${address}/health as ten visitors`);
  const { seen, agree } = await verify(address, split);
  const count = (environment: string) => seen.filter((one) => one === environment).length;
  return {
    document: { ...split, probes: seen, verified: agree },
    text: `${splitText(split)}\n\nTen visitors: ${count("blue")} to blue, ${count("green")} to green` +
      (agree ? "." : `, and that is not the split: ${seen.join(", ")}`),
    failed: !agree,
  };
}

/** @throws {CliError} refused while green does not answer */
async function requireGreen(api: Api): Promise<void> {
  if (await greenAnswers(api.stack)) return;
  throw new CliError("refused", "Green does not answer.", "Deploy it first: gatelink traffic deploy");
}

function setting(group: Command, run: Run): void {
  group.command("set").description("send a percentage of visitors to blue or green, verified by ten probes")
    .argument("<environment>", "blue or green", environment)
    .argument("<percentage>", "0 to 100; the others go to the other one", percentage)
    .option("--why <reason>", "the reason, which is recorded", reason)
    .addOption(gateway())
    .addHelpText(
      "after",
      `
A visitor stays on one side: who went to green at 5 % goes there at 25 %. During a ramp another split pauses it, and all
to blue ends it. Exit code 1 if the ten probes do not agree.

Examples:
  gatelink traffic set green 5 --why "first visitors"
  gatelink traffic set blue 100 --why "errors in green"`,
    )
    .action((name: "blue" | "green", share: number, options: SetOptions) =>
      run(async (session) => {
        const api = await session.api();
        if ((name === "green" ? share : 100 - share) > 0) await requireGreen(api);
        return await changed(session, api, name, share, options);
      })
    );
}

/** The launch gates of green, as far as they can be checked: the installed package has no checkout to look at. */
async function gatesOf(session: Session): Promise<GateResult[]> {
  const found = await fromCheckout("gatelink traffic ramp", () => import("../gates/run.ts"))
    .catch((error: unknown) => {
      if (error instanceof CliError) return undefined;
      throw error;
    });
  return found === undefined ? [] : await found.runGates(session, GREEN_FLAG);
}

function ramping(group: Command, run: Run): void {
  group.command("ramp").description("send visitors to green by stages, watched by the guard")
    .option("--plan <file>", "your own plan, as of gatelink rollout create")
    .requiredOption("--why <reason>", "the reason, which is recorded", reason)
    .addHelpText(
      "after",
      `
Without --plan it is the plan canary: 1, 5, 10 % for 30 minutes each, 25, 50 % for an hour, 100 % for two.
The guard goes back to blue by itself; see gatelink rollout show green.

Example:
  gatelink traffic ramp --why "release 0.3.0"`,
    )
    .action((options: { plan?: string; why: string }) =>
      run(async (session) => {
        const api = await session.api();
        await requireGreen(api);
        const { version } = await api.rpc("traffic_split", {});
        if (version === 0) {
          await api.rpc("set_traffic", { p_environment: "blue", p_percentage: 100, p_reason: options.why });
        }
        const plan = await planOf(
          session.io,
          options.plan === undefined ? { template: "canary" } : { plan: options.plan },
        );
        const { id, version: draft } = await api.rpc("create_rollout", {
          p_flag_key: GREEN_FLAG,
          p_plan: plan,
          p_reason: options.why,
        });
        const gates = await gatesOf(session);
        const open = openGates(gates);
        const rollout = await api.rpc("start_rollout", {
          p_id: id,
          p_expected_version: draft,
          p_reason: options.why,
          ...(gates.length === 0 ? {} : {
            p_gates: {
              gates: gates.map(({ id, status, detail }) => ({ id, status, detail })),
              override: open.length > 0 ? options.why : null,
            },
          }),
        });
        const split = await api.rpc("traffic_split", {});
        const overridden = open.length === 0
          ? ""
          : `Open gates, which the start records: ${
            open.map(({ id }) => id).join(", ")
          } (gatelink gates green)\n`;
        return {
          document: { ...split, rollout, overridden: open.map(({ id }) => id) },
          text: `${
            splitText(split)
          }\n\n${overridden}The ramp is under way. Back at once: gatelink traffic back --why "…"`,
        };
      })
    );
}

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

function goingBack(group: Command, run: Run): void {
  group.command("back").description(
    "send everybody back to blue, at once or by steps, verified by ten probes",
  )
    .option("--why <reason>", "the reason, which is recorded", reason)
    .option("--gradual", `by steps: green gets ${STEPS.join(", ")} %`)
    .option("--wait <duration>", "between the steps", duration, 30_000)
    .addOption(gateway())
    .addHelpText(
      "after",
      `
A step that fails sends everybody to blue at once; the command then ends with exit code 1.

Examples:
  gatelink traffic back --why "errors in green"
  gatelink traffic back --gradual --wait 5m --why "planned"`,
    )
    .action((options: SetOptions & { gradual?: boolean; wait: number }) =>
      run(async (session) => {
        const api = await session.api();
        const { green } = await api.rpc("traffic_split", {});
        const steps = options.gradual ? STEPS.filter((step) => step < green || step === 0) : [0];
        for (const [index, step] of steps.slice(0, -1).entries()) {
          if (index > 0) await sleep(options.wait);
          // Whoever goes back wants nobody on green: a step that fails must not leave visitors there.
          const failure = await changed(session, api, "blue", 100 - step, options).then(
            ({ failed }) => failed ? "the ten probes do not agree" : undefined,
            (error: unknown) => error instanceof Error ? error.message : String(error),
          );
          if (failure === undefined) continue;
          session.progress(`The step to ${step} % of green failed (${failure}): everybody goes to blue`);
          const { document, text } = await changed(session, api, "blue", 100, options);
          return {
            document: { ...document as object, failed_step: step },
            text: `The step to ${step} % of green failed: ${failure}. Everybody was sent to blue.\n\n${text}`,
            failed: true,
          };
        }
        if (steps.length > 1) await sleep(options.wait);
        return await changed(session, api, "blue", 100, options);
      })
    );
}

function retiring(group: Command, run: Run): void {
  group.command("retire").description(
    "take green's functions down; refused while anybody uses or may need them",
  )
    .requiredOption("--why <reason>", "the reason, which is recorded", reason)
    .option("--anyway", "also within 24 hours of the last visitor")
    .option("--project-ref <ref>", "the hosted project, if the stack's address does not contain it")
    .addHelpText(
      "after",
      `
Green stays as the way back for 24 hours after everybody was sent to blue. On a hosted project the commands that delete its
functions are printed: run them with the Supabase CLI.

Example:
  gatelink traffic retire --why "0.3.0 is on both"`,
    )
    .action((options: { why: string; anyway?: boolean; projectRef?: string }) =>
      run(async (session) => {
        const { retireGreen } = await fromCheckout("gatelink traffic retire", () => import("./retire.ts"));
        return await retireGreen(session, options);
      })
    );
}
