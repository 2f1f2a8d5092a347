import { assertEquals } from "../../../tests/support/assert.ts";
import { checkMailDns, type MailDomains, type Resolver } from "./checks.ts";

type Zone = Record<string, { mx?: [number, string][]; txt?: string[]; cname?: string[] }>;

const dns = (zone: Zone): Resolver => ({
  mx: (name) =>
    Promise.resolve((zone[name]?.mx ?? []).map(([priority, exchange]) => ({ priority, exchange }))),
  txt: (name) => Promise.resolve(zone[name]?.txt ?? []),
  cname: (name) => Promise.resolve(zone[name]?.cname ?? []),
});

const GOOD: Zone = {
  "reply.example.com": { mx: [[10, "mx.sendgrid.net."]] },
  "example.com": { txt: ["v=spf1 include:_spf.example.net ~all", "another"] },
  "s1._domainkey.example.com": { cname: ["s1.domainkey.u1.wl1.sendgrid.net"] },
  "s2._domainkey.example.com": { txt: ["k=rsa; p=MIGf"] },
  "_dmarc.example.com": { txt: ["v=DMARC1; p=reject"] },
};
const DOMAINS: MailDomains = {
  reply: "reply.example.com",
  from: new Map([["example.com", new Set(["sendgrid"] as const)]]),
};

/** What is not well, by what it is about. */
async function faults(zone: Zone, domains = DOMAINS): Promise<string[]> {
  return (await checkMailDns(domains, dns({ ...GOOD, ...zone })))
    .filter(({ level }) => level !== "ok").map(({ level, about }) => `${level}: ${about}`);
}

const cases: [string, Zone, string[]][] = [
  ["all is well", {}, []],
  ["no MX", { "reply.example.com": {} }, ["problem: MX reply.example.com"]],
  ["an MX of somebody else", { "reply.example.com": { mx: [[1, "mail.example.net"]] } }, [
    "problem: MX reply.example.com",
  ]],
  ["a second MX that is asked later", {
    "reply.example.com": { mx: [[20, "mail.example.net"], [10, "MX.SendGrid.net"]] },
  }, ["warning: MX reply.example.com"]],
  ["a second MX that is asked first", {
    "reply.example.com": { mx: [[10, "mx.sendgrid.net"], [5, "mail.example.net"]] },
  }, ["problem: MX reply.example.com"]],
  ["an MX of Resend", { "reply.example.com": { mx: [[10, "inbound-smtp.eu-west-1.amazonaws.com"]] } }, []],
  ["two SPF records", { "example.com": { txt: ["v=spf1 -all", "v=spf1 ~all"] } }, [
    "problem: SPF example.com",
  ]],
  ["SPF that lets everybody send", { "example.com": { txt: ["v=spf1 +all"] } }, ["problem: SPF example.com"]],
  ["no SPF", { "example.com": {} }, []],
  ["a DKIM key is missing", { "s1._domainkey.example.com": {} }, ["problem: DKIM example.com"]],
  ["a DKIM key is revoked", { "s2._domainkey.example.com": { txt: ["v=DKIM1; p="] } }, [
    "problem: DKIM example.com",
  ]],
  ["no DMARC", { "_dmarc.example.com": {} }, ["warning: DMARC example.com"]],
  ["two DMARC records", { "_dmarc.example.com": { txt: ["v=DMARC1; p=none", "v=DMARC1; p=reject"] } }, [
    "problem: DMARC example.com",
  ]],
];
for (const [what, zone, expected] of cases) {
  Deno.test(`checkMailDns: ${what}`, async () => assertEquals(await faults(zone), expected));
}

Deno.test("checkMailDns: a subdomain has the DMARC record of the domain above it, and DKIM of its own", async () => {
  const from = new Map([["news.example.com", new Set(["resend"] as const)]]);
  assertEquals(await faults({}, { ...DOMAINS, from }), ["problem: DKIM news.example.com"]);
  assertEquals(
    await faults({ "resend._domainkey.news.example.com": { txt: ["p=MIGf"] } }, { ...DOMAINS, from }),
    [],
  );
});

Deno.test("checkMailDns: the domain for answers must not be one that mail is sent from", async () => {
  const reply = "example.com";
  const zone = { "example.com": { mx: [[10, "mx.sendgrid.net"] as [number, string]] } };
  assertEquals(await faults(zone, { ...DOMAINS, reply }), ["problem: example.com"]);
});
