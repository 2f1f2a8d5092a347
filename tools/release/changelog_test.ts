import { assertEquals, assertThrows } from "../../tests/support/assert.ts";
import { cut, notes, ReleaseError } from "./changelog.ts";

const CHANGELOG = `# Changelog

Words.

## [Unreleased]

### Added

- Something new.

## [0.1.0] - 2026-01-01

- The first.
`;

Deno.test("cut(): moves the unreleased section under the version and leaves an empty one; nothing else changes", () => {
  const after = cut(CHANGELOG, "0.2.0", "2026-02-03");
  assertEquals(
    after,
    CHANGELOG.replace("[Unreleased]\n", "[Unreleased]\n\n## [0.2.0] - 2026-02-03\n"),
  );
  assertEquals(notes(after, "0.2.0"), "### Added\n\n- Something new.");
  assertEquals(notes(after, "0.1.0"), "- The first.");
});

Deno.test("cut(), notes(): refuse an invalid release", () => {
  const cases: [run: () => unknown, said: string][] = [
    [() => cut(CHANGELOG, "0.1.0", "2026-02-03"), "is already released"],
    [() => cut(CHANGELOG, "next", "2026-02-03"), "not a version"],
    [() => cut(cut(CHANGELOG, "0.2.0", "2026-02-03"), "0.3.0", "2026-02-03"), "nothing under"],
    [() => cut("# Changelog\n", "0.2.0", "2026-02-03"), "nothing under"],
    [() => notes(CHANGELOG, "0.2.0"), "has no section"],
  ];
  for (const [run, said] of cases) assertThrows(run, ReleaseError, said);
});
