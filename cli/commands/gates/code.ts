/** Gates that examine the checkout. */
import { join } from "../../../lib/paths.ts";
import { leaks } from "../../../tools/leaks.ts";
import { ciState } from "./ci_state.ts";
import { flagPlaces } from "../../../lib/flag_places.ts";
import { entry, factGate, type Gate, none, open, passed } from "./gate.ts";
import { git } from "../../core/git.ts";

const read = (root: string, path: string) => Deno.readTextFile(join(root, path)).catch(() => undefined);

/** One page per level, one for two environments, one for restoring a backup, and one for an incident. */
export const RUNBOOKS = [
  "docs/runbooks/1-flag.md",
  "docs/runbooks/2-environment.md",
  "docs/runbooks/3-code.md",
  "docs/runbooks/4-database.md",
  "docs/runbooks/traffic.md",
  "docs/runbooks/restore.md",
  "docs/runbooks/incident.md",
] as const;

export const CODE_GATES: Gate[] = [
  {
    ...entry("ci"),
    async check({ root, session }) {
      const { ok, said } = await ciState(root, session.io.env);
      return ok ? passed(said) : open(said, "bash .ci/run, or push and let CI run");
    },
  },
  {
    ...entry("load_test"),
    async check({ root, flag }) {
      const speed =
        /^## Speed\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(await read(root, "README.md") ?? "")?.[1] ?? "";
      const rows = speed.split("\n").filter((line) => /^\|.*\d.*\|/.test(line));
      if (flag === undefined) {
        return rows.length > 0 ? passed(`${rows.length} figures in README.md, Speed`) : open(
          "README.md has no figures under Speed",
          "run deno task bench webhook, and record its figures",
        );
      }
      // The figures of another feature say nothing about this one.
      const feature = flag.replace(/\.enabled$/, "");
      const own = rows.filter((row) => row.includes(`\`${feature}\``) || row.includes(`\`${flag}\``));
      return own.length > 0
        ? passed(
          `README.md, Speed, has ${own.length === 1 ? "a figure" : `${own.length} figures`} of ${feature}`,
        )
        : open(
          `README.md has no figures of ${feature} under Speed`,
          `run it under load, and record its figures in a row that names \`${feature}\``,
        );
    },
  },
  {
    ...entry("no_secrets"),
    async check({ root }) {
      const names =
        (await git(root, "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"))
          .split("\n").filter((name) => name !== "");
      const found: string[] = [];
      for (const name of names) {
        const text = await read(root, name);
        if (text === undefined) continue;
        for (const { line, what } of leaks(name, text)) found.push(`${name}:${line} ${what}`);
      }
      return none(
        found,
        `${names.length} files`,
        "found",
        "Remove it, and change the secret: it is in the git history",
      );
    },
  },
  {
    ...entry("structured_logs"),
    async check({ root }) {
      const folder = "supabase/functions";
      const files = (await git(root, "ls-files", "--cached", "--others", "--exclude-standard", "--", folder))
        .split("\n")
        .filter((name) =>
          /\.ts$/.test(name) && !/(_test|testing)\.ts$/.test(name) && !name.includes("/_shared/log/")
        );
      const found: string[] = [];
      for (const name of files) {
        (await read(root, name) ?? "").split("\n").forEach((line, index) => {
          if (/^\s*(\/\/|\*)/.test(line)) return;
          if (/\bconsole\.\w+\(/.test(line)) found.push(`${name}:${index + 1}`);
        });
      }
      return none(
        found,
        `${files.length} modules print only through _shared/log`,
        "prints directly",
        "Use log of _shared/log",
      );
    },
  },
  {
    ...entry("runbook"),
    async check({ root }) {
      const missing: string[] = [];
      for (const path of RUNBOOKS) if (!await read(root, path)) missing.push(path);
      return none(
        missing,
        `${RUNBOOKS.length} pages in docs/runbooks`,
        "missing",
        "Write it",
      );
    },
  },
  {
    ...entry("flag_documented"),
    async check({ root, flag }) {
      const text = await read(root, "docs/flags.md") ?? "";
      return text.includes(`\`${flag}\``) ? passed("docs/flags.md documents it") : open(
        "docs/flags.md does not document it",
        "run deno run -A tools/docs/flags.ts, or add it by hand",
      );
    },
  },
  {
    ...factGate("metrics"),
    async check(world) {
      const found = await factGate("metrics").check(world);
      if (found.status !== "open") return found;
      return (await flagPlaces(world.root)).has(world.flag!) ? found : {
        ...found,
        how:
          "No function of this checkout reads it, and no service has evaluated it: deploy the code that reads it",
      };
    },
  },
];
