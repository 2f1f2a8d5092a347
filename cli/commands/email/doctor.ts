/** `gatelink email doctor`: whether DNS lets mail out and answers in, and what to enter at the provider. */
import { Resolver as NodeResolver } from "node:dns/promises";
import { type Command, Option } from "commander";
import type { Identity } from "../../../supabase/functions/_shared/contract/answers/mail.ts";
import { CliError } from "../../core/errors.ts";
import { type Cell, facts, table } from "../../core/output.ts";
import type { Result, Run, Session } from "../../core/session.ts";
import { durationWithin } from "../../core/values.ts";
import { checkMailDns, type Resolver } from "./checks.ts";
import { domain } from "./values.ts";

interface Options {
  replyDomain?: string;
  sendDomain?: string;
  timeout: number;
}

/** Adds the command to the group. */
export function doctor(group: Command, run: Run): void {
  group.command("doctor").description("check the DNS of mail; prints what to enter at the provider")
    .option("--reply-domain <domain>", "where answers come to (default: INBOUND_PARSE_DOMAIN)", domain)
    .option("--send-domain <domain>", "where mail is sent from (default: SEND_DOMAIN)", domain)
    .addOption(
      new Option("--timeout <time>", "maximum wait for DNS, 1s to 60s").argParser(
        durationWithin(1000, 60_000, "1s to 60s"),
      ).default(5000, "5s"),
    )
    .addHelpText(
      "after",
      `
Checks the MX of the domain for answers, and SPF, DKIM and DMARC of the domains of all identities. The defaults are
variables of this shell: give what the functions have. Exit code 1 if there is a problem; warnings alone exit with 0.

Example:
  gatelink email doctor --reply-domain reply.example.com --send-domain example.com`,
    )
    .action((options: Options) => run((session) => examine(session, options, nodeResolver(options.timeout))));
}

/** Examines the domains of a stack. @param dns Injected for tests. */
export async function examine(session: Session, options: Options, dns: Resolver): Promise<Result> {
  const { env } = session.io;
  const reply = options.replyDomain ?? env.INBOUND_PARSE_DOMAIN?.trim().toLowerCase();
  if (!reply) {
    throw new CliError(
      "usage",
      "The domain that answers come to is not known.",
      "Give --reply-domain, or set INBOUND_PARSE_DOMAIN.",
    );
  }
  const api = await session.api();
  const from = new Map<string, Set<Identity["provider"]>>();
  const add = (name: string, provider: Identity["provider"]) =>
    from.set(name, (from.get(name) ?? new Set()).add(provider));
  for (const { from_email, provider } of await api.rpc("list_identities", {})) {
    add(from_email.slice(from_email.lastIndexOf("@") + 1), provider);
  }
  const send = options.sendDomain ?? env.SEND_DOMAIN?.trim().toLowerCase();
  if (send && !from.has(send)) add(send, "sendgrid");
  let findings;
  try {
    findings = await checkMailDns({ reply, from }, dns);
  } catch (error) {
    throw new CliError(
      "refused",
      `DNS could not be asked: ${(error as Error).message}`,
      "Try again, or from another network.",
      { cause: error },
    );
  }
  const base = `${api.stack.url}/functions/v1/email-webhook`;
  const enter = {
    "SendGrid, Inbound Parse": `${base}/inbound`,
    "SendGrid, Event Webhook": `${base}/events`,
    "Resend, Webhooks": `${base}/resend`,
  };
  const problems = findings.filter(({ level }) => level === "problem").length;
  const advice = findings.flatMap(({ about, advice }) => advice === undefined ? [] : [`${about}: ${advice}`]);
  return {
    document: { reply_domain: reply, findings, enter },
    text: [
      table(
        ["", "record", "found"],
        findings.map(({ level, about, what }): Cell[] => [[COLOURS[level], level], about, what]),
      ),
      ...(advice.length === 0 ? [] : [advice.join("\n")]),
      `Enter at the provider (docs/deploy.md, E-mail, has the keys):\n${facts(enter)}`,
    ].join("\n\n"),
    failed: problems > 0,
  };
}

const COLOURS = { ok: "green", warning: "yellow", problem: "red" } as const;

/** DNS of this machine. */
function nodeResolver(timeout: number): Resolver {
  const resolver = new NodeResolver({ timeout, tries: 2 });
  return {
    mx: (name) => orNothing(resolver.resolveMx(name)),
    txt: async (name) => (await orNothing(resolver.resolveTxt(name))).map((strings) => strings.join("")),
    cname: (name) => orNothing(resolver.resolveCname(name)),
  };
}

/** No such name, and no such record at it, are answers. */
function orNothing<T>(asked: Promise<T[]>): Promise<T[]> {
  return asked.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOTFOUND" || error.code === "ENODATA") return [];
    throw error;
  });
}
