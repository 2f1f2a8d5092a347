/** Who is signed in, and what the person may do. The database refuses what is not allowed whatever this says. */
import { createContext, type ReactNode, useContext } from "react";
import { TEAM_ROLES, type TeamRole } from "../../../supabase/functions/_shared/contract/states.ts";

export type Role = TeamRole;

/** A member of the team. */
export interface Me {
  id: string;
  email: string;
  role: Role;
  /** Launch gates that the person may sign: engineering, security, product, cto. */
  approvals: string[];
}

const MeContext = createContext<Me | undefined>(undefined);
export const MeProvider = MeContext.Provider;

/** The signed-in member of the team. Every page is shown to one. */
export function useMe(): Me {
  const me = useContext(MeContext);
  if (!me) throw new Error("useMe() is for pages");
  return me;
}

/** Whether somebody with the role `from` may do more with `to`. */
export const grows = (from: Role, to: Role): boolean => TEAM_ROLES.indexOf(to) > TEAM_ROLES.indexOf(from);

/** Whether a member's role includes this one: viewer < operator < admin. */
export function includes(me: Me, role: Role): boolean {
  return TEAM_ROLES.indexOf(me.role) >= TEAM_ROLES.indexOf(role);
}

/** Whether the signed-in person has this role or a higher one. What is not allowed is not shown as possible. */
export function useMay(role: Role): boolean {
  return includes(useMe(), role);
}

/** Shows its children to this role and higher ones. */
export function For(
  { role, children, otherwise = null }: { role: Role; children: ReactNode; otherwise?: ReactNode },
) {
  return useMay(role) ? children : otherwise;
}
