/** `gatelink email doctor`: whether DNS and providers let mail out and answers in, and what to enter at the provider. */
import { Resolver as NodeResolver } from "node:dns/promises";
import { type Command, Option } from "commander";
import { CliError } from "../../core/errors.ts";
import { type Cell, facts, table } from "../../core/output.ts";
import type { Result, Run, Session } from "../../core/session.ts";
import { durationWithin } from "../../core/values.ts";
import { type Carrier, checkMailDns, type MailFinding, type Resolver } from "./checks.ts";
import { type Ask, asker, checkResend, checkSendGrid, type Expected } from "./providers.ts";
import { INBOUND_WORDS, mailSetup } from "./setup.ts";
import { domain } from "./values.ts";

interface Options {
  replyDomain?: string;
  sendDomain?: string;
  timeout: number;
}

/** Adds the command to the group. */
export function doctor(group: Command, run: Run): void {
  group.command("doctor").description("check DNS and providers of mail; prints what to enter at the provider")
    .option("--reply-domain <domain>", "where answers come to (default: that of the functions)", domain)
    .option("--send-domain <domain>", "where mail is sent from (default: that of the functions)", domain)
    .addOption(
      new Option("--timeout <time>", "maximum wait for DNS, 1s to 60s").argParser(
        durationWithin(1000, 60_000, "1s to 60s"),
      ).default(5000, "5s"),
    )
    .addHelpText(
      "after",
      `
Checks the MX of the domain for answers, and SPF, DKIM and DMARC of the domains of all identities. With
SENDGRID_API_KEY or RESEND_API_KEY in this shell (SENDGRID_URL and RESEND_URL for another address), also asks these
providers what is entered there: parse settings, webhooks and their keys, domains. The keys only have to read. Exit
code 1 if there is a problem; warnings alone exit with 0.

Examples:
  gatelink email doctor
  SENDGRID_API_KEY=SG.… gatelink email doctor --reply-domain reply.example.com --send-domain example.com`,
    )
    .action((options: Options) => run((session) => examine(session, options, nodeResolver(options.timeout))));
}

/** Examines the domains of a stack. @param dns Injected for tests. */
export async function examine(
  session: Session,
  options: Options,
  dns: Resolver,
  asks: Partial<Record<"sendgrid" | "resend", Ask>> = asksOf(session.io.env),
): Promise<Result> {
  const { env } = session.io;
  const api = await session.api();
  const setup = await mailSetup(api.stack);
  const reply = options.replyDomain ??
    (setup?.reply_domain || env.INBOUND_PARSE_DOMAIN?.trim().toLowerCase());
  if (!reply) {
    throw new CliError(
      "usage",
      "The domain that answers come to is not known.",
      "Give --reply-domain, or set INBOUND_PARSE_DOMAIN.",
    );
  }
  const from = new Map<string, Set<Carrier>>();
  const add = (name: string, provider: Carrier) =>
    from.set(name, (from.get(name) ?? new Set()).add(provider));
  for (const { from_email, provider } of await api.rpc("list_identities", {})) {
    // Their providers answer for them: gatelink mailbox doctor.
    if (provider === "google" || provider === "microsoft") continue;
    add(from_email.slice(from_email.lastIndexOf("@") + 1), provider);
  }
  const send = options.sendDomain ?? (setup?.send_domain || env.SEND_DOMAIN?.trim().toLowerCase());
  if (send && !from.has(send)) add(send, "sendgrid");
  let findings: MailFinding[];
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
  const expected: Expected = { reply, from, webhook: base, setup };
  if (asks.sendgrid !== undefined) findings.push(...await checkSendGrid(expected, asks.sendgrid));
  if (asks.resend !== undefined) findings.push(...await checkResend(expected, asks.resend));
  if (setup?.inbound === "none") {
    findings.push({
      level: "problem",
      about: "functions, Inbound Parse",
      what: INBOUND_WORDS.none,
      advice: "Set SENDGRID_INBOUND_PUBLIC_KEY, or SENDGRID_INBOUND_SECRET where SendGrid does not sign.",
    });
  } else if (setup !== null) {
    findings.push({ level: "ok", about: "functions, Inbound Parse", what: INBOUND_WORDS[setup.inbound] });
  }
  const enter = {
    "SendGrid, Inbound Parse": setup?.inbound === "secret"
      ? `${base}/inbound/<SENDGRID_INBOUND_SECRET>`
      : `${base}/inbound`,
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

/** The providers whose keys this shell has. */
function asksOf(env: Session["io"]["env"]): Partial<Record<"sendgrid" | "resend", Ask>> {
  const { SENDGRID_API_KEY: sendgrid, RESEND_API_KEY: resend } = env;
  return {
    ...(sendgrid &&
      { sendgrid: asker({ url: env.SENDGRID_URL || "https://api.sendgrid.com", key: sendgrid }) }),
    ...(resend && { resend: asker({ url: env.RESEND_URL || "https://api.resend.com", key: resend }) }),
  };
}

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
