/**
 * What a running function says of itself: which version it is, which kill switches it sees, which revision of the
 * configuration and which state of a flag it goes by. Asked by `gatelink rollback`, which has to know that a change has
 * reached every function, and not just the database.
 *
 * @module
 */
import { env } from "../config/env.ts";
import { killed, killSwitches } from "../config/kill_switch.ts";
import { type Config, loadConfig } from "../db/config.ts";
import { onForAnybody, prepareFlags } from "../flags/evaluate.ts";
import { requireKey } from "../gates/keys.ts";
import { log } from "../log/log.ts";

/** A request with this header, of any method and path, is answered with the function's state. Its value is a flag's key. */
export const STATE_HEADER = "x-gatelink-state";

/** The answer. */
export interface State {
  function: string;
  /** GATELINK_VERSION as this function sees it. */
  version: string;
  /** Every switch that is set: true lets its feature run. */
  kill_switches: Record<string, boolean>;
  /** Of the configuration in memory; null when there is none, because the database is away. */
  config_revision: number | null;
  /** The flag that was asked for, as the gates of this function would take it; null without a configuration. */
  flag: {
    key: string;
    /** The environment stops it. */
    killed: boolean;
    /** On for anybody at all; false for a flag that is not there. */
    on: boolean | null;
  };
}

/**
 * Answers for a function.
 *
 * Failure policy: closed for callers without a secret key; open where the database is away, since that is when it is asked.
 * @throws {Problem} `unauthorized`, `forbidden`, `config_invalid`
 */
export async function state(
  fn: string,
  headers: Headers,
  load: () => Promise<Config> = loadConfig,
): Promise<Response> {
  requireKey(headers);
  const key = headers.get(STATE_HEADER) ?? "";
  let config: Config | undefined;
  try {
    config = await load();
  } catch (error) {
    log.warn("asked for its state, without a configuration", { function: fn, error });
  }
  const said: State = {
    function: fn,
    version: env("GATELINK_VERSION").GATELINK_VERSION,
    kill_switches: killSwitches(),
    config_revision: config?.revision ?? null,
    flag: {
      key,
      killed: killed(key),
      on: config === undefined ? null : onForAnybody(prepareFlags(config.settings, config.segments), key),
    },
  };
  return Response.json(said, { headers: { "cache-control": "no-store" } });
}
