/**
 * What analysis takes from the environment. Read at each use, because secrets change while a worker lives.
 *
 * @module
 */
import { configFaults, env } from "../config/env.ts";
import type { Model } from "./model.ts";

/** The team's model; undefined without a key, which is no fault: rules and classifier answer then. */
export function model(): Model | undefined {
  if (configFaults("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL").length > 0) return undefined;
  const { OPENAI_API_KEY: key, OPENAI_BASE_URL: url, OPENAI_MODEL: name } = env(
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
  );
  return key === undefined ? undefined : { key, url, name };
}
