/** `gatelink traffic retire`: takes green's functions down, once nobody needs them. */
import { dirname, resolve } from "node:path";
import { removeGreen } from "../../../local/project/deployment.ts";
import { slugOf } from "../../../supabase/functions/_shared/http/environment.ts";
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { FUNCTIONS } from "../../../lib/paths.ts";
import type { Api } from "../../core/api.ts";
import { CliError } from "../../core/errors.ts";
import { functionNames } from "../../core/functions_state.ts";
import { time } from "../../core/output.ts";
import type { Result, Session } from "../../core/session.ts";
import { greenAnswers } from "./green.ts";

/** For so long green stays as the way back after the last visitor left it. */
const KEPT_HOURS = 24;
/** Requests of so many minutes say that somebody still uses green. */
const QUIET_MINUTES = 5;
const GONE_WITHIN_MS = 60_000;

export interface RetireOptions {
  why: string;
  /** Before the time is over. */
  anyway?: boolean;
  projectRef?: string;
}

/**
 * Takes green down on a local stack; for a hosted project gives the commands, since only the platform's own command line
 * deletes functions. @throws {CliError} refused while anybody uses it or may need it
 */
export async function retireGreen(session: Session, options: RetireOptions): Promise<Result> {
  const api = await session.api();
  const { stack } = api;
  const now = new Date();
  await requireUnused(api, now);
  await requireTime(api, now, options.anyway === true);
  const slugs = functionNames({ ...stack, functions: stack.functions ?? FUNCTIONS })
    .filter((name) => name !== "gateway").map((name) => slugOf(name, "green"));
  // On record, and nobody is sent to what is about to go.
  const split = await api.rpc("set_traffic", {
    p_environment: "blue",
    p_percentage: 100,
    p_reason: `green is retired: ${options.why}`,
  });
  const local = stack.functions !== undefined && stack.file !== undefined && options.projectRef === undefined;
  if (!local) {
    const ref = options.projectRef ?? /^https:\/\/([a-z]{20})\.supabase\./.exec(stack.url)?.[1] ?? "<ref>";
    const commands = slugs.map((slug) => `npx supabase functions delete ${slug} --remote=${ref} --yes`);
    return {
      document: { ...split, retired: false, functions: slugs, commands },
      text: `Everybody is on blue, and nobody uses green. Take its ${
        counted(slugs.length, "function")
      } down:\n\n${commands.join("\n")}\n\nTo have green again: gatelink traffic deploy`,
    };
  }
  session.progress(`Removing ${counted(slugs.length, "function")} of green`);
  await removeGreen(dirname(resolve(session.io.cwd, stack.file!)));
  const deadline = Date.now() + GONE_WITHIN_MS;
  while (await greenAnswers(stack)) {
    if (Date.now() > deadline) {
      throw new CliError("refused", `Green still answers after ${GONE_WITHIN_MS / 1000} s.`);
    }
    await new Promise((done) => setTimeout(done, 250));
  }
  return {
    document: { ...split, retired: true, functions: slugs, commands: [] },
    text: `Green is taken down: ${
      counted(slugs.length, "function")
    }. Everybody is on blue.\nTo have it again: gatelink traffic deploy`,
  };
}

async function requireUnused(api: Api, now: Date): Promise<void> {
  const { green, rollout } = await api.rpc("traffic_split", {});
  if (rollout !== null) {
    throw new CliError(
      "refused",
      `A ramp is ${rollout.state}: green may still get visitors.`,
      'End it first: gatelink traffic back --why "…"',
    );
  }
  if (green > 0) {
    throw new CliError(
      "refused",
      `${green} % of visitors are on green.`,
      'Deploy its version to blue, then: gatelink traffic back --why "…"',
    );
  }
  if (!await greenAnswers(api.stack)) {
    throw new CliError("refused", "Green does not answer: there is nothing to take down.");
  }
  const since = new Date(now.getTime() - QUIET_MINUTES * 60_000).toISOString();
  const rows = await api.rows((client) =>
    client.from("measurements").select("label,n").eq("name", "request").like("label", "%-green %")
      .gt("minute", since).limit(1000)
  );
  // Health is asked by this command, by monitoring and by the checks; that is no use.
  const used = rows.filter(({ label }) => !label.startsWith(`${slugOf("health", "green")} `));
  if (used.length > 0) {
    const names = [...new Set(used.map(({ label }) => label.split(" ")[0]))];
    throw new CliError(
      "refused",
      `${
        counted(used.reduce((all, { n }) => all + Number(n), 0), "request")
      } came to green within ${QUIET_MINUTES} minutes, to ${names.slice(0, 5).join(", ")}.`,
      "Find who calls these addresses, such as a provider's webhook, and try again in five minutes.",
    );
  }
}

async function requireTime(api: Api, now: Date, anyway: boolean): Promise<void> {
  const { changed_at } = await api.rpc("traffic_split", {});
  if (changed_at === null || anyway) return;
  const until = Date.parse(changed_at) + KEPT_HOURS * 3600_000;
  if (until <= now.getTime()) return;
  throw new CliError(
    "refused",
    `Everybody is on blue since ${
      time(changed_at)
    }: green stays as the way back for ${KEPT_HOURS} hours, until ${time(new Date(until).toISOString())}.`,
    "--anyway takes it down before.",
  );
}
