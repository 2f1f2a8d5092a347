/** `gatelink links doctor`: finds problems of links, of their targets, and of the link domain. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { type Command, Option } from "commander";
import type { Link } from "../../../supabase/functions/_shared/contract/links.ts";
import { linkNamed, type LinksApi, linksApi } from "./api.ts";
import {
  checkDomainFile,
  checkImage,
  checkLink,
  checkPage,
  DOMAIN_FILE_BYTES,
  DOMAIN_FILES,
  type Finding,
  IMAGE_BYTES,
  isOpen,
  needsHtml,
} from "./checks.ts";
import { probe } from "./probe.ts";
import type { Api } from "../../core/api.ts";
import { each } from "../../core/each.ts";
import { type Orphan, ORPHAN_DAYS, topOrphans } from "./orphans.ts";
import { loadRules, placesOf } from "./rules.ts";
import { type Cell, table } from "../../core/output.ts";
import type { Result, Run, Session } from "../../core/session.ts";
import { durationWithin, linkCode, several } from "../../core/values.ts";
import type { Rules } from "../../../supabase/functions/_shared/links/model/rules.ts";

/** Maximum concurrent requests, since each address is somebody's server. */
const AT_ONCE = 8;
/** The User-Agent of a messenger that fetches a preview: counted as a preview, takes no use. */
const MESSENGER = { "user-agent": "WhatsApp/2.24.20.78 A" };

interface Options {
  timeout: number;
  offline?: boolean;
}

/** A finding and its subject. */
interface Report extends Finding {
  /** The affected links; none for the domain. */
  codes: string[];
  /** The requested address. */
  url?: string;
}

/** Adds the command to the group. */
export function doctor(group: Command, run: Run): void {
  group.command("doctor").description("check the links, their targets and their domain")
    .argument("[codes...]", "only these links, by code or address", several(linkCode))
    .addOption(
      new Option("--timeout <time>", "maximum wait for each address, 1s to 60s").argParser(
        durationWithin(1000, 60_000, "1s to 60s"),
      ).default(10_000, "10s"),
    )
    .option("--offline", "visit no address: check only the stack's own data")
    .addHelpText(
      "after",
      `
Checks links that can be visited: active, not expired, not used up.
  links    addresses on the allowlist; known apps, schemes and numbers; existing flags
  apps     the setting deeplinks.apps: team ids, bundle ids, packages, fingerprints, paths
  pages    dead, moved, behind a chain of redirects or http, or leading back to links
  images   of previews: reachable, an image, of a size that WhatsApp shows
  domain   apple-app-site-association and assetlinks.json: JSON, no redirect, with the apps of the setting
           deeplinks.apps; whether HTML can be served, if a link needs it
  guesses  ongoing attempts to guess a link's password
  codes    frequently visited unknown codes of the last 7 days that resemble a link's code, such as typos on posters
Addresses are visited from this machine by a program, so pages that treat programs differently from people give only a
warning. Exit code 1 if there is a problem; warnings alone exit with 0.

Examples:
  gatelink links doctor
  gatelink links doctor spring --timeout 5s
  gatelink links doctor --offline --json`,
    )
    .action((codes: string[] | undefined, options: Options) =>
      run((session) => examine(session, codes ?? [], options))
    );
}

async function examine(session: Session, codes: string[], options: Options): Promise<Result> {
  const api = await linksApi(session);
  const rules = await loadRules(await session.api());
  const all = await read(session, api, codes);
  const links = all.filter((link) => isOpen(link, Date.now()));
  const reports: Report[] = links.flatMap((link) =>
    checkLink(link, rules).map((finding) => ({ ...finding, codes: [link.code] }))
  );
  reports.push(...await guesses(await session.api(), links));
  if (rules.appsFault !== undefined) {
    reports.push({
      level: "problem",
      what: `the setting deeplinks.apps is wrong: ${rules.appsFault}`,
      advice: "Set it again as docs/deploy.md, Apps, shows; until then that app opens no links.",
      codes: [],
    });
  }
  const domain = links.length === 0 ? undefined : new URL(links[0].url).host;
  let addresses = 0;
  if (!options.offline) {
    const places = addressesOf(links);
    addresses = places.length;
    reports.push(...await visit(session, places, domain, options.timeout));
    if (links.length > 0) reports.push(...await checkDomain(links, rules, options.timeout));
  }
  const unknown_codes = codes.length > 0 ? [] : await topOrphans(await session.api());
  const left_out = all.length - links.length;
  return report({ links: links.length, left_out, addresses, domain, unknown_codes }, reports);
}

/** Links whose password is being guessed. */
async function guesses(api: Api, links: readonly Link[]): Promise<Report[]> {
  const guessed = await api.rpc("guessed_links", {});
  return guessed.filter(({ code }) => links.some((link) => link.code === code)).map(({ code, wrong }) => ({
    level: "warning",
    what: `somebody is guessing the password: ${wrong} wrong ones in the last two hours`,
    advice:
      "Set a longer password, or turn the link off. Each wrong guess already increases the waiting time.",
    codes: [code],
  }));
}

async function read(session: Session, api: LinksApi, codes: string[]): Promise<Link[]> {
  if (codes.length > 0) return await Promise.all([...new Set(codes)].map((code) => linkNamed(api, code)));
  const links: Link[] = [];
  for await (const page of api.pages({})) {
    links.push(...page);
    session.progress(`${links.length} links read`);
  }
  return links;
}

interface Address {
  url: string;
  kind: "page" | "image";
  codes: string[];
}

/** Every address that a browser or messenger would visit, once, with the links that lead there. */
function addressesOf(links: readonly Link[]): Address[] {
  const found = new Map<string, Address>();
  for (const link of links) {
    for (const { url, kind } of placesOf(link)) {
      // An app's own scheme only works on the phone.
      if (!/^https?:/i.test(url)) continue;
      const key = `${kind === "image" ? "image" : "page"} ${url}`;
      const address = found.get(key) ?? { url, kind: kind === "image" ? "image" : "page", codes: [] };
      if (!address.codes.includes(link.code)) address.codes.push(link.code);
      found.set(key, address);
    }
  }
  return [...found.values()];
}

async function visit(
  session: Session,
  addresses: readonly Address[],
  domain: string | undefined,
  timeoutMs: number,
): Promise<Report[]> {
  const reports: Report[] = [];
  let done = 0;
  await each(addresses, AT_ONCE, async ({ url, kind, codes }) => {
    const findings = kind === "page"
      ? checkPage(await probe(url, { timeoutMs }), domain)
      : checkImage(await probe(url, { timeoutMs, bytes: IMAGE_BYTES }));
    reports.push(...findings.map((finding) => ({ ...finding, codes, url })));
    session.progress(`${++done} of ${addresses.length} addresses visited`);
  });
  return reports.sort((a, b) => a.url! < b.url! ? -1 : 1);
}

async function checkDomain(links: readonly Link[], rules: Rules, timeoutMs: number): Promise<Report[]> {
  const { origin } = new URL(links[0].url);
  const reports: Report[] = [];
  for (const path of Object.keys(DOMAIN_FILES) as (keyof typeof DOMAIN_FILES)[]) {
    // Not requested unless there is an app.
    if (DOMAIN_FILES[path].of(rules.apps) === 0) continue;
    const url = origin + path;
    const answer = await probe(url, { timeoutMs, follow: 0, bytes: DOMAIN_FILE_BYTES });
    reports.push(
      ...checkDomainFile(path, answer, rules.apps).map((finding) => ({ ...finding, codes: [], url })),
    );
  }
  const needy = links.filter((link) => needsHtml(link) !== undefined);
  if (needy.length > 0) reports.push(...await checkHtml(needy, timeoutMs));
  return reports;
}

/** Requests a page from one link, as a client that the link answers with one. */
async function checkHtml(needy: readonly Link[], timeoutMs: number): Promise<Report[]> {
  const asked = needy.find(({ preview }) => preview !== undefined) ??
    needy.find(({ password, confirm }) => password || confirm);
  // Visiting a link that only opens an app would count as a person's visit.
  if (asked === undefined) return [];
  const answer = await probe(asked.url, {
    timeoutMs,
    follow: 0,
    headers: { ...MESSENGER, accept: "text/html" },
  });
  if (/^text\/html\b/.test(answer.headers.get("content-type") ?? "")) return [];
  const codes = needy.map(({ code }) => code);
  const why = answer.error ??
    (asked.preview ? needsHtml({ ...asked, password: false, confirm: false }) : needsHtml(asked));
  return [{
    level: needy.some(({ password, confirm }) => password || confirm) ? "problem" : "warning",
    what: answer.error === undefined
      ? `the domain serves no pages, and ${
        counted(needy.length, "link")
      } would show one: ${asked.code} ${why}`
      : `the domain does not answer: ${answer.error}`,
    advice: "Put a domain in front that serves HTML, and set LINK_HTML=true (docs/deploy.md, Link domain).",
    codes,
    url: asked.url,
  }];
}

interface Seen {
  links: number;
  left_out: number;
  addresses: number;
  domain: string | undefined;
  /** The most requested unknown codes; only if all links are checked. */
  unknown_codes: Orphan[];
}

function report(seen: Seen, reports: Report[]): Result {
  const problems = reports.filter(({ level }) => level === "problem").length;
  const warnings = reports.length - problems;
  const sorted = reports.toSorted((a, b) => a.level === b.level ? 0 : a.level === "problem" ? -1 : 1);
  const said =
    `${counted(seen.links, "link")} and ${counted(seen.addresses, "address", "addresses")} checked` +
    `${seen.domain === undefined ? "" : ` on ${seen.domain}`}: ${counted(problems, "problem")}, ${
      counted(warnings, "warning")
    }.`;
  const rows = sorted.map(({ level, codes, url, what, advice }): Cell[] => [
    [level === "problem" ? "red" : "yellow", level],
    codes.length === 0
      ? "domain"
      : codes.slice(0, 3).join(", ") + (codes.length > 3 ? ` +${codes.length - 3}` : ""),
    url === undefined ? what : `${url} ${what}`,
    advice,
  ]);
  const unknown = seen.unknown_codes.map(({ code, visits }) => `${code} (${visits})`).join(", ");
  const asked = unknown === "" ? "" : `\n\nAsked for in ${ORPHAN_DAYS} days, and no link: ${unknown}.`;
  return {
    document: { ...seen, problems, warnings, findings: sorted },
    text: (rows.length === 0 ? said : `${table(["", "link", "what", "what to do"], rows)}\n\n${said}`) +
      asked,
    failed: problems > 0,
  };
}
