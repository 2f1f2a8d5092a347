/** `gatelink sms doctor`: whether providers of texts are set up, and what to enter there. */
import type { Command } from "commander";
import type { TextNumber } from "../../../supabase/functions/_shared/contract/answers/sms.ts";
import type { SmsSetup } from "../../../supabase/functions/_shared/contract/http/sms.ts";
import { CliError } from "../../core/errors.ts";
import { callFunction } from "../../core/functions_api.ts";
import { type Cell, facts, table } from "../../core/output.ts";
import type { Result, Run, Session } from "../../core/session.ts";

/** What was found. */
export interface SmsFinding {
  level: "ok" | "warning" | "problem";
  about: string;
  what: string;
  advice?: string;
}

/** A number as Twilio has it. */
export interface NumberAtTwilio {
  number: string;
  smsUrl: string;
  fallbackUrl: string;
  method: string;
  voiceUrl: string;
  voiceMethod: string;
}

/** What came of asking whether calls would be answered: an HTTP status, or undefined without an answer. */
export type VoiceAnswer = number | undefined;

const TIMEOUT_MS = 15_000;

/** Adds the command to the group. */
export function doctor(group: Command, run: Run): void {
  group.command("doctor").description("check providers of texts; prints what to enter there")
    .addHelpText(
      "after",
      `
Says what the functions lack, which numbers are held, what nobody knows whether it went, and whether the address for calls
answers. With TWILIO_ACCOUNT_SID and
TWILIO_AUTH_TOKEN in this shell (or TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET; TWILIO_URL for another address), also asks
Twilio which addresses are entered at the numbers. Exit code 1 if there is a problem.

Examples:
  gatelink sms doctor
  TWILIO_ACCOUNT_SID=AC… TWILIO_AUTH_TOKEN=… gatelink sms doctor`,
    )
    .action(() => run((session) => examine(session)));
}

async function examine(session: Session): Promise<Result> {
  const api = await session.api();
  const { body: setup } = await callFunction<SmsSetup>(api.stack, "GET", "sms-webhook/setup");
  const numbers = await api.rpc("list_text_numbers", {});
  const unknown = (await api.rpc("list_unknown", { p_limit: 200 })).filter(({ channel, overdue }) =>
    channel === "sms" && overdue
  );
  const atTwilio = await askTwilio(session.io.env);
  const findings = findingsOf(setup, numbers, unknown.length, {
    atTwilio,
    voice: await askVoice(setup.twilio.voice_url),
    account: session.io.env.TWILIO_ACCOUNT_SID?.split(",")[0].trim(),
  });
  const enter = {
    "Twilio, a message comes in": `${setup.twilio.webhook_url} (POST)`,
    "Twilio, primary handler fails": `${setup.twilio.fallback_url} (POST)`,
    "Twilio, a call comes in": `${setup.twilio.voice_url} (POST)`,
    "Telnyx, webhook": setup.telnyx.webhook_url,
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
      `Enter at the provider (docs/texts.md):\n${facts(enter)}`,
    ].join("\n\n"),
    failed: findings.some(({ level }) => level === "problem"),
  };
}

const COLOURS = { ok: "green", warning: "yellow", problem: "red" } as const;

/** What was asked besides the functions. */
export interface Asked {
  /** Undefined if Twilio was not asked. */
  atTwilio?: readonly NumberAtTwilio[];
  /** Absent if nobody asked. */
  voice?: VoiceAnswer;
  /** The account of Twilio's that was asked. */
  account?: string;
}

/** What there is to say. */
export function findingsOf(
  setup: SmsSetup,
  numbers: readonly TextNumber[],
  overdue: number,
  { atTwilio, account, ...asked }: Asked = {},
): SmsFinding[] {
  const findings: SmsFinding[] = [];
  const add = (level: SmsFinding["level"], about: string, what: string, advice?: string) =>
    findings.push({ level, about, what, ...(advice === undefined ? {} : { advice }) });
  const used = new Set(numbers.map(({ provider }) => provider));
  for (const provider of ["twilio", "telnyx"] as const) {
    const faults = setup.faults.filter(({ variable }) => variable.toLowerCase().startsWith(provider));
    if (setup.sends_by.includes(provider)) add("ok", provider, "the functions can send through it");
    else if (used.has(provider) || setup.sends_by.length === 0 && provider === "twilio") {
      add(
        "problem",
        provider,
        faults.map(({ variable, fault }) => `${variable}: ${fault}`).join("; ") ||
          "the functions cannot send through it",
        "Set the secrets of the functions; docs/deploy.md lists them.",
      );
    }
  }
  if (used.has("telnyx") && !setup.telnyx.verifies) {
    add("problem", "telnyx", "its webhooks cannot be verified", "Set TELNYX_PUBLIC_KEY.");
  }
  if (setup.sends_by.includes("twilio")) {
    add(
      "ok",
      "twilio, webhooks",
      `verified by ${setup.twilio.verifies_by.join(" or ").replaceAll("_", " ")}`,
    );
  }
  if (!isPublic(setup.twilio.webhook_url)) {
    add("warning", "webhooks", "their address is not https, or of this machine: providers cannot call it");
  }
  if (setup.twilio.proxy_service) {
    add("warning", "twilio", "TWILIO_PROXY_SERVICE_SID is set and not used");
  }
  if (numbers.length === 0) add("warning", "numbers", "there are none", "Add one: gatelink sms add +…");
  for (const { number, held_since, held_code, state, waiting } of numbers) {
    if (held_since !== null) {
      add(
        "problem",
        `+${number}`,
        `held by error ${held_code}, ${waiting} conversations wait`,
        adviceFor(held_code),
      );
    } else if (state === "paused") add("warning", `+${number}`, "paused");
  }
  if (overdue > 0) {
    add(
      "warning",
      "texts",
      `of ${overdue} nobody knows whether they went`,
      "gatelink sms unknown list, then look at the provider.",
    );
  }
  // Numbers of an organisation have a class, and people call them.
  const rings = numbers.some((number) => number.class !== null && number.provider === "twilio");
  if ("voice" in asked && (rings || asked.voice === SIGNATURE_NEEDED)) {
    if (asked.voice === SIGNATURE_NEEDED) {
      add("ok", "calls", "their address answers, and asks for Twilio's signature");
    } else {
      add(
        "problem",
        "calls",
        asked.voice === undefined ? "their address does not answer" : `their address answers ${asked.voice}`,
        "Deploy sms-webhook, and check TWILIO_WEBHOOK_URL.",
      );
    }
  }
  if (atTwilio !== undefined) {
    // Numbers of other accounts are seen with their credentials alone.
    const here = numbers.filter((number) =>
      number.provider === "twilio" &&
      (number.account === null
        ? account === undefined || account === setup.twilio.accounts[0]
        : number.account === account)
    );
    for (const number of here) {
      const entered = atTwilio.find((one) => one.number === number.number);
      if (entered === undefined) {
        add("problem", `+${number.number}`, `the account at ${number.provider} does not have it`);
      } else compare(entered, setup.twilio, number.class);
    }
  }
  return findings;

  function compare(
    { number, smsUrl, fallbackUrl, method, voiceUrl, voiceMethod }: NumberAtTwilio,
    twilio: SmsSetup["twilio"],
    purpose: string | null,
  ): void {
    const bare = (url: string) => url.split("#", 1)[0];
    const about = `+${number} at Twilio`;
    const enter = "Enter the addresses below.";
    if (bare(smsUrl) !== bare(twilio.webhook_url)) {
      add("problem", about, `messages go to ${smsUrl || "no address"}`, enter);
    } else if (method !== "POST") add("warning", about, `messages come by ${method}`, enter);
    else if (fallbackUrl === "") add("warning", about, "it has no fallback address", enter);
    else if (!smsUrl.includes("#")) add("warning", about, "its address asks for no repetitions", enter);
    else add("ok", about, "its addresses for messages are right");
    if (bare(voiceUrl) === bare(twilio.voice_url)) {
      if (voiceMethod === "POST") add("ok", about, "its address for calls is right");
      else add("warning", about, `calls come by ${voiceMethod}`, enter);
    } else if (purpose !== null) add("warning", about, `calls go to ${voiceUrl || "no address"}`, enter);
  }
}

function adviceFor(code: string | null): string {
  switch (code) {
    case "20003":
      return "Twilio refuses the credentials: check TWILIO_AUTH_TOKEN, or the API key.";
    case "21606":
      return "The account does not have this number, or it cannot send texts.";
    case "30032":
      return "Have the toll-free number verified.";
    case "30034":
      return "Register the number in an A2P 10DLC campaign.";
    default:
      return "Look the code up at the provider.";
  }
}

/** The function is there, and takes calls that Twilio signed alone. */
const SIGNATURE_NEEDED = 401;

async function askVoice(url: string): Promise<VoiceAnswer> {
  try {
    const response = await fetch(url, {
      method: "POST",
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    return response.status;
  } catch {
    return undefined;
  }
}

function isPublic(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "https:" && !/^(?:localhost|127\.|10\.|192\.168\.)/.test(hostname);
}

/** The numbers of the account whose credentials this shell has; undefined without them. */
async function askTwilio(env: Session["io"]["env"]): Promise<NumberAtTwilio[] | undefined> {
  const account = env.TWILIO_ACCOUNT_SID?.split(",")[0].trim();
  const user = env.TWILIO_API_KEY_SID || account;
  const password = env.TWILIO_API_KEY_SECRET || env.TWILIO_AUTH_TOKEN?.split(",")[0].trim();
  if (!account || !user || !password) return undefined;
  const url = `${env.TWILIO_URL || "https://api.twilio.com"}/2010-04-01/Accounts/${account}` +
    "/IncomingPhoneNumbers.json?PageSize=1000";
  let response: Response;
  try {
    response = await fetch(url, {
      headers: { authorization: `Basic ${btoa(`${user}:${password}`)}` },
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (cause) {
    throw new CliError("refused", "Twilio does not answer.", "Try again, or unset TWILIO_ACCOUNT_SID.", {
      cause,
    });
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new CliError(
      "refused",
      `Twilio answered ${response.status}.`,
      "Check the credentials in this shell.",
    );
  }
  const { incoming_phone_numbers: listed } = await response.json() as {
    incoming_phone_numbers: {
      phone_number: string;
      sms_url: string;
      sms_fallback_url: string;
      sms_method: string;
      voice_url?: string | null;
      voice_method?: string | null;
    }[];
  };
  return listed.map(({ phone_number, sms_url, sms_fallback_url, sms_method, voice_url, voice_method }) => ({
    number: phone_number.replace("+", ""),
    smsUrl: sms_url,
    fallbackUrl: sms_fallback_url,
    method: sms_method,
    voiceUrl: voice_url ?? "",
    voiceMethod: voice_method ?? "POST",
  }));
}
