import { assertEquals } from "../../../../tests/support/assert.ts";
import { postOfMailbox } from "./authentication.ts";
import { verify } from "./verified.ts";

const from = { address: "casey@example.org", name: "", raw: "", count: 1 };
const found = (provider: "google" | "microsoft", results: string[], path = "<bounces@mailer.example>") => {
  const headers = new Map([["authentication-results", results], ["return-path", [path]]]);
  const post = postOfMailbox({ headers }, provider, "sam@bakery.example");
  return { ...post, verified: verify({ from }, post).verified };
};

Deno.test("postOfMailbox(): verdicts of the receiving server alone count", () => {
  const pass =
    "spf=pass (google.com: domain of casey@example.org designates 192.0.2.1 as permitted sender) smtp.mailfrom=casey@example.org";
  const rows: [provider: "google" | "microsoft", results: string[], verified: boolean, why: string][] = [
    [
      "google",
      [`mx.google.com; dkim=pass header.i=@example.org header.s=s1; ${pass}; dmarc=pass`],
      true,
      "both",
    ],
    ["google", [`mx.google.com; ${pass}`], true, "SPF alone"],
    [
      "google",
      ["mx.google.com; dkim=pass header.i=@evil.example; spf=pass smtp.mailfrom=x@evil.example"],
      false,
      "another domain",
    ],
    [
      "google",
      ["mx.google.com; dkim=fail header.i=@example.org; spf=softfail smtp.mailfrom=casey@example.org"],
      false,
      "failed",
    ],
    ["google", [`mail.evil.example; ${pass}`], false, "another server's word"],
    [
      "google",
      ["mx.google.com; spf=fail smtp.mailfrom=x@evil.example", `mx.google.com; ${pass}`],
      false,
      "what came along",
    ],
    [
      "google",
      ["mx.google.com; spf=fail (dkim=pass header.i=@example.org) smtp.mailfrom=x@evil.example"],
      false,
      "a comment",
    ],
    ["google", ["mx.google.com; spf=pass"], false, "of nobody"],
    [
      "google",
      ["mx.google.com; dkim=pass header.i=@example.org(.evil.example header.s=s1; spf=none"],
      false,
      "a domain with a parenthesis that is not closed",
    ],
    [
      "google",
      ["mx.google.com; dkim=pass header.i=@example.org(.evil.example) header.s=s1; spf=none"],
      false,
      "a comment within a domain",
    ],
    [
      "google",
      ["mx.google.com; dkim=pass header.i=@(.evil.example header.d=)example.org"],
      false,
      "a comment that takes a word away",
    ],
    [
      "google",
      ['mx.google.com; spf=none smtp.mailfrom="a; dkim=pass header.d=example.org; b"@evil.example'],
      false,
      "a quoted string with a verdict",
    ],
    [
      "google",
      ['mx.google.com; spf=pass smtp.mailfrom="a b"@example.org'],
      false,
      "any quoted string",
    ],
    [
      "google",
      ["mx.google.com; spf=none (x) y) smtp.mailfrom=a@evil.example; dkim=pass header.d=example.org"],
      false,
      "more closed than opened",
    ],
    [
      "google",
      ["mx.google.com; dkim=pass (a (nested) one) header.i=@example.org;(and one)spf=none"],
      true,
      "comments within comments",
    ],
    ["google", ["mx.google.com; dkim=pass header.d=example.org/evil"], false, "no host name"],
    [
      "google",
      ["mx.google.com; spf=pass smtp.mailfrom=a@evil_.example.org"],
      false,
      "no host name of an address",
    ],
    [
      "google",
      [`mx.google.com; ${pass}; dkim=none (${"x".repeat(4000)})`],
      false,
      "longer than what is read",
    ],
    ["google", [], false, "nothing"],
    [
      "microsoft",
      ["spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.org; dkim=none (message not signed) header.d=none;dmarc=pass"],
      true,
      "a domain",
    ],
    [
      "microsoft",
      ["spf=fail smtp.mailfrom=evil.example; dkim=pass (signature was verified) header.d=example.org;dmarc=pass"],
      true,
      "DKIM",
    ],
    [
      "microsoft",
      ['spf=none smtp.mailfrom="a; dkim=pass header.d=example.org; b"@evil.example; dkim=none header.d=none'],
      false,
      "a quoted string with a verdict",
    ],
    [
      "microsoft",
      ["spf=none smtp.mailfrom=evil.example; dkim=pass header.d=example.org(.evil.example; dmarc=fail"],
      false,
      "a domain with a parenthesis that is not closed",
    ],
    ["microsoft", ["spf=none smtp.mailfrom=evil.example; dkim=none header.d=none"], false, "none"],
  ];
  for (const [provider, results, verified, why] of rows) {
    assertEquals(found(provider, results).verified, verified, `${provider}: ${why}`);
  }
});

Deno.test("postOfMailbox(): the null sender of a bounce is kept, and the mailbox is the recipient", () => {
  const post = found("google", ["mx.google.com; spf=none smtp.mailfrom="], "<>");
  assertEquals([post.envelope, post.provider], [{ to: ["sam@bakery.example"], from: "" }, "google"]);
});
