/**
 * Kill switches: the environment's way to stop a feature without the database. First of all gates.
 *
 * `FEATURE_ENABLED=false` stops every feature, `<FEATURE>_ENABLED=false` one: `wa_router.enabled` (or
 * `wa_router`, `wa-router`) is stopped by `WA_ROUTER_ENABLED`. A feature whose switch is not set runs. Some features have
 * an alias besides, a name that a team's manual knows; either of the two stops the feature.
 *
 * Failure policy: closed. Whoever sets a switch to a word that is not known wanted something to stop, so
 * only a plain yes (`true`, `1`, `on`, `yes`) lets the feature run.
 *
 * @module
 */

const YES = /^(true|1|on|yes)$/i;

/** The other name of a feature's switch, by the feature: `messaging_v1` stands under the flag `messaging_v1.enabled`. */
export const SWITCH_ALIASES: Readonly<Record<string, string>> = {
  messaging_v1: "ENABLE_MESSAGING_V1",
  proactive_thread_creation: "ENABLE_PROACTIVE_THREAD_CREATION",
  sitter_messages_v1: "ENABLE_SITTER_MESSAGES_V1",
  dynamic_routing: "DYNAMIC_ROUTING",
  email_replies: "EMAIL_REPLIES",
};

/** Whether the environment stops this feature. Reads the environment at each call: it is cheap. */
export function killed(feature: string): boolean {
  const name = switchName(feature);
  const alias = aliases.get(name);
  return isOff("FEATURE_ENABLED") || isOff(name) || (alias !== undefined && isOff(alias));
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

/** Every switch that is set, aliases too, by name: true when it lets its feature run. */
export function killSwitches(): Record<string, boolean> {
  const others = new Set(aliases.values());
  const set = Object.keys(Deno.env.toObject())
    .filter((name) => /^[A-Z][A-Z0-9_]*_ENABLED$/.test(name) || others.has(name)).sort();
  return Object.fromEntries(
    set.filter((name) => Deno.env.get(name)?.trim()).map((name) => [name, !isOff(name)]),
  );
}

const names = new Map<string, string>();
/** {@linkcode SWITCH_ALIASES} by the switch, under which every way to name a feature comes together. */
const aliases = new Map(
  Object.entries(SWITCH_ALIASES).map(([feature, alias]) => [switchName(feature), alias]),
);

function isOff(name: string): boolean {
  const value = Deno.env.get(name)?.trim();
  return value !== undefined && value !== "" && !YES.test(value);
}
