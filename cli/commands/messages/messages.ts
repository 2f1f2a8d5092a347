/** `gatelink messages`: masked messaging of organisations: what is missing, what goes on, what a text is taken for. */
import type { Command } from "commander";
import type {
  MessagesProof,
  PoolForecast,
} from "../../../supabase/functions/_shared/contract/answers/masking.ts";
import { judgeText, type Verdict } from "../../../supabase/functions/_shared/masking/poaching/judge.ts";
import { CliError } from "../../core/errors.ts";
import { type Cell, clean, facts, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { id } from "../../core/values.ts";
import { explaining } from "./explain.ts";
import { settingUp } from "./setting_up.ts";
import { noticing } from "./notices.ts";
import { stepping } from "./steps.ts";

/** Defines the commands of the group. */
export function messages(group: Command, run: Run): void {
  listing(group, run);
  proving(group, run);
  diagnosing(group, run);
  pooling(group, run);
  noticing(group, run);
  stepping(group, run);
  backfilling(group, run);
  checking(group, run);
  explaining(group, run);
  settingUp(group, run);
}

function listing(group: Command, run: Run): void {
  group.command("orgs").description("organisations, with their zone, buffers and times of rest")
    .addHelpText("after", "\nExample:\n  gatelink messages orgs")
    .action(() =>
      run(async (session) => {
        const document = await (await session.api()).rows((client) =>
          client.from("orgs").select(
            "id,name,zone,countries,before_minutes,after_minutes,grace_hours,quarantine_days",
          ).order("id")
        );
        return {
          document,
          text: table(
            ["id", "name", "zone", "countries", "window", "grace", "rest"],
            document.map((org): Cell[] => [
              org.id,
              org.name,
              org.zone,
              org.countries.join(" "),
              `-${org.before_minutes} +${org.after_minutes} min`,
              `${org.grace_hours} h`,
              `${org.quarantine_days} days`,
            ]),
            "There is no organisation yet: gatelink messages add-org.",
          ),
        };
      })
    );
}

/** Whether every thread has its number, and everybody who wrote before has a thread. */
const isWhole = (proof: MessagesProof) =>
  proof.without_number.length === 0 && proof.without_client.length === 0 &&
  proof.orgs_without_front_desk.length === 0 && proof.conversations_without_thread === 0;

function proving(group: Command, run: Run): void {
  group.command("proof").description(
    "whether every thread has its number, and everybody who wrote has a thread",
  )
    .option("--org <id>", "of one organisation (default: all)", id)
    .addHelpText(
      "after",
      `
Exit code 1 while something is missing: a thread without its number or without its client, an organisation without a
number at the front desk, somebody who wrote to a front desk and has no thread (messages backfill gives them one).

Examples:
  gatelink messages proof
  gatelink messages proof --org 01968f00-0000-7000-8000-000000000001`,
    )
    .action(({ org }: { org?: string }) =>
      run(async (session) => {
        const proof = await (await session.api()).rpc("messages_proof", { p_org: org ?? null });
        const whole = isWhole(proof);
        return {
          document: { ok: whole, ...proof },
          text: [
            facts({
              "threads": proof.threads,
              "without their number": found(proof.without_number),
              "without their client": found(proof.without_client),
              "organisations without a front desk": found(proof.orgs_without_front_desk),
              "people who wrote and have no thread": proof.conversations_without_thread === 0
                ? 0
                : ["red", String(proof.conversations_without_thread)],
            }),
            whole ? "Nothing is missing." : "Something is missing.",
          ].join("\n\n"),
          failed: !whole,
        };
      })
    );
}

const found = (ids: readonly string[]): Cell => ids.length === 0 ? 0 : ["red", ids.join(", ")];

function diagnosing(group: Command, run: Run): void {
  group.command("diagnostics").description(
    "threads, counts, the pool and the last fifty decisions of an organisation",
  )
    .argument("<org>", "its id", id)
    .addHelpText("after", "\nExample:\n  gatelink messages diagnostics 01968f00-0000-7000-8000-000000000001")
    .action((org: string) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("messages_diagnostics", { p_org: org });
        if (document === null) {
          throw new CliError(
            "not_found",
            `There is no organisation ${org}.`,
            "gatelink messages orgs lists them.",
          );
        }
        const { threads, pool, decisions } = document;
        return {
          document,
          text: [
            facts({
              "threads":
                `${threads.pool} on the pool, ${threads.sitter} on sitters' numbers, ${threads.front_desk} at the front desk`,
              "relayed": document.relayed,
              "blocked by detection": document.antiPoachingBlocked,
              "to the owner inbox": document.ownerInboxRouted,
              "held": document.held,
              "sitters outside of windows": document.sitterNoActiveWindow,
              "pool": pool === null ? null : poolOf(pool),
            }),
            table(
              ["at", "from", "", "number", "decision", "reason", "types"],
              decisions.map((one): Cell[] => [
                time(one.at),
                one.fromRole,
                one.from,
                one.number,
                one.outcome,
                one.reason,
                one.types.join(", "),
              ]),
              "No text has been decided yet.",
            ),
          ].join("\n\n"),
        };
      })
    );
}

/** A pool in a line: `warning: 10 numbers, 8 needed, 80 % closed to one person, exhausted in 6 days`. */
const poolOf = ({ state, numbers, needed, draining, share, days_left }: PoolForecast): Cell => [
  POOL_COLOURS[state],
  `${state}: ${numbers} numbers${draining > 0 ? ` and ${draining} that drain` : ""}, ${needed} needed, ${
    Math.round(share * 100)
  } % closed to one person${days_left === null || days_left === 0 ? "" : `, exhausted in ${days_left} days`}`,
];

const POOL_COLOURS = { ok: "green", warning: "yellow", exhausted: "red" } as const;

function pooling(group: Command, run: Run): void {
  group.command("pools").description("how near the pools of numbers are to their end")
    .addHelpText(
      "after",
      `
Exit code 1 while a pool is exhausted: somebody cannot be given a number, and new threads go to the front desk.
closed counts the numbers that the person with fewest left cannot be given, with those in quarantine. Those who
are told of failing parts (rollout notify) are told from 80 % on, and when a pool is exhausted.

Example:
  gatelink messages pools`,
    )
    .action(() =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_pools", {});
        return {
          document,
          text: table(
            [
              "organisation",
              "state",
              "numbers",
              "drain",
              "needed",
              "closed",
              "days left",
              "at the front desk",
            ],
            document.map((one): Cell[] => [
              one.name,
              [POOL_COLOURS[one.state], one.state],
              one.numbers,
              one.draining,
              one.needed,
              `${Math.round(one.share * 100)} %`,
              one.days_left ?? "not growing",
              one.exhausted_count,
            ]),
            "No organisation has a pool: set_org_number gives it numbers, see docs/masked-messaging.md.",
          ),
          failed: document.some(({ state }) => state === "exhausted"),
        };
      })
    );
}

function backfilling(group: Command, run: Run): void {
  group.command("backfill").description("give everybody who wrote to a front desk before a thread")
    .argument("<org>", "id of the organisation", id)
    .option("--undo", "remove threads that a backfill opened and nobody has used since")
    .addHelpText(
      "after",
      `
Repeating it opens nothing twice. messages proof says whether anybody is left.

Examples:
  gatelink messages backfill 01968f00-0000-7000-8000-000000000001
  gatelink messages backfill 01968f00-0000-7000-8000-000000000001 --undo`,
    )
    .action((org: string, { undo }: { undo?: boolean }) =>
      run(async (session) => {
        const api = await session.api();
        if (undo) {
          const removed = await api.rpc("undo_backfill", { p_org: org });
          return { document: { removed }, text: `${removed} threads removed.` };
        }
        let opened = 0;
        for (let some = 1; some > 0;) {
          some = await api.rpc("backfill_threads", { p_org: org });
          opened += some;
          if (some > 0) session.progress(`${opened} threads opened`);
        }
        return { document: { opened }, text: `${opened} threads opened.` };
      })
    );
}

function checking(group: Command, run: Run): void {
  group.command("check").description("what detection takes a text for, and why; nothing is stored")
    .argument("<text>", "the text")
    .addHelpText(
      "after",
      `
Examples:
  gatelink messages check "text me at 202 555 0143"
  gatelink messages check "the gate code is 4821"`,
    )
    .action((text: string) =>
      run(() => {
        const verdict = judgeText(text);
        return Promise.resolve({ document: verdict, text: inWords(verdict) });
      })
    );
}

function inWords({ outcome, findings }: Verdict): string {
  const says = { pass: "It passes.", warn: "It is sent, and noted.", block: "It is held." }[outcome];
  return findings.length === 0 ? says : [
    says,
    table(
      ["type", "rule", "sure", "match"],
      findings.map((
        { type, rule, score, redacted },
      ): Cell[] => [type, rule, score.toFixed(2), clean(redacted)]),
    ),
  ].join("\n\n");
}
