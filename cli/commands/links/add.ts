/** `gatelink links add`: creates one link. */
import { type Command, Option } from "commander";
import { FIELDS, type LinkField } from "../../../supabase/functions/_shared/contract/link_fields.ts";
import { CliError } from "../../core/errors.ts";
import type { Io } from "../../core/io.ts";
import { unknownFlag } from "../flags/api.ts";
import { type LinksApi, linksApi } from "./api.ts";
import { isAllowedNow, UNSEEN_MS } from "./rules.ts";
import { facts } from "../../core/output.ts";
import type { Run, Session } from "../../core/session.ts";
import { json, later, pair, several, whole } from "../../core/values.ts";

/** The command's own options, by name. */
interface Options {
  code?: string;
  whatsapp?: string;
  number?: string;
  password?: string;
  body?: unknown;
  /** The options of the fields, see {@linkcode FIELD_OPTIONS}. */
  [option: string]: unknown;
}

/** One option for each field of a link that has one. */
const FIELD_OPTIONS = FIELDS.flatMap((field) => {
  if (field.option === undefined) return [];
  const [flags, help] = field.option;
  const option = new Option(flags, help);
  const parser = parserOf(field);
  return [{ field, option: parser === undefined ? option : option.argParser<unknown>(parser as never) }];
});

/** The parser of an option's value; undefined for a text that is used unchanged, or a switch. */
function parserOf(field: LinkField): ((text: string, before: unknown[] | undefined) => unknown) | undefined {
  switch (field.kind) {
    case "time":
      return later;
    case "integer":
      return whole(field.min, field.max);
    case "tags":
      return several<unknown>((tag) => tag);
    case "rules":
      return several<unknown>(json);
    case "group":
      return several<unknown>(pair(Object.keys(field.parts)));
    default:
      return undefined;
  }
}

/** The members of the body that the field options set. */
function membersOf(options: Options): Record<string, unknown> {
  return Object.fromEntries(FIELD_OPTIONS.map(({ field: { name, kind }, option }) => {
    const value = options[option.attributeName()];
    return [name, kind === "group" && value ? Object.fromEntries(value as [string, string][]) : value];
  }));
}

/** Adds the command to the group. */
export function adding(group: Command, run: Run): void {
  const command = group.command("add").description(
    "create a link; prints its address and that of its QR code",
  )
    .argument("[url]", "target; its host must be on the allowlist for redirect")
    .option("--code <code>", "custom code: 3 to 64 of a-z, 0-9, - and _ (default: 8 random characters)")
    .option(
      "--whatsapp <text>",
      "open a chat with this prepared text; the url is then used while links are off",
    )
    .option(
      "--number <id>",
      "phone_number_id of the chat's business number (default: the only one)",
    );
  for (const { option } of FIELD_OPTIONS) command.addOption(option);
  command.option(
    "--password <password>",
    "require this password, at least 8 characters; - reads it from standard input",
  )
    .option("--body <json>", "instead of all other options: the body of POST deeplinks", json)
    .addHelpText(
      "after",
      `
Rules: {"when":{…}} with one of "url", "store", "app":{"url","package","fallback"}, "whatsapp":{"phone_number_id","text"}
and any of these conditions:
  "platform":"ios"  or "android", "windows", "macos", "linux", "other"; a list of them
  "country":"DE"  "language":"pt-BR"  "referrer":"news.example.com"  one, or a list
  "query":{"src":["mail","app"]}  or true for any value
  "date":{"from":"2026-12-01T00:00:00Z","until":"2027-01-01T00:00:00Z"}
  "time":{"days":["sat","sun"],"from":"09:00","to":"17:00","zone":"Europe/Berlin"}
  "in_app":true  or false, or "instagram", "facebook", "tiktok", "line", "wechat", …; a list of them
  "visitor":"new"  or "returning"
  "weight":50  percent of visitors, in steps of 0.01

Examples:
  gatelink links add https://www.example.com/spring --code spring --tag poster --utm campaign=spring
  gatelink links add --whatsapp 'Hello! I would like to order bread.' --tag poster
  gatelink links add https://www.example.com/app --code app \\
    --target '{"when":{"platform":"ios"},"store":"https://apps.apple.com/app/id123"}' \\
    --target '{"when":{"platform":"android"},"store":"https://play.google.com/store/apps/details?id=com.example.app"}'
  gatelink links add https://www.example.com/coupon --max-uses 100 --expires 30d --expired-url https://www.example.com/
  gatelink links add --body '{"default_url":"https://www.example.com/","external_id":"order-4711"}'`,
    )
    .action((url: string | undefined, options: Options) => run((session) => added(session, url, options)));
}

async function added(session: Session, url: string | undefined, options: Options) {
  const api = await linksApi(session);
  const body = await bodyOf(session, url, options);
  const { made, ...link } = await create(session, api, body);
  const text = facts({ link: link.url, "QR code": `${link.qr_url} (or .png)` });
  return {
    document: { ...link, made },
    text: made
      ? `${text}\n\nIt works within 5 seconds.${await unknownFlag(
        await session.api(),
        (body as { flag_key?: unknown }).flag_key,
      )}`
      : `${text}\n\nIt already existed with this external id.`,
  };
}

/** Creates the link, even to a host that was allowed a moment ago. */
async function create(session: Session, api: LinksApi, body: unknown): ReturnType<LinksApi["create"]> {
  // Drops undefined members from the body.
  const sent = JSON.parse(JSON.stringify(body));
  const until = Date.now() + UNSEEN_MS;
  for (;;) {
    try {
      return await api.create(sent);
    } catch (error) {
      const refused = error instanceof CliError && error.code === "invalid";
      if (!refused || Date.now() > until || !await isAllowedNow(await session.api(), sent)) throw error;
      session.progress("waiting until the function has seen the allowlist");
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

async function bodyOf(session: Session, url: string | undefined, options: Options): Promise<unknown> {
  const { body, ...others } = options;
  if (body !== undefined) {
    if (url === undefined && Object.keys(others).length === 0) return body;
    throw new CliError(
      "usage",
      "--body replaces all other options: use it alone.",
      "gatelink links add --help",
    );
  }
  if (url === undefined && options.whatsapp === undefined) {
    throw new CliError(
      "usage",
      "Give a url, or --whatsapp with a text.",
      "gatelink links add --help has examples.",
    );
  }
  for (const address of [url, ...addressesOf(options)]) {
    if (address === undefined || /^[a-z][a-z0-9+.-]*:\/\//i.test(address)) continue;
    throw new CliError("usage", `${address} is not a complete address.`, `Did you mean https://${address} ?`);
  }
  return {
    default_url: url,
    whatsapp: options.whatsapp === undefined
      ? undefined
      : { phone_number_id: options.number ?? await onlyNumber(session), text: options.whatsapp },
    code: options.code,
    ...membersOf(options),
    password: options.password === "-" ? await passwordGiven(session.io) : options.password,
  };
}

function addressesOf(options: Options): (string | undefined)[] {
  return FIELD_OPTIONS.filter(({ field }) => field.kind === "url")
    .map(({ option }) => options[option.attributeName()] as string | undefined);
}

/** Reads the password from standard input, without the line ending. */
async function passwordGiven(io: Io): Promise<string> {
  const password = (await io.stdin()).replace(/\r?\n$/, "");
  if (password !== "") return password;
  throw new CliError(
    "usage",
    "Standard input contains no password.",
    "printf '%s' \"$PASSWORD\" | gatelink links add … --password -",
  );
}

async function onlyNumber(session: Session): Promise<string> {
  const numbers = await (await session.api()).rows((client) =>
    client.from("wa_numbers").select("id,display_number").order("id")
  );
  if (numbers.length === 1) return numbers[0].id;
  const known = numbers.map(({ id, display_number }) => `${id} (${display_number ?? "no number yet"})`).join(
    ", ",
  );
  throw new CliError(
    "usage",
    numbers.length === 0 ? "There is no business number yet." : "There are several business numbers.",
    numbers.length === 0
      ? "A number is added by Meta's first webhook."
      : `Choose one with --number: ${known}`,
  );
}
