/**
 * Buffers clicks for the database: recorded at once, written in groups after the answers, as `_shared/db/write_behind.ts`
 * describes. What counts on a row that was written before is sent beside the rows.
 *
 * @module
 */
import type { Rpc } from "../../db/client.ts";
import { createWriteBehind, type Part, type WriteBehindOptions } from "../../db/write_behind.ts";
import { type Click, ClickLines } from "./lines.ts";

/** Options of {@linkcode createClicks}. */
export interface ClicksOptions extends Omit<WriteBehindOptions<Click>, "lines" | "write" | "aside"> {
  rpc: Rpc;
}

/** See the module. */
export interface Clicks {
  /** Records a click. Never fails, never waits. */
  record(click: Click): void;
  /** Counts one more click on the row of a click passed to {@linkcode record}. Never fails, never waits. */
  again(row: Click): void;
  /** Resolves once all recorded clicks are written or dropped, and no more arrive. */
  settled(): Promise<void>;
  /** Resolves once all clicks recorded so far are written or dropped. */
  written(): Promise<void>;
  /** Number of clicks not yet written. */
  waiting(): number;
}

/** Time limit of a call, in milliseconds. */
const TIMEOUT = { timeoutMs: 30_000 };

/** Creates a {@linkcode Clicks}. */
export function createClicks({ rpc, ...options }: ClicksOptions): Clicks {
  /** Each isolate counts in its own slot, so that isolates do not wait for each other's rows. */
  const p_slot = crypto.getRandomValues(new Uint8Array(1))[0] & 15;
  /** Additional clicks counted on each row since they were last sent. */
  let repeated = new Map<Click, number>();

  /** The number of further visits of each row. */
  function repeatsPart(rows: [Click, number][]): Part {
    const lines = new ClickLines();
    for (const [row, visits] of rows) lines.add(row, visits);
    const p_repeats = lines.text();
    return {
      write: (p_batch) => rpc("record_repeats", { p_batch, p_slot, p_repeats }, TIMEOUT),
      rows: rows.reduce((sum, [, visits]) => sum + visits, 0),
      halves: () => {
        if (rows.length < 2) return undefined;
        const half = rows.length >> 1;
        return [repeatsPart(rows.slice(0, half)), repeatsPart(rows.slice(half))];
      },
    };
  }

  const { start, ...buffer } = createWriteBehind<Click>({
    ...options,
    lines: () => new ClickLines(),
    write: (p_batch, p_clicks) => rpc("record_clicks", { p_batch, p_slot, p_clicks }, TIMEOUT),
    aside: {
      take() {
        const rows = [...repeated];
        repeated = new Map();
        return Array.from(
          { length: Math.ceil(rows.length / MAX_REPEATS) },
          (_, i) => repeatsPart(rows.slice(i * MAX_REPEATS, (i + 1) * MAX_REPEATS)),
        );
      },
      waiting: () => repeated.size,
    },
  });

  function again(row: Click): void {
    repeated.set(row, (repeated.get(row) ?? 0) + 1);
    start();
  }

  return { ...buffer, again };
}

/** Maximum rows of one `record_repeats` call. */
const MAX_REPEATS = 1000;
