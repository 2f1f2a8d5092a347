/** The changelog at a release: the unreleased section becomes a version's. Pure. */

/** Why a release cannot be made, in a sentence for the person who makes it. */
export class ReleaseError extends Error {
  override readonly name = "ReleaseError";
}

const UNRELEASED = "## [Unreleased]";

/**
 * Returns the changelog with the unreleased section renamed to a version, below a new Unreleased.
 * @param day The day of the release, `2026-11-29`.
 * @throws {ReleaseError} for an invalid or already released version, and if nothing is unreleased
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
 * Returns the changelog's text about a version, without its heading.
 * @throws {ReleaseError} if there is none
 */
export function notes(changelog: string, version: string): string {
  const section = sectionOf(changelog, version);
  if (!section) throw new ReleaseError(`CHANGELOG.md has no section for ${version}.`);
  return section;
}

/** Undefined if there is no such section; empty if it is empty. */
function sectionOf(changelog: string, name: string): string | undefined {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((one) => one.startsWith(`[${name}]`));
  return section?.slice(section.indexOf("\n") + 1).trim();
}
