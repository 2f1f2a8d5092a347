/** The options of `gatelink setup` and `gatelink upgrade`. */
import type { Service } from "./service.ts";
import type { TargetOptions } from "./target.ts";

/** Options of setup. */
export interface SetupOptions extends TargetOptions {
  admin?: string;
  service?: Service;
  account?: string[];
  wait?: number;
  message: boolean;
  dryRun?: boolean;
}

/** Options of upgrade. */
export interface UpgradeOptions extends TargetOptions {
  anyway?: boolean;
  dryRun?: boolean;
}
