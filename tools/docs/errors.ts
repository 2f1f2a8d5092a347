/**
 * `deno run -A tools/docs/errors.ts` writes docs/errors.md from the registry of error codes; with `--check` it changes
 * nothing, and its exit code is 1 when the page is not current.
 */
import { join, ROOT } from "../../lib/paths.ts";
import {
  type ProblemCode,
  type ProblemKind,
  PROBLEMS,
} from "../../supabase/functions/_shared/http/problem.ts";

/** Where the page is. */
export const ERRORS_PAGE: string = join(ROOT, "docs", "errors.md");

const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: "Bad Request: it could not be read",
  401: "Unauthorized: nobody knows who asks",
  403: "Forbidden: known, and not allowed",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict: the present state forbids it",
  410: "Gone: it was there, and will not come back",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content: it was read, and breaks a rule",
  429: "Too Many Requests",
  500: "Internal Server Error: our fault",
  503: "Service Unavailable: not now",
};

/** What a caller can do, where the title does not say it already. */
const ADVICE: Readonly<Partial<Record<ProblemCode, string>>> = {
  body_incomplete: "Send it again.",
  signature_missing: "Only Meta posts here. Behind a proxy, see that it passes `X-Hub-Signature-256` on.",
  signature_invalid:
    "The app secret is another one, or something between Meta and this function changes the body. " +
    "`WHATSAPP_APP_SECRET` takes several while one is being rotated.",
  unauthorized: "Send a key of the project in the header `apikey`.",
  forbidden: "Send a secret key, not a publishable one; as a person, ask an admin for the role.",
  verify_token_mismatch: "Enter the value of `WHATSAPP_VERIFY_TOKEN` in Meta's console.",
  method_not_allowed: "The header `Allow` names those that are.",
  window_closed:
    "Send a template, or give one as `fallback`. `window_closed_at` says since when, unless the person " +
    "never wrote.",
  feature_off: "Turn the flag on, or raise its percentage: `wa_send.enabled` decides for each contact.",
  unknown_number: "Give a `phone_number_id` of `wa_numbers`; one is added by its first webhook.",
  unknown_recipient:
    "A contact's id or a user name reaches those who have written, or whom Meta has told us of. Others need a phone " +
    "number or a business-scoped user id.",
  unknown_message: "Give the id (`wamid…`) of a message that came in.",
  destination_not_found: "`gatelink destinations list` shows them.",
  idempotency_conflict:
    "Use a new key for another message. The same request under the same key is answered with " +
    "the first one's id.",
  opted_out:
    "On WhatsApp this is about templates of marketing alone; what is not known to be something else is marketing, so state " +
    "the `category`. Send none until the person opts in again. Where Meta has to be asked first, the message is taken " +
    "and fails with this code.",
  invalid_request: "`issues` lists each place (`path`) and what is wrong there (`message`).",
  rate_limited:
    "Wait as long as `Retry-After` says. `RateLimit` and `RateLimit-Policy` tell how much is left; " +
    "`violated-policies` names the limit.",
  config_invalid: "The operator finds the variable's name in the log, and in the answer of `health`.",
  internal_error: "Tell the operator the `request_id`: the log has the cause under it.",
  disabled_by_environment:
    "A kill switch is set (`FEATURE_ENABLED` or the feature's own). Meta keeps its webhooks " +
    "meanwhile.",
  database_unavailable: "Come back after `Retry-After`. Nothing was taken.",
  schema_outdated: "The operator applies the migrations: `supabase db push`.",
  schema_too_new:
    "The operator deploys the functions of the version that made it, or takes the migration back that `health` names. " +
    "Meta keeps its webhooks meanwhile.",
  overloaded: "Come back after `Retry-After`. Nothing was taken.",
};

const INTRODUCTION = `# Error codes

Made from the registry in \`supabase/functions/_shared/http/problem.ts\` by \`deno run -A tools/docs/errors.ts\`; a test
holds the two together.

Every function answers errors as \`application/problem+json\` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)):

\`\`\`json
{
  "type": "urn:gatelink:problem:window_closed",
  "title": "${PROBLEMS.window_closed.title}",
  "status": 409,
  "code": "window_closed",
  "request_id": "0b9bd0c4-6f0e-4b5e-9d3c-2f1f5d0a8a35",
  "window_closed_at": "2026-11-21T10:00:00+00:00"
}
\`\`\`

Decide by \`code\`: it keeps its meaning for ever. \`title\` is for people, \`detail\`, where there is one, is about this
very case, and some codes add members of their own. \`request_id\` is in the header \`x-request-id\` too, and in the log.

Try again after 429 and 503, when \`Retry-After\` says (the table gives what it says without a better reason), and after
500 a little later, under the same \`idempotency_key\`. All others would be answered the same again.`;

const IN_SQL = `## Functions in SQL

What people and scripts call over the Data API (\`/rest/v1/rpc/…\`) answers as PostgREST does,
\`{"code","message","details","hint"}\`, with Postgres' own codes and these:

| code | meaning |
| --- | --- |
| \`42501\` | The role does not allow it. |
| \`23514\` | A value that cannot be; the message names the constraint. |
| \`GL300\` | Several things fit: name one by its id. |
| \`GL403\` | The allowlist does not permit it. |
| \`GL404\` | There is nothing of that name. |
| \`GL409\` | The name is taken, or somebody else was faster: read again. |
| \`GL422\` | Something that is needed is missing, or is not as it has to be; the message says what. |
| \`GL503\` | The caller's own schema (\`x-gatelink-schema\`) is too old for the database. |`;

/** The text of docs/errors.md. */
export function errorsPage(): string {
  const entries = Object.entries(PROBLEMS) as [ProblemCode, ProblemKind][];
  const statuses = [...new Set(entries.map(([, { status }]) => status))].sort((a, b) => a - b);
  const sections = statuses.map((status) => {
    const name = STATUS_NAMES[status];
    if (name === undefined) throw new Error(`status ${status} has no name in tools/docs/errors.ts`);
    const rows = entries.filter(([, kind]) => kind.status === status).map(([code, kind]) => row(code, kind));
    return [`## ${status} ${name}`, "", "| code | title | what to do |", "| --- | --- | --- |", ...rows].join(
      "\n",
    );
  });
  return `${[INTRODUCTION, ...sections, IN_SQL].join("\n\n")}\n`;
}

function row(code: ProblemCode, { title, headers }: ProblemKind): string {
  const retry = headers?.["retry-after"];
  const advice = [ADVICE[code], retry && `Retry-After: ${retry} s.`].filter((part) => part).join(" ");
  return `| \`${code}\` | ${title} | ${advice} |`;
}

if (import.meta.main) {
  if (!Deno.args.includes("--check")) {
    await Deno.writeTextFile(ERRORS_PAGE, errorsPage());
  } else if (await Deno.readTextFile(ERRORS_PAGE).catch(() => "") !== errorsPage()) {
    console.error("docs/errors.md is not current: run `deno run -A tools/docs/errors.ts`.");
    Deno.exit(1);
  }
}
