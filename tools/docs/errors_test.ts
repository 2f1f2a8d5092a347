import { assertEquals, assertMatch } from "../../tests/support/assert.ts";
import { PROBLEMS } from "../../supabase/functions/_shared/http/problem.ts";
import { ERRORS_PAGE, errorsPage } from "./errors.ts";

Deno.test("docs/errors.md is what `deno run -A tools/docs/errors.ts` writes", async () => {
  assertEquals(await Deno.readTextFile(ERRORS_PAGE), errorsPage());
});

Deno.test("errorsPage(): lists each code once, under its status, with its title", () => {
  const page = errorsPage();
  for (const [code, { status, title }] of Object.entries(PROBLEMS)) {
    const [section, ...others] = page.split(/^## /m).filter((part) => part.includes(`\n| \`${code}\` |`));
    assertEquals(others, [], code);
    assertMatch(section, new RegExp(`^${status} `));
    assertEquals(section.includes(`| \`${code}\` | ${title} |`), true, code);
  }
});
