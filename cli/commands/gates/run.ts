/** Runs the launch gates. */
import { ROOT } from "../../../lib/paths.ts";
import { ALERTS } from "./alerts.ts";
import { CODE_GATES } from "./code.ts";
import { DATABASE_GATES } from "./database.ts";
import { GREEN_GATES } from "./green.ts";
import { CHECKLIST } from "./list.ts";
import { describeSignature, SIGNED_GATES } from "./people.ts";
import { stagingGates } from "./staging.ts";
import { SECURITY_GATES } from "./security.ts";
import {
  type Finding,
  type Gate,
  type GateContext,
  type GateResult,
  type Health,
  SECTIONS,
  signaturesOf,
} from "./gate.ts";
import { FACT_GATES } from "../../../supabase/functions/_shared/rollouts/fact_gates.ts";
import { told } from "../../core/errors.ts";
import type { Session } from "../../core/session.ts";

/**
 * The checklist with the check of each gate. A check that examines more than the database takes precedence.
 */
export const GATES: readonly Gate[] = CHECKLIST.map(({ id }) =>
  [
    ...CODE_GATES,
    ...GREEN_GATES,
    ...DATABASE_GATES,
    ...SECURITY_GATES,
    ALERTS,
    ...SIGNED_GATES,
    ...FACT_GATES,
  ]
    .find((gate) => gate.id === id)!
);

/**
 * Runs all gates, or those that concern no flag.
 * @param root The checkout to examine. @default the one that this runs from
 * @param projectRef Reference of a hosted project, if its URL does not contain it.
 * @param only Ids of the gates to run. @default all
 * @param stagingUrl A second stack to ask. @default STAGING_URL of the environment; without either none is asked
 */
export async function runGates(
  session: Session,
  flag: string | undefined,
  { root = ROOT, projectRef, only, stagingUrl = session.io.env.STAGING_URL }: {
    root?: string;
    projectRef?: string;
    only?: readonly string[];
    stagingUrl?: string;
  } = {},
): Promise<GateResult[]> {
  const api = await session.api();
  const [facts, health] = await Promise.all([
    api.rpc("launch_facts", { p_flag_key: flag ?? "" }),
    askHealth(api.stack.url),
  ]);
  const world: GateContext = {
    session,
    api,
    root,
    projectRef,
    flag,
    facts,
    health,
    local: api.stack.functions !== undefined,
    now: new Date(),
  };
  const results: GateResult[] = [];
  for (const gate of GATES) {
    if (gate.ofFlag && flag === undefined) continue;
    if (gate.flag !== undefined && gate.flag !== flag) continue;
    if (only !== undefined && !only.includes(gate.id)) continue;
    session.progress(`${gate.id} …`);
    const { id, section, title } = gate;
    results.push({ id, section, title, ...await look(gate, world) });
  }
  if (stagingUrl && only === undefined) {
    session.progress("staging …");
    results.push(...await stagingGates(stagingUrl, session.io, flag, facts));
    results.sort((a, b) => SECTIONS.indexOf(a.section) - SECTIONS.indexOf(b.section));
  }
  return results;
}

/** A failed check leaves the gate open; a gate that people declared not applicable is closed. */
async function look(gate: Gate, world: GateContext): Promise<Finding> {
  const waived = signaturesOf(world.facts, gate.id, gate.roles).find(({ applies }) => !applies);
  if (waived) return { status: "not_applicable", detail: describeSignature(waived) };
  try {
    return await gate.check(world);
  } catch (error) {
    const { message, hint } = told(error);
    return { status: "open", detail: `check failed: ${message}`, how: hint?.split("\n")[0] ?? "See above" };
  }
}

async function askHealth(url: string): Promise<Health> {
  try {
    const response = await fetch(`${url}/functions/v1/health`, { signal: AbortSignal.timeout(10_000) });
    return await response.json();
  } catch {
    return {};
  }
}
