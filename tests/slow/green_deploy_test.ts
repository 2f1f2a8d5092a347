/** `gatelink traffic deploy`: the real Supabase CLI uploads a commit under green's slugs, beside what blue serves. */
import { assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { deployGreen, inGreen } from "../../cli/commands/traffic/deploy.ts";
import { join } from "../../lib/paths.ts";
import { ownProject } from "../support/own_project.ts";
import { until } from "../support/until.ts";

Deno.test("inGreen(): each function has the slug of green, and its entry point stays", () => {
  const config =
    `[functions.health]\nverify_jwt = false\nentrypoint = "./functions/health/index.ts"\n[functions."wa-send"]\n[api]\n`;
  assertEquals(
    inGreen(config),
    `[functions.health-green]\nverify_jwt = false\nentrypoint = "./functions/health/index.ts"\n[functions.wa-send-green]\n[api]\n`,
  );
});

Deno.test("gatelink traffic deploy: green serves the commit, blue what it served before", async () => {
  const own = await ownProject();
  try {
    const path = "supabase/functions/health/plain.ts";
    const source = await Deno.readTextFile(join(own.project.folder, path));
    assertStringIncludes(source, "not used: Postgres is queue and cache");
    const commit = await own.project.commit(
      path,
      source.replace("not used: Postgres", "not used by B: Postgres"),
      "B",
    );
    // What is checked out, and what blue serves, is A.
    await Deno.writeTextFile(join(own.project.folder, path), source);
    const { document } = await deployGreen(own.session, { from: commit, repository: own.project.folder });
    const deployed = document as { environment: string; commit: string; functions: string[] };
    assertEquals([deployed.environment, deployed.commit], ["green", commit]);
    assertEquals(
      deployed.functions.includes("health-green") && deployed.functions.includes("wa-webhook-green"),
      true,
    );
    assertEquals(deployed.functions.includes("gateway-green"), false);

    const redis = async (at: string) => {
      const response = await fetch(`${own.stack.url}${at}`);
      const { environment, components } = await response.json();
      return `${environment}: ${components.redis.why}`;
    };
    await until("blue serves", () => redis("/health/detailed"));
    assertMatch(await redis("/functions/v1/health/plain/detailed"), /^blue: not used: /);
    assertMatch(await redis("/functions/v1/health-green/plain/detailed"), /^green: not used by B: /);
    // Nobody goes there yet, then everybody.
    assertMatch(await redis("/health/detailed"), /^blue: /);
    const split = await own.document(["traffic", "set", "green", "100", "--why", "a test"]);
    assertEquals([split.verified, split.green], [true, 100]);
    assertMatch(await redis("/health/detailed"), /^green: not used by B: /);
    const back = await own.document(["traffic", "back", "--why", "a test"]);
    assertEquals([back.verified, back.blue], [true, 100]);
  } finally {
    await own.stop();
  }
});
