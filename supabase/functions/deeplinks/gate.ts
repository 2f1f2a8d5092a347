/**
 * What stands before everything that manages links: the kill switch, who asks, and how often.
 *
 * @module
 */
import { Problem } from "../_shared/http/problem.ts";
import type { TeamRole } from "../_shared/contract/states.ts";
import type { Authorise } from "../_shared/gates/team.ts";
import type { Call } from "./handler.ts";

/** Lets a caller with the role in and gives who it is; throws a Problem for all others. */
export type Gate = (call: Call, role: TeamRole) => Promise<string>;

/** Makes a {@linkcode Gate}. */
export function createGate(authorise: Authorise, killed: () => boolean): Gate {
  return async ({ request }, role) => {
    if (killed()) throw new Problem("disabled_by_environment");
    return await authorise(request.headers, role);
  };
}
