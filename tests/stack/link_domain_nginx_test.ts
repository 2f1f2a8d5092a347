/**
 * The nginx of docs/deploy.md in front of a stack: whatever a link is made with is served through it.
 *
 * What it keeps an answer's headers in is small unless it is told otherwise, and the text of a chat stands in one of them.
 */
import { assert, assertEquals } from "../support/assert.ts";
import postgres from "postgres";
import { join, ROOT } from "../../lib/paths.ts";
import { freePort } from "../../lib/postgres/postgres.ts";
import { hasProgram } from "../support/program.ts";
import { startStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

const NGINX = await hasProgram("nginx", "the proxy of docs/deploy.md (Debian: nginx)", "-v");
const PHONE = {
  "user-agent":
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
};
const PACKAGE = "com.example.app";
const EXAMPLE = "https://www.example.com";

/** The configuration of the guide, for this stack instead of a project, without TLS. */
async function configuration(stackUrl: string, port: number, dir: string): Promise<string> {
  const guide = await Deno.readTextFile(join(ROOT, "docs", "deploy.md"));
  const [, server] = /```nginx\n([^]*?)```/.exec(guide)!;
  const own = server.replace("listen 443 ssl;", `listen 127.0.0.1:${port};`)
    .replaceAll("https://<ref>.supabase.co", stackUrl)
    .replaceAll("<ref>.supabase.co", new URL(stackUrl).host)
    .replaceAll("<random>", "abc");
  assert(own.includes(`listen 127.0.0.1:${port}`) && !own.includes("<ref>"), own);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((of) =>
    `${of}_temp_path ${dir}/${of};`
  );
  return `daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/error.log;
    events {} http { access_log off; ${temporary.join(" ")} ${own} }`;
}

Deno.test({
  name: "docs/deploy.md: nginx serves every code that is accepted when a link is created",
  ignore: !NGINX,
  async fn() {
    const stack = await startStack();
    const sql = postgres(stack.stack.dbUrl, { max: 1, onnotice: () => {} });
    const dir = await Deno.makeTempDir();
    const port = freePort();
    const front = `http://127.0.0.1:${port}`;
    await Deno.writeTextFile(join(dir, "nginx.conf"), await configuration(stack.url, port, dir));
    const nginx = new Deno.Command("nginx", {
      args: ["-p", dir, "-c", join(dir, "nginx.conf"), "-e", join(dir, "error.log")],
      stdout: "null",
      stderr: "null",
    }).spawn();
    const make = async (body: object) => {
      const answer = await fetch(`${stack.url}/functions/v1/deeplinks`, {
        method: "POST",
        headers: { apikey: stack.stack.secretKey },
        body: JSON.stringify(body),
      });
      return { status: answer.status, ...await answer.json() };
    };
    try {
      await sql`select public.allow_host('www.example.com', 'redirect')`;
      const apps = { android: [{ package: PACKAGE, sha256: [Array(32).fill("AB").join(":")] }] };
      await sql`insert into public.settings (key, value) values ('deeplinks.apps', ${JSON.stringify(apps)})`;
      await until("nginx serves the settings", async () => {
        const file = await fetch(`${front}/.well-known/assetlinks.json`).catch(() => undefined);
        return file?.ok ? (await file.json()).length === 1 : void await file?.body?.cancel();
      });
      const chat = (text: string) => ({
        whatsapp: { phone_number_id: stack.stack.whatsapp.phoneNumberId, text },
      });
      const app = (url: string, fallback: string) => ({
        default_url: `${EXAMPLE}/`,
        targets: [{ app: { url, package: PACKAGE, fallback } }],
      });
      const bodies: [string, object, string][] = [
        ["words of Devanagari", chat("नमस्ते ".repeat(140)), ""],
        ["the longest text", chat("ह".repeat(1000)), ""],
        [
          "the longest page",
          { default_url: `${EXAMPLE}/${"ह".repeat(215)}`, pass_query: true },
          `a=${"b".repeat(6000)}`,
        ],
        [
          "an app with a long fallback",
          app(`${EXAMPLE}/${"ह".repeat(215)}`, `${EXAMPLE}/${"ह".repeat(215)}`),
          "",
        ],
        ["an app, and what the visit brings", {
          ...app(`${EXAMPLE}/${"a".repeat(1900)}`, `${EXAMPLE}/?${"&".repeat(1900)}`),
          pass_query: true,
        }, `a=${"b".repeat(6000)}`],
      ];
      for (const [name, body, query] of bodies) {
        const { status, code, detail } = await make(body);
        assertEquals([status, detail], [201, undefined], name);
        const visit = await fetch(`${front}/${code}?${query}`, { headers: PHONE, redirect: "manual" });
        assertEquals(visit.status, 302, name);
        assert(visit.headers.get("location")!.length > 1900, name);
        await visit.body?.cancel();
      }
      for (
        const body of [
          { default_url: `${EXAMPLE}/${"ह".repeat(225)}` },
          app(`${EXAMPLE}/`, `${EXAMPLE}/${"ह".repeat(225)}`),
        ]
      ) {
        const refused = await make(body);
        assertEquals([refused.status, refused.code], [422, "url_not_allowed"]);
        assert(/longer than 2000 characters as browsers encode it/.test(refused.detail), refused.detail);
      }
    } finally {
      nginx.kill("SIGTERM");
      await nginx.status;
      await sql.end();
      await stack.stop();
      await Deno.remove(dir, { recursive: true });
    }
  },
});
