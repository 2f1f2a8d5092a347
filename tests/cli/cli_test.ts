/**
 * The command line as people and programs meet it: how it explains itself, refuses wrong arguments, finds its stack
 * and prints. What its commands do is in cli_*_test.ts.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { join } from "node:path";
import { pathToFileURL as toFileUrl } from "node:url";
import { COMMANDS, NAMES } from "../../cli/entries.ts";
import { frontPage } from "../../cli/front_page.ts";
import { parse, program } from "../../cli/program.ts";
import { REFERENCE, reference } from "../../cli/reference.ts";
import { ROOT } from "../../lib/paths.ts";
import { compile } from "../../supabase/functions/_shared/routing/compile.ts";
import {
  CONDITION_TYPES,
  parseCondition,
} from "../../supabase/functions/_shared/contract/routing/condition.ts";
import {
  document,
  fails,
  file,
  folder,
  gatelink,
  NOBODY,
  service,
  stack,
  unique,
  words,
  written,
} from "../support/cli.ts";
import type { Run } from "../../cli/core/session.ts";
import { gatelinkProcess } from "../support/gatelink.ts";

Deno.test("docs/cli.md is what `deno run -A cli/reference.ts` writes from the commands' help", async () => {
  assertEquals(await Deno.readTextFile(REFERENCE), await reference());
});

Deno.test("gatelink --help: lists a command in the same way whether or not its module is loaded", async () => {
  const help = async (words: readonly string[]) =>
    (await program(() => Promise.resolve(), words)).helpInformation();
  assertEquals(await help([]), await help(NAMES));
});

interface Module {
  specifier: string;
  dependencies?: { isDynamic?: boolean; code?: { specifier: string }; npmPackage?: string }[];
}

/** Files and other modules that a module loads at once, without what it imports dynamically. */
async function loadedBy(...roots: string[]): Promise<{ files: string[]; others: string[] }> {
  const open = roots.map((root) => `${toFileUrl(join(ROOT, root))}`);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", join(ROOT, "cli", "main.ts")],
    cwd: ROOT,
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: Module[] };
  const graph = new Map(modules.map((module) => [module.specifier, module]));
  const files = new Set<string>(), others = new Set<string>();
  for (let specifier; (specifier = open.pop()) !== undefined;) {
    if (!specifier.startsWith("file:")) others.add(specifier.replace(/^npm:\/?|@[\d.]+$/g, ""));
    if (!specifier.startsWith("file:") || files.has(specifier)) continue;
    files.add(specifier);
    const module = graph.get(specifier);
    assert(module, `${specifier} is not a module of the command line`);
    for (const { code, isDynamic } of module.dependencies ?? []) {
      if (code && !isDynamic) open.push(code.specifier);
    }
  }
  return { files: [...files].sort(), others: [...others].sort() };
}

Deno.test("gatelink --help and status: load no package, no Node module and few modules of ours", async () => {
  // A command named elsewhere would be missing here.
  const plain = Object.entries(COMMANDS).filter(([, entry]) => "plain" in entry).map(([name]) => name);
  assertEquals(plain, ["status", "reconcile"]);
  const help = await loadedBy("cli/main.ts", "cli/front_page.ts");
  assertEquals(help.others, []);
  assert(help.files.length < 15, help.files.join("\n"));
  for (const name of plain) {
    const { files, others } = await loadedBy("cli/main.ts", `cli/commands/${name}.ts`);
    assertEquals(others, [], name);
    assert(files.length < 15, files.join("\n"));
  }
  // So that the test sees a package where one is loaded.
  assertEquals((await loadedBy("cli/program.ts")).others, ["commander"]);
});

Deno.test("gatelink --help: the page built without commander equals commander's page at every width", async () => {
  const run: Run = () => Promise.reject(new Error("a command ran"));
  for (let columns = 20; columns <= 160; columns++) {
    assertEquals(frontPage(columns), await parse(run, ["--help"], columns), `${columns} columns`);
  }
});

Deno.test("gatelink status: gives the same result with and without the argument parser", async () => {
  for (const [name, entry] of Object.entries(COMMANDS)) {
    if (!("plain" in entry)) continue;
    const works: unknown[] = [];
    const run: Run = (work) => Promise.resolve(void works.push(work));
    assertEquals(await parse(run, [name, "--json"], 80), undefined);
    assertEquals(works, [(await entry.plain()).work]);
  }
});

Deno.test("gatelink --version: prints the version of the file VERSION, as text and as JSON", async () => {
  const version = (await Deno.readTextFile(join(ROOT, "VERSION"))).trim();
  assertMatch(version, /^\d+\.\d+\.\d+$/);
  assertEquals((await gatelink("--version")).out, `${version}\n`);
  assertEquals(await document("--version"), { version });
});

Deno.test("gatelink --help: works for the program and for each command, as text and as JSON", async () => {
  for (const line of ["", "routes ", "routes add "]) {
    const text = await gatelink(`${line}--help`);
    assertEquals([text.code, text.err], [0, ""]);
    assertStringIncludes(text.out, `Usage: gatelink ${line}`);
    assertEquals(`${(await document(`${line}--help`)).help.trimEnd()}\n`, text.out);
  }
});

Deno.test("gatelink --help: each command has well-formed examples", async () => {
  const sections = (await reference()).split(/^## gatelink ?/m).slice(1);
  for (const section of sections) {
    const name = section.slice(0, section.indexOf("\n"));
    const examples = section.replaceAll(/\\\n\s*/g, "").matchAll(/^ {2}gatelink (.*)$/gm)
      .map(([, line]) =>
        line.replace(/ \|\| .*/, "").replace("$ORDERS_SECRET", `whsec_${btoa("x".repeat(32))}`)
      )
      .toArray();
    assert(examples.length > 0, `${name} has no example`);
    for (const example of examples) {
      let ran = 0;
      const args = words(example);
      const command = (await program(() => Promise.resolve(void ran++), args)).exitOverride();
      await command.configureOutput({ writeErr: () => {} }).parseAsync(args, { from: "user" });
      assertEquals(ran, 1, example);
    }
  }
});

Deno.test("gatelink routes add --help: shows one valid condition of each type", async () => {
  const conditions = [...(await reference()).matchAll(/^ {2}(\{"type".*\})(?: {2}|$)/gm)].map(([, json]) =>
    JSON.parse(json)
  );
  for (const condition of conditions) await compile(parseCondition(condition));
  assertEquals(conditions.map(({ type }) => type).toSorted(), CONDITION_TYPES.toSorted());
});

Deno.test("gatelink: wrong arguments are refused with exit code 2", async (t) => {
  const hook = "destinations add x https://a.example.com";
  const cases: [string, string, RegExp][] = [
    ["no command", "", /^A command is required/],
    ["a group without a command", "routes", /^A command is required/],
    ["an unknown command", "destinatons", /Did you mean destinations\?/],
    ["an unknown option", "status --frob", /unknown option '--frob'/i],
    ["a missing argument", "destinations add x", /missing required argument 'url'/i],
    ["a missing option", "allowlist add a.example.com", /required option '--for/i],
    ["one of few words", "allowlist add a.example.com --for fun", /Allowed choices are forward, redirect/],
    ["a public suffix", "allowlist add *.co.uk --for forward", /public suffix/],
    ["an address for a host", "allowlist add 10.0.0.1 --for forward", /address, not a host/],
    ["a time without unit", `${hook} --timeout 5`, /500ms, 15s/],
    ["a time too long", `${hook} --timeout 5m`, /100ms to 30s/],
    ["waits with a gap", `${hook} --retry 5s,,1m`, /500ms, 15s/],
    ["a rate of nothing", `${hook} --rate 0`, /above 0/],
    ["half a delivery", `${hook} --burst 1.5`, /whole number/],
    ["a name with capitals", "destinations add MyApp https://a.example.com", /lower-case/],
    ["a secret that is none", "destinations add x https://x.example/ --secret abc", /whsec_/],
    ["JSON that is none", "routes add --to x --when {type:any}", /not JSON/],
    ["a condition with a mistake", `routes add --to x --when '{"type":"text","mach":"exact"}'`, /mach/],
    [
      "a regular expression that is none",
      `routes add --to x --when '{"type":"text","match":"regex","value":"(?=a)"}'`,
      /values\[0\].*regular expression/,
    ],
    ["explain without a message", "routes explain", /a message's id, or --try/],
    ["explain with both", "routes explain wamid.1 --try {}", /a message's id, or --try/],
    ["a message with an unknown key", `routes explain --try '{"txt":"x"}'`, /txt/],
    ["replay of nothing", "replay", /files or folders, or --since/],
    ["replay of both", "replay a.json --since 2h", /files or folders, or --since/],
    ["replay of what is not there", "replay no/such/file.json", /cannot be read/],
    ["replay to no address", "replay x --to here", /address like https/],
    ["a moment that is none", "replay --since yesterday", /2026-11-21T14:00:00Z/],
    ["dead retry of nothing", "dead retry", /ids, or --all, or --destination/],
    ["dead retry of everything twice", "dead retry --all --destination x", /ids, or --all, or --destination/],
    ["an id that is none", "dead retry 7", /Use an id like/],
    ["dead drop without a reason", "dead drop --all", /required option '--reason/i],
  ];
  for (const [name, line, said] of cases) {
    await t.step(name, async () => {
      const { code, err, json } = await gatelink(`${line} --json`);
      assertEquals([code, err], [2, ""]);
      const { error } = json();
      assertEquals(error.code, "usage");
      assertMatch(error.message, said);
      assert(error.hint, "no hint");
    });
  }
  await t.step("as text, on stderr", async () => {
    const { code, out, err } = await gatelink("routes");
    assertEquals([code, out], [2, ""]);
    assertMatch(err, /^Error: A command is required\.\nUsage: gatelink routes[^]*explain/);
  });
});

Deno.test("gatelink finds its stack by GATELINK_STACK, then .gatelink/stack.json, then SUPABASE_URL and its key", async (t) => {
  const none = { GATELINK_STACK: "", SUPABASE_URL: "", SUPABASE_SECRET_KEY: "" };
  const empty = await Deno.makeTempDir({ dir: folder });
  const { url, secretKey, publishableKey } = stack;

  await t.step("by GATELINK_STACK", async () => {
    assertStringIncludes((await gatelink("status")).out, `${url} (from ${file})`);
  });
  await t.step("by .gatelink/stack.json of the folder", async () => {
    await written("here/.gatelink/stack.json", JSON.stringify({ url, secretKey }));
    const { code, out } = await gatelink("status", { cwd: join(folder, "here"), env: none });
    assertEquals(code, 0);
    assertStringIncludes(out, `${url} (from .gatelink/stack.json)`);
  });
  await t.step("by SUPABASE_URL and SUPABASE_SECRET_KEY", async () => {
    const env = { ...none, SUPABASE_URL: `${url}/`, SUPABASE_SECRET_KEY: secretKey };
    const { code, out } = await gatelink("status", { cwd: empty, env });
    assertEquals(code, 0);
    assertStringIncludes(out, `${url} (from SUPABASE_URL and SUPABASE_SECRET_KEY)`);
  });
  await t.step(
    "none: exit code 3",
    () => fails("status", 3, "stack_not_found", /deno task start/, { cwd: empty, env: none }),
  );
  const named = async (name: string, text: string) => ({
    env: { GATELINK_STACK: await written(name, text) },
  });
  await t.step(
    "a file that is not there: exit code 3",
    () =>
      fails("status", 3, "stack_not_found", /does not exist/, {
        env: { GATELINK_STACK: join(empty, "no.json") },
      }),
  );
  await t.step(
    "a file that is no JSON: exit code 3",
    async () => fails("status", 3, "stack_not_found", /not JSON/, await named("text.json", "url: x")),
  );
  await t.step(
    "a file without a key: exit code 3",
    async () =>
      fails(
        "status",
        3,
        "stack_not_found",
        /secretKey/,
        await named("keyless.json", JSON.stringify({ url })),
      ),
  );
  await t.step("one that does not answer: exit code 3", async () => {
    const away = { ...stack, url: NOBODY };
    const said = /does not answer: .*refused[^]*deno task start/i;
    await fails("status", 3, "stack_unreachable", said, await named("away.json", JSON.stringify(away)));
  });
  await t.step("another project's key: exit code 4", async () => {
    const wrong = JSON.stringify({ url, secretKey: "sb_secret_another" });
    await fails("status", 4, "unauthorized", /does not accept the key/, await named("wrong.json", wrong));
  });
  await t.step("a publishable key: exit code 4", async () => {
    const publishable = JSON.stringify({ url, secretKey: publishableKey });
    await fails(
      "destinations list",
      4,
      "unauthorized",
      /secret key/,
      await named("publishable.json", publishable),
    );
  });
});

Deno.test("gatelink as a process: exit codes, stdout, stderr and stdin", async () => {
  const env = { GATELINK_STACK: file };
  const [well, document, text, refused, piped] = await Promise.all([
    gatelinkProcess(["status"], { env }),
    gatelinkProcess(["status", "--json"], { env }),
    gatelinkProcess(["dead", "retry", "7"], { env }),
    gatelinkProcess(["status", "--json"], { env: { GATELINK_STACK: join(folder, "no.json") } }),
    gatelinkProcess(["links", "import", "-", "--dry-run", "--json"], {
      env,
      stdin: "url,code\nhttps://elsewhere.example.net/,a-code\n",
    }),
  ]);
  assertEquals([well.code, well.err], [0, ""]);
  assertStringIncludes(well.out, `${stack.url} (from ${file})`);
  assertEquals([document.code, document.err, document.json().stack], [0, "", stack.url]);
  assertEquals([text.code, text.out], [2, ""]);
  assertMatch(text.err, /^Error: .*Use an id like/);
  assertEquals([refused.code, refused.err, refused.json().error.code], [3, "", "stack_not_found"]);
  assertEquals([piped.code, piped.err, piped.json().rows], [1, "", 1]);
  assertEquals(piped.json().hosts_to_allow, ["elsewhere.example.net"]);
});

Deno.test("gatelink: uses colours on terminals only, and not with NO_COLOR", {
  // Util-linux's `script` runs a program on a terminal of its own.
  ignore: Deno.build.os !== "linux" || !await Deno.stat("/usr/bin/script").then(() => true, () => false),
}, async () => {
  const onTerminal = async (env: Record<string, string>) => {
    const { stdout } = await new Deno.Command("script", {
      args: ["-qec", `"${Deno.execPath()}" run -A cli/main.ts destinations list`, "/dev/null"],
      cwd: ROOT,
      env: { GATELINK_STACK: file, TERM: "xterm", ...env },
      stdin: "null",
    }).output();
    return new TextDecoder().decode(stdout);
  };
  await document(`destinations add ${unique("colour")} ${service}/x`);
  assertStringIncludes(await onTerminal({ NO_COLOR: "" }), "\x1b[32mactive");
  assert(!(await onTerminal({ NO_COLOR: "1" })).includes("\x1b"));
  assert(!(await gatelink("destinations list")).out.includes("\x1b"));
});
