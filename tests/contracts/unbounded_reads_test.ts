/**
 * No read of a table is cut without a word: the Data API returns at most 1,000 rows (`max_rows`), and says
 * nothing of those it leaves out.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { ROOT } from "../../lib/paths.ts";

/** Longest distance of a read from its limit, in characters. */
const REACH = 700;

async function sources(folder: string): Promise<string[]> {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", folder];
  const { stdout } = await new Deno.Command("git", { args, cwd: ROOT }).output();
  const paths = new TextDecoder().decode(stdout).trim().split("\n");
  return paths.filter((path) => /\.tsx?$/.test(path) && !/_test\.ts$/.test(path));
}

/** What each read of a table asks for, up to the next one. */
function reads(source: string): string[] {
  const starts = [...source.matchAll(/\.from\(\s*"\w+"\s*,?\s*\)\s*\.select\(/g)].map(({ index }) => index);
  return starts.map((start, index) =>
    source.slice(start, Math.min(start + REACH, starts[index + 1] ?? Infinity))
  );
}

Deno.test("panel: every read of a table has a limit, which unwrap() and allRows() compare with the rows", async () => {
  const unbounded: string[] = [];
  let found = 0;
  for (const path of await sources("admin/src")) {
    for (const read of reads(await Deno.readTextFile(`${ROOT}/${path}`))) {
      found++;
      if (!/\.limit\(/.test(read)) unbounded.push(`${path}: ${read.slice(0, 120).replaceAll(/\s+/g, " ")}`);
    }
  }
  assert(found > 20, `${found}`);
  assertEquals(unbounded, []);
});

Deno.test("panel: rows are read through data/query.ts, which refuses what was cut", async () => {
  const around: string[] = [];
  for (const path of await sources("admin/src")) {
    const source = await Deno.readTextFile(`${ROOT}/${path}`);
    if (path === "admin/src/data/query.ts" || reads(source).length === 0) continue;
    if (!/\b(unwrap|allRows|useRows)\b/.test(source)) around.push(path);
  }
  assertEquals(around, []);
});

Deno.test("command line: tables are read through api.rows(), which reads page by page", async () => {
  const around: string[] = [];
  let found = 0;
  for (const path of await sources("cli")) {
    const source = await Deno.readTextFile(`${ROOT}/${path}`);
    found += reads(source).length;
    if (reads(source).length > 0 && !/\brows\(/.test(source)) around.push(path);
  }
  assert(found > 20, `${found}`);
  assertEquals(around, []);
});
