/**
 * The package of the command line, as somebody without a checkout has it: installed by npm in an empty folder, run by Node
 * and by Deno, on a stack.
 */
import { join } from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { pack } from "../../tools/release/pack.ts";
import { run } from "../../lib/programs.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { document, file, folder, stack } from "../support/cli.ts";
import { hasProgram } from "../support/program.ts";

const hasNode = await hasProgram("node", "the package of the command line under Node") &&
  await hasProgram("npm", "the installed package of the command line");

/** Where npm has put it. */
const installed = join(folder, "empty", "node_modules", "gatelink");
const program = join(installed, "bin", "gatelink.js");

const RUNTIMES: Readonly<Record<string, string[]>> = {
  Node: ["node", program],
  Deno: [Deno.execPath(), "run", "-A", "--quiet", program],
};

/** Runs it in a folder without a stack. */
async function gatelink(runtime: string, words: string[], env: Record<string, string> = {}) {
  const [command, ...args] = RUNTIMES[runtime];
  return await run(command, [...args, ...words], {
    cwd: join(folder, "empty"),
    env: { PATH: Deno.env.get("PATH")!, HOME: folder, NO_COLOR: "1", ...env },
    clearEnv: true,
  });
}

Deno.test("the package: behaves under Node and Deno like the checkout", { ignore: !hasNode }, async (t) => {
  const tarball = await pack("0.1.0", folder);
  await Deno.mkdir(join(folder, "empty"));
  const { code, stderr } = await run("npm", ["install", "--silent", "--no-audit", tarball], {
    cwd: join(folder, "empty"),
  });
  assertEquals(code, 0, stderr);
  // Of what a table holds, so that it is read and not only counted.
  const flags = await document("flags list");
  assert(flags.length > 0);
  const stacks: [name: string, env: Record<string, string>][] = [
    ["GATELINK_STACK", { GATELINK_STACK: file }],
    ["SUPABASE_URL", { SUPABASE_URL: stack.url, SUPABASE_SECRET_KEY: stack.secretKey }],
  ];
  for (const runtime of Object.keys(RUNTIMES)) {
    const json = async (words: string[], env: Record<string, string> = {}) => {
      const ran = await gatelink(runtime, [...words, "--json"], env);
      assertEquals([ran.code, ran.stderr], [0, ""], ran.stdout);
      return JSON.parse(ran.stdout);
    };
    await t.step(`${runtime}: its version and its help, without a stack`, async () => {
      assertEquals(await json(["--version"]), await document("--version"));
      assertEquals(
        (await json(["routes", "add", "--help"])).help,
        (await document("routes add --help")).help,
      );
    });
    for (const [name, env] of stacks) {
      await t.step(`${runtime}: what there is on a stack, by ${name}`, async () => {
        assertEquals(await json(["flags", "list"], env), flags);
        const [here, there] = [await document("status"), await json(["status"], env)];
        assertEquals({ ...there, counters: [] }, { ...here, counters: [] });
      });
    }
    await t.step(`${runtime}: reads files and standard input, checks conditions and hosts`, async () => {
      const csv = join(folder, "links.csv");
      await Deno.writeTextFile(csv, "url,code\nhttps://elsewhere.example.net/,a-code\n");
      const ran = await gatelink(runtime, ["links", "import", csv, "--dry-run", "--json"], stacks[0][1]);
      assertEquals([ran.code, JSON.parse(ran.stdout).hosts_to_allow], [1, ["elsewhere.example.net"]]);
      const suffix = ["allowlist", "add", "*.co.uk", "--for", "forward"];
      assertStringIncludes((await gatelink(runtime, suffix)).stderr, "public suffix");
      const look = [
        "routes",
        "add",
        "--to",
        "x",
        "--when",
        '{"type":"text","match":"regex","value":"(?=a)"}',
      ];
      assertStringIncludes((await gatelink(runtime, look)).stderr, "regular expression");
    });
    await t.step(
      `${runtime}: an address where nobody answers is told in the words of the system`,
      async () => {
        const env = { SUPABASE_URL: "http://127.0.0.1:2", SUPABASE_SECRET_KEY: "sb_secret_x" };
        const { code, stderr } = await gatelink(runtime, ["status"], env);
        assertEquals(code, 3);
        assertMatch(stderr, /does not answer: .*refused/i);
      },
    );
    const needing = [
      ["drill"],
      ["rollback", "1", "deeplinks", "--why", "x"],
      ["rollback", "2", "--why", "x"],
      ["rollback", "3", "HEAD~1", "--why", "x"],
      ["rollback", "4", "--steps", "1", "--why", "x"],
      ["gates", "check"],
      ["rollout", "start", "deeplinks"],
      ["flags", "stale"],
      ["traffic", "deploy"],
      ["setup", "--dry-run"],
      ["upgrade", "--dry-run"],
    ];
    for (const words of needing) {
      await t.step(
        `${runtime}: gatelink ${words.slice(0, 2).join(" ")} says that it needs a checkout`,
        async () => {
          const { code, stderr } = await gatelink(runtime, words, stacks[0][1]);
          assertEquals(code, 2);
          assertStringIncludes(stderr, "needs a checkout of Gatelink");
        },
      );
    }
  }
  await t.step("it holds the licences of what is in it, and nothing that only Deno has", async () => {
    const licences = await Deno.readTextFile(join(installed, "LICENSES.md"));
    for (const name of ["commander", "@supabase/postgrest-js", "zod", "csv-stringify"]) {
      assertStringIncludes(licences, `## ${name} - `);
    }
    for await (const { name } of Deno.readDir(join(installed, "dist"))) {
      const code = await Deno.readTextFile(join(installed, "dist", name));
      assertEquals(code.match(/^(?! *(?:\*|\/\/)).*\bDeno\.[a-z].*$/m)?.[0], undefined, name);
    }
  });
});

Deno.test("deno task release: cuts the changelog and packs, on a clean tree", async (t) => {
  // The files of this checkout, with a history of their own.
  const checkout = join(folder, "checkout");
  const git = async (...args: string[]) => {
    const identity = ["-c", "user.name=release", "-c", "user.email=release@example.com"];
    const { code, stdout, stderr } = await run("git", ["-C", checkout, ...identity, ...args]);
    assertEquals(code, 0, stderr);
    return stdout;
  };
  const files = await run("git", ["-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"]);
  for (const path of files.stdout.trim().split("\n")) {
    await Deno.mkdir(join(checkout, path, ".."), { recursive: true });
    await Deno.copyFile(join(ROOT, path), join(checkout, path));
  }
  await git("init", "--quiet");
  await Deno.symlink(join(ROOT, "node_modules"), join(checkout, "node_modules"));
  await Deno.writeTextFile(join(checkout, ".git", "info", "exclude"), "node_modules\n");
  await git("add", "--all");
  await git("commit", "--quiet", "--message", "As it is");
  const release = (...args: string[]) =>
    run(Deno.execPath(), ["task", "--quiet", "release", ...args], { cwd: checkout });
  const read = (path: string) => Deno.readTextFile(join(checkout, path));

  await t.step("refuses while a file has changed", async () => {
    await Deno.writeTextFile(join(checkout, "README.md"), "changed\n");
    const { code, stderr } = await release("9.8.7");
    assertEquals(code, 1);
    assertStringIncludes(stderr, "README.md");
    await git("checkout", "--quiet", "README.md");
  });
  const packs = async () => {
    const { code, stdout, stderr } = await release("9.8.7");
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "git tag v9.8.7");
    assertEquals(await read("VERSION"), "9.8.7\n");
    assertMatch(await read("CHANGELOG.md"), /^## \[Unreleased\]\n\n## \[9\.8\.7\] - \d{4}-\d\d-\d\d\n/m);
    assertEquals((await git("status", "--porcelain")).trim().split(/\s+M? ?/), [
      "M",
      "CHANGELOG.md",
      "VERSION",
    ]);
    assert((await Deno.stat(join(checkout, "release", "gatelink-9.8.7.tgz"))).isFile);
    assertStringIncludes((await release("--notes")).stdout, "### Added");
  };
  await t.step({ name: "packs, and says the version and the day", ignore: !hasNode, fn: packs });
  await t.step("refuses a version that was released", async () => {
    await git("commit", "--quiet", "--all", "--message", "Release 9.8.7");
    const { code, stderr } = await release();
    assertEquals(code, 1);
    assertStringIncludes(stderr, "9.8.7 is already released");
  });
});
