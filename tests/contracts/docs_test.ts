/**
 * The documents hold: links lead somewhere, tasks, files and functions that they name exist, and blocks marked as
 * runnable run. A block is runnable when its fence says so: ```sh run (bash, `deno` and GATELINK_STACK set) or
 * ```sql run (on the stack's database, as the SQL editor would). They run in their order, on one seeded stack.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { dirname, join, normalize, relative } from "node:path";
import postgres from "postgres";
import { makeProject } from "../../cli/commands/drill/project.ts";
import { ROOT } from "../../lib/paths.ts";
import { startStack } from "../support/stack.ts";

interface Document {
  /** Relative to the root. */
  path: string;
  text: string;
}

async function documents(): Promise<Document[]> {
  const paths: string[] = [];
  const walk = async (folder: string) => {
    for await (const entry of Deno.readDir(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory) await walk(path);
      else if (entry.name.endsWith(".md")) paths.push(path);
    }
  };
  await walk(join(ROOT, "docs"));
  for await (const entry of Deno.readDir(ROOT)) {
    if (entry.name.endsWith(".md")) paths.push(join(ROOT, entry.name));
  }
  return await Promise.all(
    paths.sort().map(async (path) => ({ path: relative(ROOT, path), text: await Deno.readTextFile(path) })),
  );
}

const DOCUMENTS = await documents();

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(join(ROOT, path)).then(() => true, () => false);
}

/** Text outside of code. */
function prose(text: string): string {
  return text.replaceAll(/^( *)(`{3,}|~{3,}).*\n[\s\S]*?^\1\2.*$/gm, "").replaceAll(/`[^`\n]*`/g, "");
}

/** The anchors that GitHub makes of a document's headings. */
function anchors(text: string): Set<string> {
  const headings = [...text.replaceAll(/^ *```[\s\S]*?^ *```/gm, "").matchAll(/^#{1,6} +(.+)$/gm)];
  return new Set(
    headings.map(([, heading]) =>
      heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").trim().toLowerCase().replaceAll(
        /[^\p{L}\p{N} _-]/gu,
        "",
      )
        .replaceAll(" ", "-")
    ),
  );
}

Deno.test("documents: exist, and each begins with a title", () => {
  const paths = DOCUMENTS.map(({ path }) => path);
  for (const path of ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/deploy.md"]) {
    assert(paths.includes(path), path);
  }
  assertEquals(DOCUMENTS.filter(({ text }) => !/^# \S/.test(text)).map(({ path }) => path), []);
});

Deno.test("documents: every relative link points to an existing file and heading", async () => {
  const broken: string[] = [];
  for (const { path, text } of DOCUMENTS) {
    for (const [, target] of prose(text).matchAll(/\]\(([^)\s]+)(?: "[^"]*")?\)/g)) {
      if (/^[a-z][a-z0-9+.-]*:/i.test(target)) continue;
      const [file, anchor] = target.split("#");
      const to = file === "" ? path : normalize(join(dirname(path), file));
      if (!await exists(to)) broken.push(`${path}: ${target}`);
      else if (anchor && !anchors(await Deno.readTextFile(join(ROOT, to))).has(anchor)) {
        broken.push(`${path}: ${target}`);
      }
    }
  }
  assertEquals(broken, []);
});

Deno.test("documents: every task they mention is in deno.json", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const unknown = DOCUMENTS.flatMap(({ path, text }) =>
    [...text.matchAll(/\bdeno(?:@[\d.]+)?\s+task\s+([a-z][\w:-]*)/g)]
      .filter(([, task]) => !(task in tasks)).map(([, task]) => `${path}: deno task ${task}`)
  );
  assertEquals(unknown, []);
});

Deno.test("documents: every file and folder they mention exists", async () => {
  const missing: string[] = [];
  for (const { path, text } of DOCUMENTS) {
    const names = text.matchAll(
      /(?<![\w/.@-])((?:supabase|docs|local|cli|tests|tools|\.ci)\/[\w.\/-]*\w\/?)(?![\w<*{$…-])/g,
    );
    for (const [, name] of names) {
      // A pattern for a name, such as x_test.ts or YYYYMMDDHHMMSS_subject.sql, names no file.
      if (!/YYYY|<|x_test|\.\.\./.test(name) && !await exists(name)) missing.push(`${path}: ${name}`);
    }
  }
  assertEquals(missing, []);
});

Deno.test("documents: every function whose URL they give is deployed", async () => {
  const config = await Deno.readTextFile(join(ROOT, "supabase", "config.toml"));
  const unknown = DOCUMENTS.flatMap(({ path, text }) =>
    [...text.matchAll(/\/functions\/v1\/([a-z][a-z-]*)/g)]
      .filter(([, name]) => !config.includes(`[functions.${name}]`)).map(([, name]) => `${path}: ${name}`)
  );
  assertEquals(unknown, []);
});

Deno.test("documents: the functions read every secret that docs/deploy.md sets", async () => {
  const deploy = DOCUMENTS.find(({ path }) => path === "docs/deploy.md")!.text;
  const env = await Deno.readTextFile(join(ROOT, "supabase/functions/_shared/config/env.ts"));
  const rows = [...deploy.matchAll(/^\| (`[A-Z_`, ]+`) \|/gm)].flatMap(([, cell]) =>
    cell.match(/[A-Z_]+/g) ?? []
  );
  assert(rows.includes("WHATSAPP_APP_SECRET"), rows.join());
  const unknown = rows.filter((name) =>
    !name.endsWith("_ENABLED") && !new RegExp(`^  ${name}: `, "m").test(env)
  );
  assertEquals(unknown, []);
});

interface Block {
  document: string;
  language: string;
  code: string;
}

const RUNNABLE: Block[] = DOCUMENTS.flatMap(({ path, text }) =>
  [...text.matchAll(/^( *)```(sh|sql) run\n([\s\S]*?)^\1```$/gm)]
    .map(([, indent, language, code]) => ({
      document: path,
      language,
      code: code.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
    }))
);

Deno.test("documents: every sample marked as runnable runs", async (t) => {
  assert(RUNNABLE.length > 0, "no block is marked");
  // What the runbooks deploy and set is this project's, not the checkout's.
  const project = await makeProject();
  const stack = await startStack({ functions: project.functions, env: { DATABASE_URL: "" } });
  const bin = await Deno.makeTempDir({ prefix: "gatelink-docs-" });
  await Deno.writeTextFile(join(bin, "deno"), `#!/bin/sh\nexec "${Deno.execPath()}" "$@"\n`, { mode: 0o755 });
  const sql = postgres(stack.stack.dbUrl, { max: 1, onnotice: () => {} });
  try {
    for (const { document, language, code } of RUNNABLE) {
      await t.step(`${document}: ${code.split("\n")[0]}`, async () => {
        if (language === "sql") return void await sql.unsafe(code);
        const { success, stdout, stderr } = await new Deno.Command("bash", {
          args: ["-euo", "pipefail", "-c", code],
          cwd: ROOT,
          env: {
            PATH: `${bin}:${Deno.env.get("PATH")}`,
            GATELINK_STACK: join(stack.dir, "stack.json"),
            SUPABASE_DB_URL: stack.stack.dbUrl,
            NO_COLOR: "1",
          },
          stdin: "null",
        }).output();
        const decoder = new TextDecoder();
        assert(success, `${code}\n${decoder.decode(stdout)}${decoder.decode(stderr)}`);
      });
    }
  } finally {
    await sql.end();
    await Deno.remove(bin, { recursive: true });
    await stack.stop();
    await project.remove();
  }
});
