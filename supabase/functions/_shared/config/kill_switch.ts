/**
 * Kill switches: stopping a feature through the environment, without the database. The first of all gates.
 *
 * `FEATURE_ENABLED=false` stops every feature, `<FEATURE>_ENABLED=false` one: `WA_ROUTER_ENABLED` stops
 * `wa_router.enabled` (also written `wa_router` or `wa-router`). A feature whose switch is not set runs. Some
 * features also have an alias, the name in a team's manual; either of the two stops the feature.
 *
 * Failure policy: closed. An operator who sets a switch to an unknown word probably meant to stop something,
 * so only `true`, `1`, `on` and `yes` let the feature run.
 *
 * @module
 */

const YES = /^(true|1|on|yes)$/i;

/**
 * Alias of a feature's switch, by feature: `messaging_v1` is the feature of the flag `messaging_v1.enabled`.
 */
export const SWITCH_ALIASES: Readonly<Record<string, string>> = {
  messaging_v1: "ENABLE_MESSAGING_V1",
  proactive_thread_creation: "ENABLE_PROACTIVE_THREAD_CREATION",
  sitter_messages_v1: "ENABLE_SITTER_MESSAGES_V1",
  dynamic_routing: "DYNAMIC_ROUTING",
  email_replies: "EMAIL_REPLIES",
};

/** Whether the environment stops this feature. Reads the environment at each call, which is cheap. */
export function killed(feature: string): boolean {
  const name = switchName(feature);
  const alias = aliases.get(name);
  return isOff("FEATURE_ENABLED") || isOff(name) || (alias !== undefined && isOff(alias));
}

/**
 * Whether the environment switches this feature on by its alias: for features that a manual turns on there,
 * where no setting says otherwise. {@linkcode killed} comes first.
 */
export function switchedOn(feature: string): boolean {
  const alias = aliases.get(switchName(feature));
  return alias !== undefined && YES.test(Deno.env.get(alias)?.trim() ?? "");
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

/** Every switch that is set, including aliases, by name: true if it lets its feature run. */
export function killSwitches(): Record<string, boolean> {
  const others = new Set(aliases.values());
  const set = Object.keys(Deno.env.toObject())
    .filter((name) => /^[A-Z][A-Z0-9_]*_ENABLED$/.test(name) || others.has(name)).sort();
  return Object.fromEntries(
    set.filter((name) => Deno.env.get(name)?.trim()).map((name) => [name, !isOff(name)]),
  );
}

const names = new Map<string, string>();
/** {@linkcode SWITCH_ALIASES} by switch name, which is the same for every spelling of a feature. */
const aliases = new Map(
  Object.entries(SWITCH_ALIASES).map(([feature, alias]) => [switchName(feature), alias]),
);

function isOff(name: string): boolean {
  const value = Deno.env.get(name)?.trim();
  return value !== undefined && value !== "" && !YES.test(value);
}
