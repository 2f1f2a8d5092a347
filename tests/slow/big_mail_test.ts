/** A mail as large as SendGrid posts any costs an isolate of the platform neither its memory nor its time. */
import { assert, assertEquals } from "../support/assert.ts";
import { cpuOf } from "../../bench/pipeline/cpu.ts";
import { BIG_FILE } from "../../local/simulator/mail/reactions.ts";
import { configSeen } from "../support/config_seen.ts";
import { startMailStack } from "../support/mail_stack.ts";

/** What a worker of the platform has. */
const MOST_MEMORY = 256 * 1024 * 1024;
const MOST_CPU_MS = 2_000;

/** Memory of a process in bytes, without the pages of the program's own file. */
async function memoryOf(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

Deno.test({
  name: "a mail of 30 MB is taken in within 256 MB and 2 s of CPU, its file whole",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const mail = await startMailStack();
    const { sql, stack } = mail;
    try {
      const to = "casey@example.org";
      await mail.send({ to, subject: "Your order is ready", text: "Come and get it." });
      const answersTo = (await mail.mailTo(to)).replyTo!.email;
      // It is taken in; what a forward takes is another matter.
      await sql`insert into public.settings (key, value) values ('email_router.enabled', 'false')
        on conflict (key) do update set value = excluded.value`;
      await configSeen(stack, sql);
      const receive = (n: number, size: number) =>
        mail.receive({
          from: { address: to },
          to: answersTo,
          subject: "Re: Your order is ready",
          text: `Here it is, ${n}.`,
          messageId: `big-${n}@example.org`,
          attachments: [{ name: "pictures.zip", type: "application/zip", size }],
        });
      // Everything is loaded and compiled.
      await receive(0, 100);
      const { functions } = stack.pids();
      const idle = await memoryOf(functions), before = cpuOf({ functions });
      let peak = 0, isSampling = true;
      const sampled = (async () => {
        while (isSampling) {
          peak = Math.max(peak, await memoryOf(functions));
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      })();
      await receive(1, BIG_FILE);
      isSampling = false;
      await sampled;
      const cpuMs = (cpuOf({ functions }).functions - before.functions) / 1000;
      assert(cpuMs <= MOST_CPU_MS, `it took ${cpuMs.toFixed(0)} ms of CPU`);
      assert(peak - idle <= MOST_MEMORY, `it took ${Math.round((peak - idle) / 1e6)} MB`);
      const stored = await sql`
        select m.native -> 'attachments' -> 0 ->> 'size' as size from public.messages m
        where m.provider_id = '<big-1@example.org>'`;
      assertEquals(stored.map(({ size }) => Number(size)), [Math.ceil(BIG_FILE / 3) * 3]);
    } finally {
      await mail.stop();
    }
  },
});
