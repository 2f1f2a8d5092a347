/**
 * Tells the database which flags' kill switches are set in the environment, which SQL cannot read: the guard
 * holds their rollouts, and people see why.
 *
 * Failure policy: open. A report that fails is repeated by the next call; the switch itself works without it.
 *
 * @module
 */
import type { Killed } from "../flags/evaluate.ts";
import type { Rpc } from "../db/client.ts";

/** Dependencies of {@linkcode createSwitchReport}. */
export interface SwitchReportDeps {
  rpc: Rpc;
  loadConfig(): Promise<{ settings: readonly { key: string }[] }>;
  killed: Killed;
  /** Milliseconds of a monotonic clock. */
  now(): number;
  onError(error: unknown): void;
}

/** What is the same is told again after this time; the database believes it for ten minutes. */
const AGAIN_MS = 60_000;

/**
 * Returns a function that never throws: it reports when something changed, and what is set again each minute.
 * A process that begins reports in any case, because another environment may have been there before it.
 */
export function createSwitchReport(
  { rpc, loadConfig, killed, now, onError }: SwitchReportDeps,
): () => Promise<void> {
  let told: { flags: string; at: number } | undefined;
  return async () => {
    try {
      const { settings } = await loadConfig();
      const set = settings.map(({ key }) => key).filter((key) => key.endsWith(".enabled") && killed(key))
        .sort();
      const flags = set.join("\n");
      const at = now();
      if (told?.flags === flags && (set.length === 0 || at - told.at < AGAIN_MS)) return;
      await rpc("report_kill_switches", { p_flags: set });
      told = { flags, at };
    } catch (error) {
      onError(error);
    }
  };
}
