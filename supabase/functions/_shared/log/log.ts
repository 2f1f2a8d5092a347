/**
 * The only module that prints. One JSON object per line: `{"ts","level","msg","function"?,"request_id"?,
 * …fields}`, with every value redacted (`redact.ts`).
 *
 * The platform accepts at most 10,000 characters per line and 100 lines per 10 s, so lines are bounded and
 * each message is printed at most 20 times per 10 s; its next line then says how many were `suppressed`. Use
 * a counter (`db/counters.ts`), not the log, for exact counts.
 *
 * Failure policy: logging never throws and never fails a request.
 *
 * @module
 */
import { redactValue } from "./redact.ts";

/** Severity, in ascending order. */
export type Level = "debug" | "info" | "warn" | "error";

/** Fields of a line besides its message. Keys in snake case. */
export type Fields = Record<string, unknown>;

/** A logger; see {@linkcode log}. */
export interface Logger {
  debug(msg: string, fields?: Fields): void;
  info(msg: string, fields?: Fields): void;
  warn(msg: string, fields?: Fields): void;
  error(msg: string, fields?: Fields): void;
  /** Returns a logger that adds these fields. */
  with(fields: Fields): Logger;
}

/** Options of {@linkcode createLogger}. */
export interface LoggerOptions {
  /** Lowest level printed. @default {LOG_LEVEL from the environment, else "info"} */
  level?: Level;
  /** Receives each finished line. @default {the console method of the level} */
  sink?: (line: string, level: Level) => void;
  /** Milliseconds since the epoch. @default {Date.now} */
  now?: () => number;
  /** Most lines of one message per window. @default {20} */
  perWindow?: number;
  /** Length of that window in milliseconds. @default {10_000} */
  windowMs?: number;
}

const RANK: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const MAX_LINE = 9000;
const MAX_MESSAGES = 500;

/** Creates a logger; the functions share {@linkcode log}. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const { sink = print, now = Date.now, perWindow = 20, windowMs = 10_000 } = options;
  const seen = new Map<string, { from: number; lines: number; suppressed: number }>();
  let lowest = options.level;

  /** Number of lines suppressed before this one, or undefined when this one is suppressed too. */
  function admit(msg: string, at: number): number | undefined {
    let entry = seen.get(msg);
    if (entry === undefined || at - entry.from >= windowMs) {
      const suppressed = entry?.suppressed ?? 0;
      if (seen.size >= MAX_MESSAGES) seen.clear(); // messages are constants; this guards against one that is not
      entry = { from: at, lines: 0, suppressed: 0 };
      seen.set(msg, entry);
      entry.lines = 1;
      return suppressed;
    }
    if (entry.lines >= perWindow) {
      entry.suppressed++;
      return undefined;
    }
    entry.lines++;
    return 0;
  }

  function write(level: Level, msg: string, bound: Fields, fields: Fields | undefined): void {
    lowest ??= environmentLevel();
    if (RANK[level] < RANK[lowest]) return;
    try {
      const at = now();
      const suppressed = admit(msg, at);
      if (suppressed === undefined) return;
      const head = { ts: new Date(at).toISOString(), level, msg: redactValue(msg) as string };
      const tail = suppressed > 0 ? { suppressed } : {};
      const rest = redactValue({ ...bound, ...fields }) as Fields;
      // The head twice: first in the line, and not to be overwritten by a field.
      let line = JSON.stringify({ ...head, ...rest, ...head, ...tail });
      if (line.length > MAX_LINE) {
        line = JSON.stringify({ ...head, ...shorten(rest), ...head, ...tail, cut: true });
      }
      sink(line, level);
    } catch {
      // Nothing to be done about a console that fails, and no request may suffer from it.
    }
  }

  function bind(bound: Fields): Logger {
    return {
      debug: (msg, fields) => write("debug", msg, bound, fields),
      info: (msg, fields) => write("info", msg, bound, fields),
      warn: (msg, fields) => write("warn", msg, bound, fields),
      error: (msg, fields) => write("error", msg, bound, fields),
      with: (fields) => bind({ ...bound, ...fields }),
    };
  }

  return bind({});
}

/** The logger of this process. */
export const log: Logger = createLogger();

/** Shortens fields that are already safe: short ones stay, long ones become the start of their JSON. */
function shorten(fields: Fields): Fields {
  const result: Fields = {};
  let left = MAX_LINE - 1500;
  for (const [key, value] of Object.entries(fields)) {
    const json = JSON.stringify(value);
    if (json === undefined) continue;
    const kept = json.length <= 500 ? value : json.slice(0, 500) + "…";
    const size = JSON.stringify(kept).length + key.length;
    if (size > left) continue;
    left -= size;
    result[key] = kept;
  }
  return result;
}

function environmentLevel(): Level {
  const level = Deno.env.get("LOG_LEVEL")?.trim().toLowerCase() ?? "";
  return level in RANK ? level as Level : "info";
}

function print(line: string, level: Level): void {
  console[level](line);
}
