/** Whether somebody is told when something goes wrong. */
import { readFile } from "node:fs/promises";
import { join } from "../../../lib/paths.ts";
import { entry, type Gate, open, passed } from "./gate.ts";

/** The alert rules, for Prometheus. */
const RULES = "ops/prometheus/alerts.yml";

export const ALERTS: Gate = {
  ...entry("alerts"),
  async check({ facts, root }) {
    const text = await readFile(join(root, RULES), "utf8").catch(() => "");
    const rules = text.match(/^ +- alert: /gm)?.length ?? 0;
    if (rules === 0) {
      return open(`${RULES} has no alert rules`, "Use those of the release: docs/operations.md");
    }
    return facts.told.length > 0
      ? passed(`${rules} rules in ${RULES}; notified of pages and rollbacks: ${facts.told.join(", ")}`)
      : open(
        "nobody is notified when a rollout pages or rolls back",
        "gatelink rollout notify add NAME URL",
      );
  },
};
