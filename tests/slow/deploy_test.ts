/** The deploy check finds what would break a deployment: each fault in a project of its own, the real CLI runs. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "../support/assert.ts";
import { dirname, join } from "node:path";
import { hostedDeno } from "../../lib/programs.ts";
import { hostedTypes } from "../../tools/check.ts";
import type { Finding } from "../../tools/report.ts";
import { checkUploads } from "../../tools/deploy/check.ts";
import { ask, PROBES, type Project } from "../../tools/deploy/probe.ts";
import { start } from "../../tools/deploy/process.ts";
import { complaints, MAX_UPLOAD_BYTES, upload } from "../../tools/deploy/upload.ts";

const HELLO = `export default { fetch: (_: Request) => new Response("hello") };\n`;

/** Makes a project with these functions (index.ts by name), each with an entry in config.toml unless left out. */
async function withProject(
  functions: Record<string, string>,
  use: (dir: string) => Promise<void>,
  options: { verifyJwt?: string[]; noEntry?: string[]; config?: string; more?: Record<string, string> } = {},
) {
  const dir = await Deno.makeTempDir({ prefix: "gatelink-project-" });
  const files: Record<string, string> = {
    "deno.json": `{"imports": {"zod": "npm:zod@4.6.7"}}`,
    "supabase/config.toml": `project_id = "test"\n${options.config ?? ""}` +
      Object.keys(functions).filter((name) => !options.noEntry?.includes(name)).map((name) =>
        `[functions.${name}]\nverify_jwt = ${options.verifyJwt?.includes(name) ?? false}\n` +
        `import_map = "../deno.json"\nentrypoint = "./functions/${name}/index.ts"\n`
      ).join(""),
    ...options.more,
  };
  for (const [name, source] of Object.entries(functions)) {
    files[`supabase/functions/${name}/index.ts`] = source;
  }
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(dir, path)), { recursive: true });
      await Deno.writeTextFile(join(dir, path), text);
    }
    await use(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const PROJECT: Project = {
  url: "http://127.0.0.1:1",
  dbUrl: "postgresql://127.0.0.1:1/none",
  publishableKey: "publishable-key-of-the-test",
  secretKey: "secret-key-of-the-test",
  whatsapp: { appSecret: "app-secret", verifyToken: "verify-token", phoneNumberId: "1" },
};

Deno.test("upload(): a valid project has no problems and uploads only what its functions import", async () => {
  await withProject({
    one: `import { z } from "zod";\nimport { hi } from "../_shared/hi.ts";\n` +
      `export default { fetch: (_: Request) => new Response(z.string().parse(hi)) };\n`,
    two: HELLO,
  }, async (dir) => {
    const { uploads, problems } = await upload(dir);
    assertEquals(problems, []);
    assertEquals(uploads.map(({ slug, files }) => [slug, [...files.keys()].sort()]), [
      ["one", ["deno.json", "supabase/functions/_shared/hi.ts", "supabase/functions/one/index.ts"]],
      ["two", ["deno.json", "supabase/functions/two/index.ts"]],
    ]);
    assertEquals(uploads[0].metadata.verify_jwt, false);
  }, {
    more: {
      "supabase/functions/_shared/hi.ts": `export const hi = "hi";\n`,
      "supabase/functions/_shared/unused.ts": `export const unused = 1;\n`,
    },
  });
});

Deno.test("upload(): names each fault, including those with which the CLI exits with 0", async () => {
  const functions = {
    broken: `import { gone } from "./gone.ts";\nexport default { fetch: gone };\n`,
    closed: HELLO,
    forgotten: HELLO,
    heavy:
      `import { ballast } from "./ballast.ts";\nexport default { fetch: () => new Response(ballast) };\n`,
    sound: HELLO,
    tested: `import "./index_test.ts";\n${HELLO}`,
  };
  await withProject(functions, async (dir) => {
    const { problems } = await upload(dir);
    const expected: [string, RegExp][] = [
      ["broken", /WARN: failed to read file: open supabase\/functions\/broken\/gone\.ts/],
      ["closed", /closed: verify_jwt is not false/],
      ["config", /WARN: .*api\.no_such_key/],
      ["forgotten", /forgotten: no \[functions\.forgotten\]/],
      ["forgotten", /forgotten: verify_jwt is not false/],
      ["forgotten", /forgotten: import_map is not/],
      ["heavy", /heavy: uploads \d+ bytes, more than \d+/],
      ["tested", /tested: uploads .*index_test\.ts, which no function needs/],
    ];
    for (const [, pattern] of expected) {
      assert(problems.some((problem) => pattern.test(problem)), `${pattern}`);
    }
    assertEquals(problems.length, expected.length, problems.join("\n"));
  }, {
    verifyJwt: ["closed"],
    noEntry: ["forgotten"],
    config: "[api]\nno_such_key = 1\n",
    more: {
      "supabase/functions/heavy/ballast.ts": `export const ballast = "${"x".repeat(MAX_UPLOAD_BYTES)}";\n`,
      "supabase/functions/tested/index_test.ts": `export const test = 1;\n`,
    },
  });
});

Deno.test("upload(): names an entry without its function", async () => {
  await withProject({ sound: HELLO }, async (dir) => {
    const { problems } = await upload(dir);
    assert(
      problems.some((problem) => /^missing: in supabase\/config\.toml, but/.test(problem)),
      problems.join("\n"),
    );
  }, { config: `[functions.missing]\nverify_jwt = false\nimport_map = "../deno.json"\n` });
});

Deno.test("complaints(): returns the CLI's warnings and errors, and nothing else", () => {
  const output =
    "Target: project x\nWARN: failed to read file: open a.ts\nUploading asset (warner): warn.ts\n error: no\n";
  assertEquals(complaints(output), ["WARN: failed to read file: open a.ts", "error: no"]);
});

const FAULTY = {
  modern: `export default { fetch: (_: Request) => new Response(RegExp.escape("a.b")) };\n`,
  sound: HELLO,
  unmapped: `import { pad } from "no-such-entry";\nexport default { fetch: () => new Response(pad) };\n`,
};

Deno.test("checkUploads(): names what the import map lacks, and does not start that function", async () => {
  await withProject(FAULTY, async (dir) => {
    const findings: Finding[] = [];
    const startable = await checkUploads(
      dir,
      join(dir, "uploads"),
      await hostedDeno(),
      (finding) => findings.push(finding),
    );
    assertEquals(startable.map(({ slug }) => slug), ["modern", "sound"]);
    const failed = findings.filter(({ ok }) => !ok);
    assertEquals(failed.map(({ what }) => what), ["unmapped: all its imports exist under deno 2.1.4"]);
    assertStringIncludes(failed[0].detail!, "no-such-entry");
  });
});

Deno.test("hostedTypes(): newer Deno APIs and specifiers missing from the import map do not type-check", async () => {
  await withProject(FAULTY, async (dir) => {
    const types = (name: keyof typeof FAULTY) => hostedTypes(dir, [`supabase/functions/${name}/index.ts`]);
    assertEquals((await types("sound")).ok, true);
    for (const [name, pattern] of [["modern", /escape/], ["unmapped", /no-such-entry/]] as const) {
      const { ok, detail } = await types(name);
      assertEquals(ok, false);
      assertMatch(detail!, pattern);
    }
  });
});

Deno.test("start(): a function gets the hosted environment and permissions, and nothing of ours", async () => {
  const probe = `
    export default {
      fetch: (request: Request) => {
        let run = "allowed";
        try {
          new Deno.Command("/bin/sh").outputSync();
        } catch (error) {
          run = (error as Error).name;
        }
        return Response.json({
          path: new URL(request.url).pathname,
          names: Object.keys(Deno.env.toObject()).filter((name) => /^(SUPABASE|WHATSAPP|GATELINK)_/.test(name)).sort(),
          run,
          version: Deno.version.deno,
        });
      },
    };`;
  Deno.env.set("GATELINK_SECRET_OF_THE_DEVELOPER", "1");
  await withProject({ curious: probe }, async (dir) => {
    const hosted = await hostedDeno();
    const [unpacked] = await checkUploads(dir, join(dir, "uploads"), hosted, () => {});
    const running = await start(unpacked, hosted.path, PROJECT);
    try {
      const response = await fetch(`${running.origin}/curious`);
      assertEquals(await response.json(), {
        path: "/curious",
        names: [
          "SUPABASE_ANON_KEY",
          "SUPABASE_DB_URL",
          "SUPABASE_JWKS",
          "SUPABASE_PUBLISHABLE_KEYS",
          "SUPABASE_SECRET_KEYS",
          "SUPABASE_SERVICE_ROLE_KEY",
          "SUPABASE_URL",
          "WHATSAPP_ACCESS_TOKEN",
          "WHATSAPP_APP_SECRET",
          "WHATSAPP_VERIFY_TOKEN",
        ],
        run: "NotCapable",
        version: "2.1.4",
      });
    } finally {
      await running.stop();
    }
  });
  Deno.env.delete("GATELINK_SECRET_OF_THE_DEVELOPER");
});

Deno.test("start(): reports a function that throws while loading or exports no fetch, with its output", async () => {
  await withProject({
    empty: "export const nothing = 1;\n",
    throws: `throw new Error("no configuration");\n`,
  }, async (dir) => {
    const hosted = await hostedDeno();
    const [empty, throws] = await checkUploads(dir, join(dir, "uploads"), hosted, () => {});
    await assertRejects(
      () => start(empty, hosted.path, PROJECT),
      Error,
      "must have `export default { fetch }`",
    );
    await assertRejects(() => start(throws, hosted.path, PROJECT), Error, "no configuration");
  });
});

Deno.test("ask(): says which part of an answer is unexpected", async () => {
  const answers: [Response, RegExp | undefined][] = [
    [Response.json({ status: "ok" }), undefined],
    [Response.json({ status: "ok" }, { status: 503 }), /status is not 200: 503/],
    [new Response(`{"status":"ok"}`), /content-type is not application\/json/],
    [Response.json({ status: "degraded" }), /status is not "ok"/],
  ];
  let next = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => answers[next][0]);
  try {
    for (; next < answers.length; next++) {
      const wrong = await ask(PROBES.health[0], "health", `http://127.0.0.1:${server.addr.port}`, PROJECT);
      const expected = answers[next][1];
      if (expected) assertMatch(wrong ?? "", expected);
      else assertEquals(wrong, undefined);
    }
  } finally {
    await server.shutdown();
  }
});
