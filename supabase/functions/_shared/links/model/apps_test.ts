/** What is wrong with a list of apps is said; the database says the same (tests/database/link_apps_test.ts). */
import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import { APP_LISTS } from "../../../../../tests/support/app_lists.ts";
import { appsFault, readApps } from "./apps.ts";

for (const [value, fault] of APP_LISTS) {
  Deno.test(`appsFault(): ${value} -> ${fault ?? "right"}`, () => {
    const said = appsFault(value);
    assertEquals(said?.slice(0, fault?.length), fault);
  });
}

Deno.test("readApps(): reads every app of a valid list", () => {
  for (const [value, fault] of APP_LISTS) {
    if (fault !== undefined) continue;
    const { ios = [], android = [] } = JSON.parse(value), read = readApps(value);
    assert(read.ios.length === ios.length && read.android.length === android.length, value);
  }
});
