import { assertEquals, assertStringIncludes } from "../../../../tests/support/assert.ts";
import { createLogger, type Level, type LoggerOptions } from "./log.ts";

function recorded(options: LoggerOptions = {}) {
  const lines: { level: Level; line: string; json: Record<string, unknown> }[] = [];
  const logger = createLogger({
    level: "debug",
    now: () => Date.UTC(2026, 10, 21),
    sink: (line, level) => lines.push({ line, level, json: JSON.parse(line) }),
    ...options,
  });
  return { logger, lines };
}

Deno.test("log: one JSON object per line with ts, level, msg and the bound fields, all redacted", () => {
  const { logger, lines } = recorded();
  logger.with({ function: "wa-webhook", request_id: "r1" }).warn("stored from +491701234567", {
    phone: "+491701234567",
  });
  assertEquals(lines.map(({ level, json }) => ({ level, json })), [{
    level: "warn",
    json: {
      ts: "2026-11-21T00:00:00.000Z",
      level: "warn",
      msg: "stored from +…4567",
      function: "wa-webhook",
      request_id: "r1",
      phone: "…4567",
    },
  }]);
});

Deno.test("log: fields cannot overwrite ts, level and msg", () => {
  const { logger, lines } = recorded();
  logger.info("real", { msg: "forged", level: "debug", ts: "0" });
  assertEquals(lines[0].json.msg, "real");
  assertEquals(lines[0].json.level, "info");
  assertEquals(Object.keys(lines[0].json), ["ts", "level", "msg"]);
});

Deno.test("log: a value with line breaks stays on one line", () => {
  const { logger, lines } = recorded();
  logger.info("a", { note: 'x\n{"level":"error"}\r\u2028' });
  assertEquals(lines[0].line.includes("\n"), false);
});

Deno.test("log: levels below the configured one are silent", () => {
  const { logger, lines } = recorded({ level: "warn" });
  logger.debug("a");
  logger.info("a");
  logger.warn("a");
  logger.error("a");
  assertEquals(lines.map(({ level }) => level), ["warn", "error"]);
});

Deno.test("log: a line stays within the platform's 10,000 characters and is valid JSON", () => {
  const { logger, lines } = recorded();
  const fields = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`field_${i}`, '"'.repeat(1900)]));
  logger.error("big", fields);
  assertEquals(lines[0].line.length <= 10_000, true);
  assertEquals(lines[0].json.cut, true);
  assertStringIncludes(String(lines[0].json.field_0), '"');
});

Deno.test("log: a flood of one message is suppressed and counted, and does not silence others", () => {
  let at = 0;
  const { logger, lines } = recorded({ now: () => at, perWindow: 3, windowMs: 1000 });
  for (let i = 0; i < 10; i++) logger.warn("flood", { i });
  logger.warn("other");
  assertEquals(lines.map(({ json }) => json.msg), ["flood", "flood", "flood", "other"]);
  at = 1000;
  logger.warn("flood");
  assertEquals(lines.at(-1)?.json.suppressed, 7);
});

Deno.test("log: a sink that throws does not affect the caller", () => {
  const logger = createLogger({
    level: "debug",
    sink: () => {
      throw new Error("console is gone");
    },
  });
  logger.error("x");
});

Deno.test("log: nothing else in the functions prints", async () => {
  const root = new URL("../../", import.meta.url);
  const offenders: string[] = [];
  async function walk(folder: URL): Promise<void> {
    for await (const entry of Deno.readDir(folder)) {
      const url = new URL(entry.name + (entry.isDirectory ? "/" : ""), folder);
      if (entry.isDirectory) await walk(url);
      else if (
        /\.ts$/.test(entry.name) && !/_test\.ts$/.test(entry.name) && !url.pathname.endsWith("/log/log.ts")
      ) {
        const text = await Deno.readTextFile(url);
        if (/\bconsole\s*(\.\s*[a-z]+\s*\(|\[)|Deno\.std(out|err)/.test(text)) offenders.push(url.pathname);
      }
    }
  }
  await walk(root);
  assertEquals(offenders, []);
});
