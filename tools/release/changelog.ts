/** The changelog at a release: what was unreleased becomes a version's. Pure. */

/** Why a release cannot be made, in a sentence for whoever makes it. */
export class ReleaseError extends Error {
  override readonly name = "ReleaseError";
}

const UNRELEASED = "## [Unreleased]";

/**
 * Gives the changelog in which what is under Unreleased is a version's, below a new Unreleased.
 * @param day The day of the release, `2026-11-29`.
 * @throws {ReleaseError} for a version that is none or was released, and where nothing is unreleased
 */
export function cut(changelog: string, version: string, day: string): string {
  if (!/^\d+\.\d+\.\d+$/.test(version)) throw new ReleaseError(`${version} is not a version like 0.1.0.`);
  if (sectionOf(changelog, version) !== undefined) {
    throw new ReleaseError(`${version} is already released. Give the next one: deno task release <version>.`);
  }
  if (!sectionOf(changelog, "Unreleased")) {
    throw new ReleaseError("CHANGELOG.md has nothing under [Unreleased].");
  }
  return changelog.replace(UNRELEASED, `${UNRELEASED}\n\n## [${version}] - ${day}`);
}

/**
 * Gives what the changelog says of a version, without its heading.
 * @throws {ReleaseError} when it says nothing
 */
export function notes(changelog: string, version: string): string {
  const section = sectionOf(changelog, version);
  if (!section) throw new ReleaseError(`CHANGELOG.md has no section for ${version}.`);
  return section;
}

/** Undefined where there is no such section, empty where nothing is in it. */
function sectionOf(changelog: string, name: string): string | undefined {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((one) => one.startsWith(`[${name}]`));
  return section?.slice(section.indexOf("\n") + 1).trim();
}
