/**
 * The state of a running function: its version, the kill switches that it sees, the revision of its
 * configuration, and the state of a flag. `gatelink rollback` asks for it to verify that a change has reached
 * every function, and not only the database.
 *
 * @module
 */
import { env } from "../config/env.ts";
import { killed, killSwitches } from "../config/kill_switch.ts";
import type { FunctionState } from "../contract/http/operation.ts";
import { type Config, loadConfig } from "../db/config.ts";
import { onForAnybody, prepareFlags } from "../flags/evaluate.ts";
import { requireKey } from "../gates/keys.ts";
import { log } from "../log/log.ts";

/**
 * A request with this header, of any method and path, is answered with the function's state. Its value is a
 * flag's key.
 */
export const STATE_HEADER = "x-gatelink-state";

/**
 * Returns the state of a function.
 *
 * Failure policy: closed for callers without a secret key; open while the database is unavailable, because
 * the state is needed exactly then.
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
  const said: FunctionState = {
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
