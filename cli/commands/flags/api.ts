/** Reads and writes flags for the command line. */
import type { Row } from "../../../supabase/functions/_shared/contract/sql.ts";
import { InvalidArgumentError } from "commander";
import { allRows, type Api, PAGE } from "../../core/api.ts";
import { CliError } from "../../core/errors.ts";

/** A flag's row in `settings`; its value is `true` or `false`. */
export type FlagRow = Pick<
  Row<"settings">,
  "key" | "value" | "metadata" | "version" | "updated_at" | "updated_by"
>;

const COLUMNS = "key,value,metadata,version,updated_at,updated_by";

/** All flags, by key. */
export function listFlags(api: Api): Promise<FlagRow[]> {
  return allRows<FlagRow>(api, (client, last) => {
    const asked = client.from("settings").select(COLUMNS).like("key", "%.enabled").order("key").limit(PAGE);
    return last === undefined ? asked : asked.gt("key", last.key);
  });
}

/** The flag with this key. @throws {CliError} not_found */
export async function flagNamed(api: Api, key: string): Promise<FlagRow> {
  const [flag] = await api.rows((client) => client.from("settings").select(COLUMNS).eq("key", key));
  if (flag) return flag;
  throw new CliError(
    "not_found",
    `There is no flag ${key}.`,
    `gatelink flags list shows them; gatelink flags set ${key} off --new --why "…" creates it.`,
  );
}

/** A prerequisite that keeps a flag off for everybody. */
export interface Unmet {
  key: string;
  why: "missing" | "off";
}

/** The direct and indirect prerequisites of a flag that are off for everybody or missing. */
export function unmet({ key, metadata }: Pick<FlagRow, "key" | "metadata">, rows: FlagRow[]): Unmet[] {
  const flags = new Map(rows.map((row) => [row.key, row]));
  const seen = new Set([key]), found: Unmet[] = [];
  const look = (needs: string[] = []) => {
    for (const need of needs.filter((need) => !seen.has(need))) {
      seen.add(need);
      const flag = flags.get(need);
      if (flag === undefined) found.push({ key: need, why: "missing" });
      else if (flag.value !== "true") found.push({ key: need, why: "off" });
      look(flag?.metadata.prerequisites);
    }
  };
  look(metadata.prerequisites);
  return found;
}

/** `nothere.enabled is not there, other.enabled is off`. */
export function describeUnmet(list: Unmet[]): string {
  return list.map(({ key, why }) => `${key} is ${why === "off" ? "off" : "not there"}`).join(", ");
}

/** A flag's key, as people type it: `deeplinks` is `deeplinks.enabled`. */
export function flagKey(text: string): string {
  const key = /\.enabled$/.test(text) ? text : `${text}.enabled`;
  if (/^[a-z0-9][a-z0-9._-]*\.enabled$/.test(key) && key.length <= 200) return key;
  throw new InvalidArgumentError("Use a flag's key, like deeplinks.enabled.");
}

/** A percentage in steps of 0.01. */
export function percentage(text: string): number {
  const value = Number(text.replace(/ ?%$/, ""));
  // 0.29 * 100 is not whole, but its nearest whole number is 29 hundredths.
  if (text.trim() !== "" && value >= 0 && value <= 100 && Math.round(value * 100) / 100 === value) {
    return value;
  }
  throw new InvalidArgumentError("Use a percentage from 0 to 100 in steps of 0.01.");
}

/** The version to write: the given one, else the current one. */
export function versionOf(flag: { version: number }, given: number | undefined): number {
  return given ?? flag.version;
}

/**
 * Commands that turn a flag on again.
 * @param was The version in which it was on; undefined if unknown. A rollout that ends leaves the percentage
 *   at 0, so `flags set FLAG on` would turn it on for nobody.
 */
export function again(flag: string, was: number | undefined): string {
  return `gatelink flags ${
    was === undefined ? `set ${flag} on --percentage 100` : `restore ${flag} ${was}`
  } ` +
    `--why "…"; or by stages: gatelink rollout create ${flag} --template canary`;
}

/**
 * A warning if a flag does not exist: what stands under it is off for everybody. Empty if it exists, or none is given.
 */
export async function unknownFlag(api: Api, key: unknown): Promise<string> {
  if (typeof key !== "string" || key === "") return "";
  const [found] = await api.rows((client) => client.from("settings").select("key").eq("key", key));
  return found === undefined
    ? `\n\nWarning: there is no flag ${key}, so this applies to nobody. To create it: gatelink flags set ${key} off --new --why "…"`
    : "";
}
