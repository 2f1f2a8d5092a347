/**
 * The command line as people and programs meet it: how it explains itself, refuses wrong arguments, finds its stack
 * and prints. What its commands do is in cli_*_test.ts.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Command } from "commander";
import { join } from "node:path";
import { program } from "../cli/program.ts";
import { REFERENCE, reference } from "../cli/reference.ts";
import { ROOT } from "../local/paths.ts";
import { compile } from "../supabase/functions/_shared/routing/compile.ts";
import { parseCondition } from "../supabase/functions/_shared/routing/condition.ts";
import { document, fails, file, folder, gatelink, service, stack, unique, written } from "./support/cli.ts";

/** All commands that do something, with the words that call them. */
function leaves(
  command: Command = program(() => Promise.resolve()),
  path: string[] = [],
): [string[], Command][] {
  if (command.commands.length === 0) return [[path, command]];
  return command.commands.flatMap((inner) => leaves(inner, [...path, inner.name()]));
}

/** The examples in a command's help, as arguments. */
function examples(help: string): string[][] {
  return help.replaceAll(/\\\n\s*/g, "").split("\n").filter((line) => /^ {2}gatelink /.test(line)).map(
    (line) => {
      const words = [...line.split(" || ")[0].matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)];
      return words.slice(1).map(([, single, double, bare]) =>
        (single ?? double ?? bare)
          .replace("$ORDERS_SECRET", `whsec_${btoa("x".repeat(32))}`)
      );
    },
  );
}

Deno.test("gatelink: each command explains itself, with examples that are well-formed", async (t) => {
  for (const [path] of leaves()) {
    await t.step(path.join(" "), async () => {
      const { code, out, err } = await gatelink([...path, "--help"]);
      assertEquals([code, err], [0, ""]);
      assertStringIncludes(out, `Usage: gatelink ${path.join(" ")}`);
      const calls = examples(out);
      assert(calls.length > 0, "no example");
      for (const args of calls) {
        let ran = 0;
        const gatelink = program(() => Promise.resolve(void ran++));
        await gatelink.exitOverride().configureOutput({ writeErr: () => {} }).parseAsync(args, {
          from: "user",
        });
        assertEquals(ran, 1, args.join(" "));
      }
    });
  }
});

Deno.test("gatelink routes add --help: its conditions are conditions", async () => {
  const { out } = await gatelink(["routes", "add", "--help"]);
  const conditions = [...out.matchAll(/^ {2}(\{"type".*\})(?: {2}|$)/gm)].map(([, json]) => JSON.parse(json));
  for (const condition of conditions) await compile(parseCondition(condition));
  assertEquals(conditions.length, 11);
});

Deno.test("docs/cli.md is what the commands say of themselves (deno run -A cli/reference.ts writes it)", async () => {
  assertEquals(await Deno.readTextFile(REFERENCE), reference());
});

Deno.test("gatelink: wrong arguments are refused with exit code 2", async (t) => {
  const cases: [string, string[], RegExp][] = [
    ["no command", [], /A command is missing[^]*allowlist/],
    ["a group without a command", ["routes"], /A command is missing[^]*explain/],
    ["an unknown command", ["destinatons"], /Did you mean destinations\?/],
    ["an unknown option", ["status", "--frob"], /unknown option '--frob'/i],
    ["a missing argument", ["destinations", "add", "x"], /missing required argument 'url'/i],
    ["a missing option", ["allowlist", "add", "a.example.com"], /required option '--for/i],
    [
      "one of few words",
      ["allowlist", "add", "a.example.com", "--for", "fun"],
      /Allowed choices are forward, redirect/,
    ],
    [
      "a time without unit",
      ["destinations", "add", "x", "https://a.example.com", "--timeout", "5"],
      /500ms, 15s/,
    ],
    [
      "a time too long",
      ["destinations", "add", "x", "https://a.example.com", "--timeout", "5m"],
      /100ms to 30s/,
    ],
    ["a name with capitals", ["destinations", "add", "My App", "https://a.example.com"], /lower-case/],
    ["a secret that is none", ["destinations", "test", "x", "--secret", "abc"], /whsec_/],
    ["JSON that is none", ["routes", "add", "--to", "x", "--when", "{type:any}"], /not JSON/],
    [
      "a condition with a mistake",
      ["routes", "add", "--to", "x", "--when", '{"type":"text","mach":"exact"}'],
      /mach/,
    ],
    ["a regular expression that is none", [
      "routes",
      "add",
      "--to",
      "x",
      "--when",
      '{"type":"text","match":"regex","value":"(?=a)"}',
    ], /values\[0\].*regular expression/],
    ["explain without a message", ["routes", "explain"], /Give a message's id, or --try/],
    ["explain with both", ["routes", "explain", "wamid.1", "--try", "{}"], /Give a message's id, or --try/],
    ["a message with an unknown key", ["routes", "explain", "--try", '{"txt":"x"}'], /txt/],
    ["replay of nothing", ["replay"], /files or folders, or --since/],
    ["replay of what is not there", ["replay", "no/such/file.json"], /cannot be read/],
    ["replay to no address", ["replay", "x", "--to", "here"], /address like https/],
    ["a time that is none", ["replay", "--since", "yesterday"], /2026-11-21T14:00:00Z/],
    ["dead retry of nothing", ["dead", "retry"], /ids, or --all, or --destination/],
    [
      "dead retry of everything twice",
      ["dead", "retry", "--all", "--destination", "x"],
      /ids, or --all, or --destination/,
    ],
    ["an id that is none", ["dead", "retry", "7"], /It is an id like/],
    ["dead drop without a reason", ["dead", "drop", "--all"], /required option '--reason/i],
    [
      "a host that anybody's hosts are under",
      ["allowlist", "add", "*.co.uk", "--for", "forward"],
      /public suffix/,
    ],
    [
      "a host that is an address",
      ["allowlist", "add", "10.0.0.1", "--for", "forward"],
      /address, not a host/,
    ],
  ];
  for (const [name, args, said] of cases) {
    await t.step(name, () => fails(args, 2, "usage", said));
  }
});

Deno.test("gatelink finds its stack: GATELINK_STACK, else .gatelink/stack.json, else SUPABASE_URL and its key", async (t) => {
  const none = { GATELINK_STACK: "", SUPABASE_URL: "", SUPABASE_SECRET_KEY: "" };
  const empty = await Deno.makeTempDir({ dir: folder });
  const minimal = JSON.stringify({ url: stack.url, secretKey: stack.secretKey });
  await t.step("by GATELINK_STACK", async () => {
    assertStringIncludes((await gatelink(["status"])).out, `${stack.url} (from ${file})`);
  });
  await t.step("by .gatelink/stack.json of the folder", async () => {
    const cwd = await Deno.makeTempDir({ dir: folder });
    await Deno.mkdir(join(cwd, ".gatelink"));
    await Deno.writeTextFile(join(cwd, ".gatelink", "stack.json"), minimal);
    const { code, out } = await gatelink(["status"], { cwd, env: none });
    assertEquals(code, 0);
    assertStringIncludes(out, `${stack.url} (from .gatelink/stack.json)`);
  });
  await t.step("by SUPABASE_URL and SUPABASE_SECRET_KEY", async () => {
    const env = { ...none, SUPABASE_URL: `${stack.url}/`, SUPABASE_SECRET_KEY: stack.secretKey };
    const { code, out } = await gatelink(["status"], { cwd: empty, env });
    assertEquals(code, 0);
    assertStringIncludes(out, `${stack.url} (from SUPABASE_URL and SUPABASE_SECRET_KEY)`);
  });
  await t.step(
    "none: exit code 3",
    () => fails(["status"], 3, "stack_not_found", /deno task start/, { cwd: empty, env: none }),
  );
  await t.step(
    "a file that is not there: exit code 3",
    () =>
      fails(["status"], 3, "stack_not_found", /no such file/, {
        env: { GATELINK_STACK: join(empty, "no.json") },
      }),
  );
  await t.step("a file without a key: exit code 3", async () => {
    const path = await written("keyless.json", `{"url": "${stack.url}"}`);
    await fails(["status"], 3, "stack_not_found", /secretKey/, { env: { GATELINK_STACK: path } });
  });
  await t.step("one that does not answer: exit code 3", async () => {
    const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const { port } = listener.addr;
    listener.close();
    const path = await written("away.json", JSON.stringify({ ...stack, url: `http://127.0.0.1:${port}` }));
    await fails(["status"], 3, "stack_unreachable", /does not answer[^]*deno task start/, {
      env: { GATELINK_STACK: path },
    });
  });
  await t.step("another project's key: exit code 4", async () => {
    const path = await written("wrong.json", JSON.stringify({ ...stack, secretKey: "sb_secret_another" }));
    await fails(["status"], 4, "unauthorized", /does not accept the key/, { env: { GATELINK_STACK: path } });
  });
  await t.step("a publishable key: exit code 4", async () => {
    const path = await written(
      "publishable.json",
      JSON.stringify({ ...stack, secretKey: stack.publishableKey }),
    );
    await fails(["destinations", "list"], 4, "unauthorized", /secret key/, { env: { GATELINK_STACK: path } });
  });
});

Deno.test("gatelink: colours are for terminals, and not with NO_COLOR", {
  ignore: Deno.build.os !== "linux" || !await Deno.stat("/usr/bin/script").then(() => true, () => false),
}, async () => {
  const onTerminal = async (env: Record<string, string>) => {
    const command = `"${Deno.execPath()}" run -A cli/main.ts destinations list`;
    const { stdout } = await new Deno.Command("script", {
      args: ["-qec", command, "/dev/null"],
      cwd: ROOT,
      env: { GATELINK_STACK: file, TERM: "xterm", ...env },
      stdin: "null",
    }).output();
    return new TextDecoder().decode(stdout);
  };
  await document("destinations", "add", unique("colour"), `${service}/x`);
  assertStringIncludes(await onTerminal({ NO_COLOR: "" }), "\x1b[32mactive");
  assert(!(await onTerminal({ NO_COLOR: "1" })).includes("\x1b"));
  assert(!(await gatelink(["destinations", "list"])).out.includes("\x1b"));
});
