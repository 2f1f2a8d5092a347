/** docs/openapi.yaml says what links answer: every answer that it describes was met, and no other. */
import { assertEquals } from "../support/assert.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { IPHONE, KEYS, type Links, linksTest, NUMBER, WHATSAPP } from "../support/links.ts";
import { openapi, operations, witness } from "../support/openapi.ts";

const HOME = "https://www.example.com/", SALE = "https://www.example.com/sale";
const LINKS = "/deeplinks", LINK = "/deeplinks/{code}", BULK = "/deeplinks/bulk", CLAIM = "/deeplinks/claim";
const STATS = `${LINK}/stats`, SVG = `${LINK}/qr.svg`, PNG = `${LINK}/qr.png`;
const PAST = "2020-01-01T00:00:00Z", FUTURE = "2999-01-01T00:00:00Z";

/** A request of an operation that is in order: path below the function, and body. */
const PLAIN: Record<string, { path: string; body?: unknown }> = {
  visitLink: { path: "/plain" },
  previewLink: { path: "/plain" },
  unlockLink: { path: "/plain", body: { password: "open sesame" } },
  changeLink: { path: "/plain", body: { tags: ["x"] } },
  deleteLink: { path: "/plain" },
  listLinks: { path: "" },
  createLink: { path: "", body: { default_url: HOME } },
  createLinks: { path: "/bulk", body: { links: [{ default_url: HOME }] } },
  changeLinks: { path: "/bulk", body: { codes: ["plain"], add_tags: ["x"] } },
  linkStats: { path: "/plain/stats" },
  linkQrSvg: { path: "/plain/qr.svg" },
  linkQrPng: { path: "/plain/qr.png" },
  claimClick: { path: "/claim", body: { token: "abcdefgh234567ab" } },
  appleAppSiteAssociation: { path: "/.well-known/apple-app-site-association" },
  assetLinks: { path: "/.well-known/assetlinks.json" },
};
/** All of them, but for preflights. */
const OPERATIONS = operations.filter(({ path, method }) => path.startsWith(LINKS) && method !== "options");
/** Those that secret keys and the team call. */
const MANAGED = OPERATIONS.filter(({ operation }) =>
  operation.security?.some((option) => "teamToken" in option)
);

type Options = Parameters<Links["call"]>[1];

linksTest(
  "openapi.yaml: every described answer occurs as described: links",
  async (links) => {
    const { see, assertAllMet } = witness();
    const { sql, set } = links;
    const call = (path: string, options: Options = {}) =>
      links.call(path, { ...options, headers: { "user-agent": IPHONE, ...options.headers } });
    const open = (path: string, options: Options = {}) => call(path, { open: true, ...options });
    const json = { accept: "application/json" };
    const make = (body: unknown) => call("", { method: "POST", body });

    // Making and keeping them
    see(LINKS, "post", 201, await make({ default_url: HOME, code: "plain", external_id: "one" }));
    see(LINKS, "post", 200, await make({ default_url: HOME, code: "plain", external_id: "one" }));
    see(LINKS, "post", 409, await make({ default_url: SALE, external_id: "one" }));
    see(LINKS, "post", 409, await make({ default_url: HOME, code: "plain" }));
    see(LINKS, "post", 400, await make("{"));
    see(LINKS, "post", 422, await make({ default_url: 1 }));
    see(LINKS, "post", 422, await make({ default_url: "https://elsewhere.example/" }));
    see(LINKS, "post", 422, await make({ default_url: HOME, code: "stats" }));
    const rows = [
      { default_url: HOME },
      { default_url: 1 },
      { default_url: HOME, code: "plain" },
      "nonsense",
    ];
    see(BULK, "post", 200, await call("/bulk", { method: "POST", body: { links: rows } }));
    see(BULK, "post", 400, await call("/bulk", { method: "POST", body: "{" }));
    see(BULK, "post", 422, await call("/bulk", { method: "POST", body: {} }));
    const together = (body: unknown) => call("/bulk", { method: "PATCH", body });
    see(BULK, "patch", 200, await together({ codes: ["plain", "none"], add_tags: ["x"] }));
    see(BULK, "patch", 400, await together("{"));
    see(BULK, "patch", 422, await together({ codes: [] }));
    const change = (code: string, body: unknown) => call(`/${code}`, { method: "PATCH", body });
    await links.link({
      code: "full",
      default_url: HOME,
      targets: [{
        when: { platform: "android", country: ["DE"], time: { zone: "Europe/Berlin" } },
        store: SALE,
      }],
      whatsapp: { phone_number_id: NUMBER.id, text: "Hi" },
      starts_at: PAST,
      expires_at: FUTURE,
      expired_url: SALE,
      max_uses: 5,
      password: "open sesame",
      preview: { title: "Spring", description: "All of it", image: HOME },
      flag_key: "deeplinks.enabled",
      utm: { campaign: "spring" },
    });
    see(LINK, "patch", 200, await change("full", { tags: ["a"], pass_query: true, max_uses: null }));
    see(LINK, "patch", 400, await change("full", "{"));
    see(LINK, "patch", 404, await change("nothere", {}));
    see(LINK, "patch", 409, await change("full", { external_id: "one" }));
    see(LINK, "patch", 422, await change("full", { max_uses: 0 }));
    see(LINK, "patch", 422, await change("full", { default_url: "https://elsewhere.example/" }));
    see(LINK, "patch", 409, await change("full", { tags: ["b"], version: 1 }));
    see(LINKS, "get", 200, await call("?limit=1"));
    see(LINKS, "get", 200, await call("?limit=1000&campaign=spring"));
    see(LINKS, "get", 422, await call("?limit=0"));

    // Visits
    for (
      const [code, body] of Object.entries({
        gone: { default_url: HOME },
        off: { default_url: HOME },
        soon: { default_url: HOME, starts_at: FUTURE },
        ended: { default_url: HOME, starts_at: PAST, expires_at: "2021-01-01T00:00:00Z" },
        once: { default_url: HOME, max_uses: 1 },
        locked: { default_url: HOME, password: "open sesame" },
        chat: { whatsapp: { phone_number_id: NUMBER.id } },
        split: {
          default_url: HOME,
          targets: [{ when: { weight: 50 }, url: SALE }],
          preview: { title: "Spring" },
        },
        blocked: { default_url: HOME },
      })
    ) await links.link({ code, ...body });
    see(LINK, "delete", 204, await call("/gone", { method: "DELETE" }));
    see(LINK, "delete", 404, await call("/gone", { method: "DELETE" }));
    await change("off", { state: "disabled" });
    await sql`update public.links set default_url = 'https://elsewhere.example/' where code = 'blocked'`;
    await links.refresh();
    for (const method of ["get", "head", "post"]) {
      const visit = (path: string, headers: Record<string, string> = {}) =>
        open(path, {
          method: method.toUpperCase(),
          headers,
          body: method === "post" ? { password: "open sesame" } : undefined,
        });
      const sent = method === "post" ? 303 : 302;
      see(LINK, method, sent, await visit("/plain"));
      see(LINK, method, sent, await visit("/split"));
      for (
        const [code, status] of [["off", 403], ["soon", 403], ["blocked", 403], ["gone", 410], [
          "ended",
          410,
        ]] as const
      ) {
        see(LINK, method, status, await visit(`/${code}`));
      }
      see(LINK, method, 404, await visit("/nothere"));
      if (method === "head") {
        see(LINK, method, 200, await visit("/once"));
        see(LINK, method, 401, await visit("/locked"));
        continue;
      }
      see(LINK, method, 200, await visit("/chat", json));
      see(LINK, method, 200, await visit("/once", { ...json, "user-agent": WHATSAPP }));
      see(LINK, method, 200, await visit("/full?explain=1&u=ann", { apikey: KEYS.secretKey }));
      see(LINK, method, 401, await visit("/full?explain=1"));
      see(LINK, method, 403, await visit("/full?explain=1", { apikey: KEYS.publishableKey }));
      see(LINK, method, 403, await visit("/chat", { "sec-purpose": "prefetch" }));
    }
    see(LINK, "get", 200, await open("/once", { headers: { "user-agent": WHATSAPP } }));
    see(LINK, "get", 401, await open("/locked"));
    see(LINK, "get", 302, await open("/once"));
    for (const method of ["get", "post"]) {
      const body = method === "post" ? { password: "open sesame" } : undefined;
      see(LINK, method, 410, await open("/once", { method: method.toUpperCase(), body }));
    }
    Deno.env.set("LINK_HTML", "true");
    forgetEnv();
    const pages = links.isolate();
    Deno.env.delete("LINK_HTML");
    forgetEnv();
    const page = (path: string, options: Options = {}) =>
      pages.call(path, { open: true, ...options, headers: { "user-agent": WHATSAPP, ...options.headers } });
    see(LINK, "get", 200, await page("/split"));
    see(LINK, "get", 401, await page("/locked"));
    const form = { "content-type": "application/x-www-form-urlencoded" };
    see(LINK, "post", 403, await page("/locked", { method: "POST", headers: form, body: "password=wrong" }));
    const unlock = (code: string, body: unknown, headers?: Record<string, string>) =>
      open(`/${code}`, { method: "POST", body, headers });
    see(LINK, "post", 303, await unlock("locked", { password: "open sesame" }));
    see(LINK, "post", 400, await unlock("locked", "{"));
    see(LINK, "post", 403, await unlock("locked", { password: "wrong" }));
    see(LINK, "post", 413, await unlock("locked", " ".repeat(5000)));
    see(LINK, "post", 422, await unlock("locked", {}));

    // What belongs to them
    see(STATS, "get", 200, await call("/plain/stats"));
    see(STATS, "get", 404, await call("/nothere/stats"));
    see(STATS, "get", 422, await call("/plain/stats?from=yesterday"));
    for (const [path, form] of [[SVG, "svg"], [PNG, "png"]]) {
      see(path, "get", 200, await open(`/plain/qr.${form}?level=H&dark=0b5fff&margin=2`));
      see(path, "get", 404, await open(`/nothere/qr.${form}`));
      see(path, "get", 422, await open(`/plain/qr.${form}?level=Z`));
    }
    await set(
      "deeplinks.apps",
      JSON.stringify({
        ios: [{ app_id: "ABCDE12345.com.example.app", paths: ["/a/*", "!/b"] }],
        android: [{ package: "com.example.app", sha256: [Array(32).fill("AB").join(":")] }],
      }),
    );
    for (const name of ["apple-app-site-association", "assetlinks.json"]) {
      see(`${LINKS}/.well-known/${name}`, "get", 200, await open(`/.well-known/${name}`));
    }
    const { body: { token } } = await open("/chat?u=ann", { headers: json });
    await links.flush();
    const claim = (body: unknown) => open("/claim", { method: "POST", body });
    see(CLAIM, "post", 200, await claim({ token }));
    await links
      .sql`update public.clicks set claimed_at = now() - interval '61 minutes' where token = ${token}`;
    see(CLAIM, "post", 409, await claim({ token }));
    see(CLAIM, "post", 404, await claim({ token: "abcdefgh234567ab" }));
    see(CLAIM, "post", 400, await claim("{"));
    see(CLAIM, "post", 413, await claim(" ".repeat(9000)));
    see(CLAIM, "post", 422, await claim({}));

    // What is refused for all
    for (
      const [path, at] of [
        ...[[LINK, "/plain"], [LINKS, ""], [CLAIM, "/claim"]],
        ...[[`${LINKS}/bulk`, "/bulk"], [`${LINK}/stats`, "/plain/stats"]],
      ]
    ) {
      see(path, "options", 204, await open(at, { method: "OPTIONS" }));
    }
    for (const { path, method, operation: { operationId } } of OPERATIONS) {
      if (method === "head") continue;
      see(path, method, 405, await open(PLAIN[operationId].path, { method: "PUT" }));
    }
    const large = " ".repeat(5 * 1024 * 1024);
    await set("deeplinks.rate_per_second", "0.0001");
    await call("");
    Deno.env.set("DEEPLINKS_ENABLED", "true");
    for (const { path, method, operation } of MANAGED) {
      const { path: at, body } = PLAIN[operation.operationId];
      const ask = (options: Options) => call(at, { method: method.toUpperCase(), body, ...options });
      see(path, method, 401, await ask({ open: true }));
      see(path, method, 403, await ask({ open: true, headers: { apikey: KEYS.publishableKey } }));
      see(path, method, 429, await ask({}));
      if (body !== undefined) see(path, method, 413, await ask({ body: large }));
      Deno.env.set("DEEPLINKS_ENABLED", "false");
      see(path, method, 503, await ask({}));
      Deno.env.set("DEEPLINKS_ENABLED", "true");
    }
    Deno.env.delete("DEEPLINKS_ENABLED");
    for (const { path, method, operation: { operationId } } of OPERATIONS) {
      if (MANAGED.some((each) => each.operation.operationId === operationId)) continue;
      if (path === CLAIM || path.includes("/.well-known/")) continue;
      const { path: at, body } = PLAIN[operationId];
      const walked = await refusedFor((n) =>
        open(at.replace("plain", `x-${operationId}-${n}`), {
          method: method.toUpperCase(),
          headers: { "x-real-ip": "203.0.114.7" },
          body,
        })
      );
      see(path, method, 429, walked);
    }
    see(
      CLAIM,
      "post",
      429,
      await refusedFor(() =>
        open("/claim", { method: "POST", body: {}, headers: { "x-real-ip": "203.0.114.7" } })
      ),
    );

    // Isolates that know nothing yet, and cannot learn it
    const asked = async (isolate: Pick<Links, "call">, { method, operation }: typeof OPERATIONS[number]) => {
      const { path, body } = PLAIN[operation.operationId];
      return await isolate.call(path, { method: method.toUpperCase(), body });
    };
    for (const each of OPERATIONS) {
      const isolate = links.isolate();
      isolate.away = true;
      see(each.path, each.method, 503, await asked(isolate, each));
      isolate.away = false;
    }
    await sql`alter function public.load_config(bigint) rename to load_other`;
    for (const each of OPERATIONS) see(each.path, each.method, 503, await asked(links.isolate(), each));
    await sql`alter function public.load_other(bigint) rename to load_config`;
    await sql`insert into private.schema_breaks (version, why) values ('20991231000000', 'a test')`;
    for (const each of OPERATIONS) {
      see(each.path, each.method, 503, await asked(links.isolate(), each));
      forgetRefusal();
    }
    await sql`delete from private.schema_breaks`;
    forgetRefusal();

    const { default: deployed } = await import("../../supabase/functions/deeplinks/index.ts");
    Deno.env.set("LINK_HTML", "perhaps");
    forgetEnv();
    try {
      for (const { path, method, operation } of OPERATIONS) {
        const url = `http://127.0.0.1/functions/v1/deeplinks${PLAIN[operation.operationId].path}`;
        const response = await deployed.fetch(new Request(url, { method: method.toUpperCase() }));
        const text = await response.text();
        const body = text === "" ? "" : JSON.parse(text);
        see(path, method, 500, { status: response.status, headers: response.headers, body });
      }
    } finally {
      Deno.env.delete("LINK_HTML");
      forgetEnv();
    }
    assertAllMet((path) => path.startsWith(LINKS));
  },
);

/** Asks, in vain each time, until a limit is reached: however slow the machine is, it is when enough have come. */
async function refusedFor<A extends { status: number }>(ask: (n: number) => Promise<A>): Promise<A> {
  for (let n = 0; n < 500; n++) {
    const answer = await ask(n);
    if (answer.status === 429) return answer;
  }
  throw new Error("nobody was refused in 500 tries");
}

linksTest(
  "openapi.yaml: each path of links accepts exactly the described methods",
  async (links) => {
    for (const [path, described] of Object.entries(openapi.paths)) {
      if (!path.startsWith(LINKS)) continue;
      const { status, headers } = await links.call(path.slice(LINKS.length).replace("{code}", "x"), {
        method: "PUT",
      });
      assertEquals(status, 405, path);
      const taken = headers.get("allow")!.toLowerCase().split(", ").filter((method) => method !== "head");
      const names = Object.keys(described).filter((name) => !/^(parameters|head)$/.test(name));
      assertEquals(taken, names.sort(), path);
    }
  },
);
