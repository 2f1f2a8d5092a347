/** The limits of the settings. */
import { z } from "zod";
import { FAULTS } from "./faults.ts";
import type { Settings } from "./model.ts";

const share = z.number().min(0).max(1);

const SETTINGS = z.strictObject({
  batch: z.int().min(1).max(1_000),
  duplicateRate: share,
  shuffleRate: share,
  delayMs: z.number().min(0).max(60_000),
  concurrency: z.int().min(1).max(64),
  statusDelayMs: z.number().min(0).max(60_000),
  autoRead: z.boolean(),
  reviewMs: z.number().min(0).max(3_600_000),
  enforceLimits: z.boolean(),
  enforceWindow: z.boolean(),
  fault: z.string().refine((fault) => Object.hasOwn(FAULTS, fault), "not a known fault").nullable(),
  faultNext: z.int().min(0).max(1_000_000),
  faultRate: share,
});

/** Validates complete settings; a RangeError names the first one outside its limits. */
export function parseSettings(settings: unknown): Settings {
  const result = SETTINGS.safeParse(settings);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new RangeError(`${issue.path.join(".") || "settings"}: ${issue.message}`);
}
