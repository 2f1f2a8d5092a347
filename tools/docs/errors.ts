/**
 * `deno run -A tools/docs/errors.ts` writes docs/errors.md from the registry of error codes; with `--check`
 * it changes nothing and exits with 1 if the page is outdated.
 */
import { join, ROOT } from "../../lib/paths.ts";
import {
  type ProblemCode,
  type ProblemKind,
  PROBLEMS,
} from "../../supabase/functions/_shared/http/problem.ts";

/** Path of the page. */
export const ERRORS_PAGE: string = join(ROOT, "docs", "errors.md");

const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: "Bad Request: unreadable",
  401: "Unauthorized: unknown caller",
  403: "Forbidden: known but not allowed",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict: not allowed in the current state",
  410: "Gone: permanently removed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  422: "Unprocessable Content: readable but invalid",
  429: "Too Many Requests",
  500: "Internal Server Error: our fault",
  502: "Bad Gateway: a provider refused",
  503: "Service Unavailable: retry later",
};

/** What a caller can do, if the title does not say so. */
const ADVICE: Readonly<Partial<Record<ProblemCode, string>>> = {
  body_incomplete: "Send it again.",
  signature_missing: "Only Meta may post here. A proxy must pass on `X-Hub-Signature-256`.",
  signature_invalid: "The app secret differs, or a proxy between Meta and this function changes the body. " +
    "During a rotation, `WHATSAPP_APP_SECRET` takes several.",
  unauthorized: "Send one of the project's keys in the header `apikey`.",
  forbidden: "Send a secret key, not a publishable one. As a person, ask an admin for the role.",
  verify_token_mismatch: "Enter the value of `WHATSAPP_VERIFY_TOKEN` in Meta's console.",
  method_not_allowed: "The header `Allow` lists the allowed methods.",
  window_closed:
    "Send a template, or add one as `fallback`. `window_closed_at` is the time since when, unless the person " +
    "has never written.",
  feature_off: "Turn the flag on, or raise its percentage: `wa_send.enabled` decides for each contact.",
  unknown_number: "Use a `phone_number_id` from `wa_numbers`; a number is added by its first webhook.",
  unknown_recipient:
    "Contact ids and user names only work for people who have written, or whom Meta has reported. For others, use a " +
    "phone number or a business-scoped user id.",
  unknown_message: "Use the id (`wamid…`) of an inbound message.",
  media_not_found: "Use `data.message.id` of an event with `media`, or the id of an upload.",
  media_gone:
    "`detail` says why. Meta keeps received files for some weeks: fetch them soon, or set `media.store` to keep them.",
  range_not_satisfiable: "`Content-Range` has the file's length. Ask without `Range` for the whole file.",
  media_unavailable: "`detail` has Meta's words. Retry after `Retry-After`.",
  destination_not_found: "`gatelink destinations list` lists them.",
  idempotency_conflict:
    "Use a new key for a different message. Repeating the same request under the same key returns the first " +
    "one's id.",
  opted_out:
    "On WhatsApp this affects only marketing templates. A template without a known category counts as marketing, so " +
    "state the `category`. Wait until the person opts in again. If Meta has to be asked first, the message is " +
    "accepted and then fails with this code.",
  template_not_sendable:
    "It is paused, rejected, disabled or under review: `gatelink templates list`. Send another one meanwhile.",
  provider_refused: "`detail` has Meta's words: correct what they name.",
  provider_unavailable:
    "`gatelink numbers doctor` says what is wrong with the account. Otherwise ask again later.",
  suppressed:
    "It bounced, complained or unsubscribed. The list of suppressions says why; an operator can lift it.",
  identity_unverified: "Enter the code that was mailed to the identity's address.",
  mailbox_not_found: "`gatelink mailbox list` shows the mailboxes.",
  mailbox_not_connected:
    "`detail` says why. Begin again: an address to let us in is used once, within 10 minutes.",
  identity_not_found: "`gatelink email identities list` shows the identities and their state.",
  invalid_request: "`issues` lists each location (`path`) and its error (`message`).",
  rate_limited: "Wait for the time in `Retry-After`. `RateLimit` and `RateLimit-Policy` show what is left; " +
    "`violated-policies` names the limit.",
  config_invalid: "The log and the answer of `health` name the missing variable.",
  internal_error: "Send the operator the `request_id`: the log has the cause.",
  mail_not_sent:
    "`detail` has the provider's words: correct the key, the sender or the domain there. Then ask again.",
  disabled_by_environment:
    "A kill switch is set (`FEATURE_ENABLED` or the feature's own). Meta keeps its webhooks meanwhile.",
  database_unavailable: "Retry after `Retry-After`. Nothing was accepted.",
  schema_outdated: "The operator has to apply the migrations: `supabase db push`.",
  schema_too_new:
    "The operator has to deploy the functions of the newer version, or revert the migration that `health` names. " +
    "Meta keeps its webhooks meanwhile.",
  overloaded: "Retry after `Retry-After`. Nothing was accepted.",
};

const INTRODUCTION = `# Error codes

Generated from \`supabase/functions/_shared/http/problem.ts\` by \`deno run -A tools/docs/errors.ts\`; a test compares
them.

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

Handle errors by \`code\`, which never changes its meaning. \`title\` is for people, the optional \`detail\` describes this
occurrence, and some codes add members. \`request_id\` is also in the header \`x-request-id\` and in the log.

After 429 and 503, retry at the time in \`Retry-After\` (the table has its default); after 500, retry a little later. Use the
same \`idempotency_key\`. Retrying other errors gives the same answer.`;

const IN_SQL = `## Functions in SQL

SQL functions called through the Data API (\`/rest/v1/rpc/…\`) answer errors in PostgREST's format,
\`{"code","message","details","hint"}\`, with Postgres' own codes and these:

| code | meaning |
| --- | --- |
| \`42501\` | The role does not permit it. |
| \`23514\` | An invalid value; the message names the constraint. |
| \`GL300\` | The name is ambiguous: use an id. |
| \`GL403\` | The allowlist does not permit it. |
| \`GL404\` | Nothing has that name. |
| \`GL409\` | The name is taken, or somebody has changed it meanwhile: read it again. |
| \`GL422\` | An argument is missing or invalid; the message says which. |
| \`GL503\` | The caller's schema version (\`x-gatelink-schema\`) is too old for the database. |`;

/** The content of docs/errors.md. */
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
