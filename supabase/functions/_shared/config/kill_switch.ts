/**
 * Kill switches: the environment's way to stop a feature without the database. First of all gates.
 *
 * `FEATURE_ENABLED=false` stops every feature, `<FEATURE>_ENABLED=false` one: `wa_router.enabled` (or
 * `wa_router`, `wa-router`) is stopped by `WA_ROUTER_ENABLED`. A feature whose switch is not set runs.
 *
 * Failure policy: closed. Whoever sets a switch to a word that is not known wanted something to stop, so
 * only a plain yes (`true`, `1`, `on`, `yes`) lets the feature run.
 *
 * @module
 */

const YES = /^(true|1|on|yes)$/i;

/** Whether the environment stops this feature. Reads the environment at each call: it is cheap. */
export function killed(feature: string): boolean {
  return isOff("FEATURE_ENABLED") || isOff(switchName(feature));
}

/** The variable that stops a feature: `wa_router.enabled` -> `WA_ROUTER_ENABLED`. */
export function switchName(feature: string): string {
  let name = names.get(feature);
  if (name === undefined) {
    name = feature.replace(/[._-]enabled$/i, "").replace(/[^A-Za-z0-9]+/g, "_").toUpperCase() + "_ENABLED";
    if (names.size < 1000) names.set(feature, name);
  }
  return name;
}

/** Every switch that is set, by name: true when it lets its feature run. */
export function killSwitches(): Record<string, boolean> {
  const set = Object.keys(Deno.env.toObject()).filter((name) => /^[A-Z][A-Z0-9_]*_ENABLED$/.test(name))
    .sort();
  return Object.fromEntries(
    set.filter((name) => Deno.env.get(name)?.trim()).map((name) => [name, !isOff(name)]),
  );
}

const names = new Map<string, string>();

function isOff(name: string): boolean {
  const value = Deno.env.get(name)?.trim();
  return value !== undefined && value !== "" && !YES.test(value);
}
