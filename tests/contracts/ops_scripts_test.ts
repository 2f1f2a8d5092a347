/** The scripts of ops/scripts, with a curl that writes down what it was given. */
import { assert, assertEquals } from "../support/assert.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { temporaryFolder } from "../support/stack.ts";

const SCRIPTS = join(ROOT, "ops", "scripts");
const SECRETS = {
  LB_ADMIN_TOKEN: "secret-of-the-balancer",
  PD_TOKEN: "secret-of-pagerduty",
  STATUS_TOKEN: "secret-of-statuspage",
  SLACK_WEBHOOK: "T000/B000/secret-of-slack",
};
const OTHERS = {
  PAGE_ID: "page",
  INCIDENT_ID: "P1",
  WAIT_SECONDS: "0",
  PROBE_SECONDS: "0",
  API_URL: "http://127.0.0.1:9",
};

/** Its arguments to one file, and what it reads from files of its caller's to another. */
const CURL = `#!/bin/bash
printf '%s\\n' "$*" >> "$SEEN/arguments"
for argument in "$@"; do
  case "$argument" in
    @/*) cat "\${argument#@}" >> "$SEEN/read" ;;
    /dev/fd/*) cat "$argument" >> "$SEEN/read" ;;
  esac
done
case "$*" in
  *http_code*) printf '\\n200' ;;
  *) printf '{"environment": "blue", "green": 100, "status": "healthy"}' ;;
esac
`;

for (
  const [script, ...args] of [
    ["emergency-rollback.sh"],
    ["gradual-rollback.sh"],
    ["manage-traffic.sh", "blue", "100"],
    ["rollback-traffic.sh"],
    ["validate-deployment.sh", "blue"],
  ]
) {
  Deno.test(`${script} hands curl its secrets where no list of processes shows them`, async () => {
    await using folder = await temporaryFolder();
    const curl = join(folder.path, "curl");
    await Deno.writeTextFile(curl, CURL, { mode: 0o755 });
    const { stdout, stderr } = await new Deno.Command("bash", {
      args: [join(SCRIPTS, script), ...args],
      env: { ...SECRETS, ...OTHERS, SEEN: folder.path, PATH: `${folder.path}:${Deno.env.get("PATH")}` },
    }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    const seen = await Deno.readTextFile(join(folder.path, "arguments"));
    const read = await Deno.readTextFile(join(folder.path, "read"));
    assertEquals(
      Object.values(SECRETS).filter((secret) => seen.includes(secret) || said.includes(secret)),
      [],
    );
    assert(read.includes(SECRETS.LB_ADMIN_TOKEN), read);
    if (script === "emergency-rollback.sh") {
      assertEquals(Object.values(SECRETS).filter((secret) => !read.includes(secret)), [], said);
    }
  });
}
