import { assertEquals } from "../../../../tests/support/assert.ts";
import { forgetEnv } from "../config/env.ts";
import { oauthClient } from "./oauth.ts";

Deno.test("oauthClient(): only a tenant of Microsoft's that is named stands for one organisation", () => {
  const rows: [tenant: string | undefined, one: boolean][] = [
    [undefined, false],
    ["common", false],
    ["Organizations", false],
    ["consumers", false],
    ["9188040d-6c67-4c5b-b112-36a304b66dad", false],
    ["flowers.example", true],
    ["11111111-2222-4333-8444-555555555555", true],
  ];
  const names = ["MICROSOFT_CLIENT_ID", "MICROSOFT_CLIENT_SECRET", "MICROSOFT_TENANT"];
  const before = names.map((name) => Deno.env.get(name));
  const set = (values: readonly (string | undefined)[]) => {
    for (const [i, name] of names.entries()) {
      const value = values[i];
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
    forgetEnv();
  };
  try {
    for (const [tenant, one] of rows) {
      set(["client", "secret", tenant]);
      assertEquals(oauthClient("microsoft").oneOrganisation, one, tenant);
    }
  } finally {
    set(before);
  }
});
