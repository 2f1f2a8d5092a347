/** `gatelink mailbox doctor`: whether mailboxes can be connected and are well, and what to enter at the providers. */
import type { Command } from "commander";
import type { Mailbox } from "../../../supabase/functions/_shared/contract/answers/mailboxes.ts";
import type {
  MailboxChecked,
  MailboxSetup,
} from "../../../supabase/functions/_shared/contract/http/mailboxes.ts";
import { callFunction } from "../../core/functions_api.ts";
import { type Cell, facts, table } from "../../core/output.ts";
import type { Result, Run, Session } from "../../core/session.ts";

/** What was found. */
export interface MailboxFinding {
  level: "ok" | "warning" | "problem";
  about: string;
  what: string;
  advice?: string;
}

/** Adds the command to the group. */
export function doctor(group: Command, run: Run): void {
  group.command("doctor").description(
    "check mailboxes and their set-up; prints what to enter at the providers",
  )
    .addHelpText(
      "after",
      `
Says which secrets the functions lack, asks each mailbox's provider whether it lets us in, and whether its answers are read
and its tokens sealed with the newest key. Exit code 1 if there is a problem; warnings alone exit with 0.

Example:
  gatelink mailbox doctor`,
    )
    .action(() => run((session) => examine(session)));
}

async function examine(session: Session): Promise<Result> {
  const api = await session.api();
  const { body: setup } = await callFunction<MailboxSetup>(api.stack, "GET", "mailboxes/setup");
  const mailboxes = await api.rpc("list_mailboxes", {});
  const checked = new Map<string, MailboxChecked>();
  for (const { id, state } of mailboxes) {
    if (state !== "active") continue;
    checked.set(id, (await callFunction<MailboxChecked>(api.stack, "POST", `mailboxes/${id}/check`)).body);
  }
  const findings = findingsOf(setup, mailboxes, checked, Date.now());
  const enter = {
    "Google, authorised redirect URI": setup.google.redirect_uri,
    "Microsoft, redirect URI (Web)": setup.microsoft.redirect_uri,
  };
  const advice = findings.flatMap(({ about, advice }) => advice === undefined ? [] : [`${about}: ${advice}`]);
  return {
    document: { findings, enter },
    text: [
      table(
        ["", "about", "found"],
        findings.map(({ level, about, what }): Cell[] => [[COLOURS[level], level], about, what]),
      ),
      ...(advice.length === 0 ? [] : [advice.join("\n")]),
      `Enter at the provider (docs/mailboxes.md):\n${facts(enter)}`,
    ].join("\n\n"),
    failed: findings.some(({ level }) => level === "problem"),
  };
}

const COLOURS = { ok: "green", warning: "yellow", problem: "red" } as const;
/** A mailbox is read each minute. */
const LATE_MS = 15 * 60_000;

/** What there is to say. @param checked By id; of mailboxes that are let in. @param now Milliseconds since 1970. */
export function findingsOf(
  setup: MailboxSetup,
  mailboxes: readonly Mailbox[],
  checked: ReadonlyMap<string, MailboxChecked>,
  now: number,
): MailboxFinding[] {
  const findings: MailboxFinding[] = [];
  const add = (level: MailboxFinding["level"], about: string, what: string, advice?: string) =>
    findings.push({ level, about, what, ...(advice === undefined ? {} : { advice }) });
  const used = new Set(mailboxes.map(({ provider }) => provider));
  for (const provider of ["google", "microsoft"] as const) {
    const { ready, missing } = setup[provider];
    if (ready) add("ok", provider, "mailboxes can be connected");
    else if (used.has(provider) || used.size === 0 && !setup.google.ready && !setup.microsoft.ready) {
      add(
        used.has(provider) ? "problem" : "warning",
        provider,
        missing.join("; "),
        "Register an app there, and set the secrets of the functions: docs/mailboxes.md.",
      );
    }
  }
  const [first] = setup.keys;
  if (first === undefined) {
    add(
      "problem",
      "SEALING_KEYS",
      "there is no key to encrypt tokens with",
      "docs/routing.md, Headers of your own, makes one.",
    );
  }
  for (const mailbox of mailboxes) ofMailbox(mailbox);
  return findings;

  function ofMailbox(
    { id, address, provider, state, error, from_email, sends, reading, keys }: Mailbox,
  ): void {
    const check = checked.get(id);
    if (state === "reauthorise") {
      add(
        "problem",
        address,
        `${provider} ended the access: ${error ?? "no reason"}`,
        `gatelink mailbox connect --provider ${provider}`,
      );
      return;
    }
    if (check?.ok === false) {
      add("problem", address, `${check.code}: ${check.detail}`, adviceFor(check.code));
    } else add("ok", address, sends ? `it lets us in, and sends as ${from_email}` : "it lets us in");
    if (!sends) {
      add(
        "warning",
        address,
        `${from_email} sends another way`,
        `gatelink email identities set ${from_email} --provider ${provider}`,
      );
    }
    if (reading?.error) add("warning", address, `answers could not be read: ${reading.error}`);
    else if (now - Date.parse(reading?.read_at ?? "") > LATE_MS) {
      add(
        "warning",
        address,
        "no answers were read for 15 minutes",
        "gatelink status shows whether the clock runs.",
      );
    }
    const old = keys.filter((key) => key !== first);
    if (old.length > 0) {
      add(
        "warning",
        address,
        `its tokens are sealed with ${old.join(", ")}`,
        `Keep that key in SEALING_KEYS: each refresh seals with ${first ?? "the first one"}, within an hour.`,
      );
    }
  }
}

function adviceFor(code: string | null): string {
  switch (code) {
    case "invalid_client":
    case "unauthorized_client":
      return "The provider refuses the app: its secret is wrong or has expired.";
    case "not_ready":
      return "A secret of the functions is missing, or a key that sealed the tokens.";
    case "insufficientPermissions":
    case "ErrorAccessDenied":
      return "A permission is missing: connect it again, and let it send and read.";
    case "MailboxNotEnabledForRESTAPI":
      return "This account has no mailbox in the cloud.";
    default:
      return "Look the code up at the provider; if it lasts, connect it again.";
  }
}
