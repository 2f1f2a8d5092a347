import { assertEquals } from "../../../tests/support/assert.ts";
import { accountOf } from "./account.ts";

const found = (profile: Record<string, unknown>, ourOwn: boolean) =>
  accountOf("microsoft", "https://graph.example", {
    mailbox: () => Promise.resolve({ token: "t", version: 0 }),
    fetch: () => Promise.resolve(Response.json(profile)),
  }, ourOwn);

Deno.test("accountOf(): at Microsoft a sign-in proves what the person signs in with, and the rest in our own organisation", async () => {
  const kim = {
    mail: "Kim@flowers.example",
    userPrincipalName: "kim@flowers.example",
    proxyAddresses: ["SMTP:kim@flowers.example", "smtp:shop@flowers.example"],
  };
  const forged = { ...kim, userPrincipalName: "x@evil.onmicrosoft.example" };
  const guest = { userPrincipalName: "kim_flowers.example#EXT#@evil.onmicrosoft.example" };
  const own = "kim@flowers.example", alias = "shop@flowers.example";
  const rows: [profile: Record<string, unknown>, ourOwn: boolean, first: string, proved: string[]][] = [
    [kim, true, own, [own, alias]],
    [kim, false, own, [own]],
    [forged, true, own, [own, alias]],
    [forged, false, own, []],
    [{ userPrincipalName: own }, false, own, [own]],
    [guest, false, guest.userPrincipalName.toLowerCase(), []],
  ];
  for (const [profile, ourOwn, first, proved] of rows) {
    const account = await found(profile, ourOwn);
    assertEquals([account?.addresses[0], account?.proved], [first, proved], JSON.stringify(profile));
  }
});
