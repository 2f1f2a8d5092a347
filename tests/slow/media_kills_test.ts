/**
 * 200 files of 16 MB are stored on arrival while the host of the functions is killed: none is lost whose message was
 * acknowledged, and neither storing nor giving them out takes more than 128 MB of memory.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { createHash } from "node:crypto";
import postgres from "postgres";
import { startStack } from "../support/stack.ts";
import { atLeast, until } from "../support/until.ts";

const FILES = 200, BYTES = 16 * 1024 * 1024, CONTENTS = 4;
/** How many are stored when the host is killed. */
const KILLS = [20, 80, 140];
const MOST_ABOVE_IDLE = 128 * 1024 * 1024;
const PATIENCE = { withinMs: 900_000 };

/** Memory of a process in bytes, without the pages of the program's own file, which come as it runs; 0 while there is none. */
async function memoryOf(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Bytes of which each content has others. */
function contentOf(n: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BYTES);
  for (let i = 0; i < BYTES; i++) bytes[i] = (i * 31 + (i >> 9) + n * 97) & 255;
  return bytes;
}

Deno.test({
  name: "killed in between, 200 files of 16 MB are stored whole, in 128 MB of memory",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const stack = await startStack();
    const sql = postgres(stack.stack.dbUrl, { max: 2, onnotice: () => {} });
    const key = { apikey: stack.stack.secretKey };
    let peak = 0, sampling = true;
    try {
      await sql`insert into public.settings (key, value) values ('media.store', 'true')`;
      const post = async (path: string, body: BodyInit, type = "application/json") => {
        const response = await fetch(`${stack.url}/simulator/api/${path}`, {
          method: "POST",
          headers: { "content-type": type },
          body,
        });
        assertEquals(response.status, 200, path);
        return await response.json();
      };
      const hashes = new Map<string, string>();
      for (let n = 0; n < CONTENTS; n++) {
        const bytes = contentOf(n);
        const { id } = await post(`media?type=video/mp4&name=${n}.mp4`, bytes, "application/octet-stream");
        hashes.set(id, createHash("sha256").update(bytes).digest("hex"));
      }
      const { id: contact } = await post("contacts", JSON.stringify({ name: "Ada", phone: "4915100004713" }));
      const ids = [...hashes.keys()];
      const sends = (n: number) =>
        post(
          "send",
          JSON.stringify({ contact, message: { type: "video", video: { id: ids[n % CONTENTS] } } }),
        );
      const stored = async () => {
        const [{ n }] = await sql`select count(*)::int as n from public.media_files where state = 'stored'`;
        return n as number;
      };
      // Every function is loaded, also those that the clock calls, and has done its work once: the memory of a program
      // is not that of the files.
      for await (const { name, isDirectory } of Deno.readDir("supabase/functions")) {
        if (!isDirectory || name.startsWith("_")) continue;
        const response = await fetch(`${stack.url}/functions/v1/${name}`, { method: "OPTIONS" });
        await response.body?.cancel();
      }
      await sends(0);
      await until("the first is stored", async () => await stored() === 1, PATIENCE);
      const [first] = await sql`select id from public.messages where type = 'video'`;
      const given = await fetch(`${stack.url}/functions/v1/wa-media/${first.id}`, { headers: key });
      assertEquals(given.status, 200);
      await given.body?.pipeTo(new WritableStream());
      const idle = await memoryOf(stack.pids()!.functions);
      assert(idle > 0);
      const sampled = (async () => {
        while (sampling) {
          peak = Math.max(peak, await memoryOf(stack.pids()!.functions));
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      })();

      for (let n = 1; n < FILES; n++) await sends(n);
      for (const after of KILLS) {
        await until(`${after} are stored`, atLeast(after, stored), PATIENCE);
        const { functions } = stack.pids()!;
        Deno.kill(functions, "SIGKILL");
        await until("the host is restarted", () => stack.pids()!.functions !== functions, PATIENCE);
        // Time passes: the leases of the dead worker end.
        await sql`update public.media_files set next_attempt_at = now() where state = 'pending' and lease is not null`;
      }
      await until("all are stored", atLeast(FILES, stored), PATIENCE);

      const acknowledged =
        await sql`select id, native #>> '{video,id}' as media from public.messages where type = 'video'`;
      assertEquals(acknowledged.length, FILES);
      // Meta has none any more: whatever is given out was stored.
      for (const id of ids) await post("media/expire", JSON.stringify({ id }));
      const queue = [...acknowledged];
      const fetched = async () => {
        for (let next; (next = queue.pop()) !== undefined;) {
          const response = await fetch(`${stack.url}/functions/v1/wa-media/${next.id}`, { headers: key });
          assertEquals(response.status, 200);
          const hash = createHash("sha256");
          for await (const chunk of response.body!) hash.update(chunk);
          assertEquals(hash.digest("hex"), hashes.get(next.media));
        }
      };
      await Promise.all(Array.from({ length: 6 }, fetched));
      sampling = false;
      await sampled;
      assert(
        peak - idle <= MOST_ABOVE_IDLE,
        `${Math.round((peak - idle) / 2 ** 20)} MB above the ${
          Math.round(idle / 2 ** 20)
        } MB of an idle host`,
      );
      console.log(
        `peak ${Math.round((peak - idle) / 2 ** 20)} MB above idle, ${Math.round(idle / 2 ** 20)} MB`,
      );
    } finally {
      sampling = false;
      await sql.end();
      await stack.stop();
    }
  },
});
