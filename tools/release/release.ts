/** `deno task release`: cuts the changelog, and packs the command line as one tarball. */
import { version as current } from "../../lib/version.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { run } from "../../lib/programs.ts";
import { task } from "../../lib/task.ts";
import { cut, notes, ReleaseError } from "./changelog.ts";
import { pack } from "./pack.ts";

const FOLDER = join(ROOT, "release");
const CHANGELOG = join(ROOT, "CHANGELOG.md");

/** @throws {ReleaseError} if files have changed: the packed files must be the tagged ones */
async function requireClean(): Promise<void> {
  const { code, stdout, stderr } = await run("git", ["status", "--porcelain"], { cwd: ROOT });
  if (code !== 0) throw new ReleaseError(`git status failed: ${stderr.trim()}`);
  if (stdout !== "") {
    throw new ReleaseError(`Commit or stash your changes first:\n${stdout.trimEnd()}`);
  }
}

async function release(version: string): Promise<string> {
  await requireClean();
  const changelog = cut(await Deno.readTextFile(CHANGELOG), version, new Date().toISOString().slice(0, 10));
  // Packed first: where that fails, nothing is changed.
  const tarball = await pack(version, FOLDER);
  await Deno.writeTextFile(CHANGELOG, changelog);
  await Deno.writeTextFile(join(ROOT, "VERSION"), `${version}\n`);
  return `${tarball} is packed; CHANGELOG.md and VERSION say ${version}. Review them, then:

  git commit --all --message "Release ${version}"
  git tag v${version}
  git push origin HEAD v${version}`;
}

if (import.meta.main) {
  const about = "Cut the changelog and pack the command line as one tarball, in the folder release.";
  const program = task("release", about)
    .argument("[version]", "version to release (default: that of the file VERSION)")
    .option("--pack", "only pack the version of the file VERSION")
    .option("--notes", "only print the changelog of the version")
    .addHelpText(
      "after",
      `
It commits, tags and publishes nothing; it says how. The workflow release.yml attaches the tarball to a tag's release.

Exit codes: 0 done, 1 it cannot be released, which changes nothing, 2 wrong arguments.`,
    )
    .parse(Deno.args, { from: "user" });
  const options = program.opts<{ pack?: boolean; notes?: boolean }>();
  const version = program.args[0] ?? current();
  try {
    if (options.notes) console.log(notes(await Deno.readTextFile(CHANGELOG), version));
    else if (options.pack) console.log(await pack(current(), FOLDER));
    else console.log(await release(version));
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
