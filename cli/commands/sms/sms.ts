/** `gatelink sms`: our numbers for texts, whether providers are set up, and what waits for a person. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { TextNumber } from "../../../supabase/functions/_shared/contract/answers/sms.ts";
import { segmentsOf, withPlainCharacters } from "../../../supabase/functions/_shared/sms/segments.ts";
import { CliError } from "../../core/errors.ts";
import { type Cell, facts, table } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { whole } from "../../core/values.ts";
import { unknown } from "../email/unknown.ts";
import { doctor } from "./doctor.ts";

/** Defines the commands of the group. */
export function sms(group: Command, run: Run): void {
  list(group, run);
  add(group, run);
  remove(group, run);
  segments(group, run);
  doctor(group, run);
  unknown(
    group.command("unknown").description("texts of which nobody knows whether they went"),
    run,
    { group: "sms", thing: "text" },
  );
}

function list(group: Command, run: Run): void {
  group.command("list").description("numbers with their provider, pace, and what holds them")
    .addHelpText("after", "\nExample:\n  gatelink sms list")
    .action(() =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_text_numbers", {});
        return {
          document,
          text: table(
            ["number", "provider", "class", "segments/s", "state"],
            document.map((number): Cell[] => [
              shown(number.number),
              number.provider,
              number.class,
              String(number.max_per_second),
              stateOf(number),
            ]),
            "There are no numbers yet. Add one, or let somebody write to it.",
          ),
        };
      })
    );
}

function add(group: Command, run: Run): void {
  group.command("add").description("add a number, or change it")
    .argument("<number>", "with its country code, like +12025550100", number)
    .addOption(
      new Option("--provider <name>", "who carries it (default: twilio)").choices(["twilio", "telnyx"]),
    )
    .option(
      "--per-second <n>",
      "segments per second, 1 to 1,000 (default: by the kind of number)",
      whole(1, 1000),
    )
    .option("--account <sid>", "the account at Twilio that has it; main for the main one (default: main)")
    .option("--class <name>", "what it is for; none removes it")
    .option("--pause", "its texts wait")
    .option("--resume", "its texts go on")
    .addHelpText(
      "after",
      `
Without --per-second: 1 for a US or Canadian number, 3 for a toll-free one, 100 for a short code, 10 for others.

Examples:
  gatelink sms add +12025550100
  gatelink sms add +12025550100 --per-second 75
  gatelink sms add +12025550101 --account AC0123456789abcdef0123456789abcdef
  gatelink sms add +442079460100 --provider telnyx`,
    )
    .action((
      which: string,
      options: {
        provider?: TextNumber["provider"];
        perSecond?: number;
        account?: string;
        class?: string;
        pause?: true;
        resume?: true;
      },
      command: Command,
    ) => {
      if (options.pause && options.resume) command.error("error: give either --pause or --resume");
      return run(async (session) => {
        const document = await (await session.api()).rpc("set_text_number", {
          p_number: which,
          p_changes: {
            ...(options.provider === undefined ? {} : { provider: options.provider as "twilio" | "telnyx" }),
            ...(options.perSecond === undefined ? {} : { max_per_second: options.perSecond }),
            ...(options.account === undefined
              ? {}
              : { account: options.account === "main" ? null : options.account }),
            ...(options.class === undefined
              ? {}
              : { class: options.class === "none" ? null : options.class }),
            ...(options.pause ? { state: "paused" as const } : {}),
            ...(options.resume ? { state: "active" as const } : {}),
          },
        });
        return {
          document,
          text: `${shown(document.number)} is at ${document.provider}, ${document.state}, ` +
            `with ${document.max_per_second} ${
              document.max_per_second === 1 ? "segment" : "segments"
            } a second.`,
        };
      });
    });
}

function remove(group: Command, run: Run): void {
  group.command("remove").description("remove a number: nothing more is sent from it")
    .argument("<number>", "with its country code", number)
    .option("--yes", "do it")
    .addHelpText(
      "after",
      `
Its conversations stay. A text to it adds it again, so take it from us at the provider first.

Example:
  gatelink sms remove +12025550100 --yes`,
    )
    .action((which: string, { yes }: { yes?: true }) =>
      run(async (session) => {
        if (!yes) throw new CliError("usage", "Nothing was removed.", "Add --yes.");
        await (await session.api()).rpc("remove_text_number", { p_number: which });
        return {
          document: { number: which.replace(/\D/g, ""), removed: true },
          text: `${which} was removed.`,
        };
      })
    );
}

function segments(group: Command, run: Run): void {
  group.command("segments").description("how many segments a text is sent as, and why")
    .argument("<text>", "the text")
    .addHelpText("after", `\nExample:\n  gatelink sms segments "It’s ready"`)
    .action((text: string) =>
      run(() => {
        const counted = segmentsOf(text);
        const plain = withPlainCharacters(text);
        const cheaper = segmentsOf(plain).segments < counted.segments ? plain : null;
        return Promise.resolve({
          document: { ...counted, plain: cheaper },
          text: facts({
            segments: String(counted.segments),
            encoding: counted.encoding,
            "left in the last": String(counted.left),
            ...(counted.outside.length > 0 ? { "not in GSM-7": counted.outside.join(" ") } : {}),
            ...(cheaper === null
              ? {}
              : { "with plain characters": `${segmentsOf(cheaper).segments}: ${cheaper}` }),
          }),
        });
      })
    );
}

function stateOf({ state, held_since, held_code, waiting }: TextNumber): Cell {
  if (held_since !== null) return ["red", `held: error ${held_code}, ${waiting} waiting`];
  return state === "paused" ? ["yellow", "paused"] : ["green", "active"];
}

/** As people write it. */
export function shown(number: string): string {
  return number.length > 8 ? `+${number}` : number;
}

function number(text: string): string {
  if (/^\+?[0-9][0-9 ().-]{2,30}$/.test(text.trim())) return text.trim();
  throw new InvalidArgumentError("Use a number with its country code, like +12025550100.");
}
