/**
 * What may not leave the database stays out of the logs: a run of intake, routing and sending, its failures included,
 * at the lowest level; then every line that it printed is searched for what people are, say and keep secret.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { join } from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { templateUrl } from "../support/postgres.ts";
import { tracesOf } from "../support/planted.ts";
import { CLUSTER_VARIABLE } from "../support/cluster.ts";

/** The forms in which something may stand in a line. */
function forms(hidden: string): string[] {
  const isPhone = /^\d{10,}$/.test(hidden);
  return [
    hidden,
    JSON.stringify(hidden).slice(1, -1),
    encodeURIComponent(hidden),
    btoa(String.fromCharCode(...new TextEncoder().encode(hidden))).replace(/=+$/, "").slice(0, -1),
    // Of a number the last four digits may be shown, and no more.
    ...(isPhone ? [hidden.slice(-7), hidden.slice(-6)] : []),
  ].filter((form) => form.length > 4);
}

/** Whether what is hidden can be read in a line, also by whoever takes it for base64, hex or a mirror. */
function isIn(line: string, hidden: string): boolean {
  return forms(hidden).some((form) => line.includes(form)) ||
    hidden.length >= 8 && tracesOf({ hidden }, line).length > 0;
}

Deno.test("logs: a run at level debug logs no number, address, name, subject, text, token or secret", async () => {
  const file = await Deno.makeTempFile({ prefix: "gatelink-hidden-" });
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "tests", "support", "logged_run.ts"), file],
    cwd: ROOT,
    env: { LOG_LEVEL: "debug", NO_COLOR: "1", [CLUSTER_VARIABLE]: templateUrl },
    stdin: "null",
  }).output();
  const hidden: string[] = JSON.parse(await Deno.readTextFile(file) || "[]");
  await Deno.remove(file);
  const decoder = new TextDecoder();
  const lines = `${decoder.decode(stdout)}\n${decoder.decode(stderr)}`.split("\n").filter((line) =>
    line !== ""
  );
  assertEquals(code, 0, lines.slice(-30).join("\n"));

  const leaks = lines.flatMap((line) =>
    hidden.filter((value) => isIn(line, value)).map((value) => ({
      value,
      line,
    }))
  );
  assertEquals(leaks, []);

  // And it did print: what went wrong is all there.
  const messages = new Set(lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line).msg));
  for (
    const expected of [
      "refused signature_missing",
      "refused signature_invalid",
      "refused invalid_json",
      "refused payload_too_large",
      "refused verify_token_mismatch",
      "refused invalid_request",
      "refused unauthorized",
      "refused forbidden",
      "refused window_closed",
      "refused idempotency_conflict",
      "refused suppressed",
      "answered signature_invalid",
      "answered storage_unavailable",
      "answered disabled_by_environment",
      "answered database_unavailable",
      "answered config_invalid",
      "the handler failed",
      "a reply of a service cannot be sent",
      "a masked text was decided",
    ]
  ) assert(messages.has(expected), `${expected} is not among\n${[...messages].join("\n")}`);
});
