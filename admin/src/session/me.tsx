/** The signed-in person and their permissions. The database enforces permissions, whatever this says. */
import { createContext, type ReactNode, useContext } from "react";
import { type Person, PersonProvider } from "./person.ts";
import { TEAM_ROLES, type TeamRole } from "../../../supabase/functions/_shared/contract/states.ts";

export type Role = TeamRole;

/** A team member. */
export interface Me extends Person {
  role: Role;
  /** Launch gates that the member may sign: engineering, security, product, cto. */
  approvals: string[];
}

const MeContext = createContext<Me | undefined>(undefined);

export function MeProvider({ value, children }: { value: Me; children: ReactNode }) {
  return (
    <PersonProvider value={value}>
      <MeContext value={value}>{children}</MeContext>
    </PersonProvider>
  );
}

/** The signed-in team member. No page is shown without one. */
export function useMe(): Me {
  const me = useContext(MeContext);
  if (!me) throw new Error("useMe() is for pages");
  return me;
}

/** Whether the role `to` may do more than `from`. */
export const grows = (from: Role, to: Role): boolean => TEAM_ROLES.indexOf(to) > TEAM_ROLES.indexOf(from);

/** Whether a member's role includes this one: viewer < operator < admin. */
export function includes(me: Me, role: Role): boolean {
  return TEAM_ROLES.indexOf(me.role) >= TEAM_ROLES.indexOf(role);
}

/**
 * Whether the signed-in person has this role or a higher one. Controls that they may not use are hidden or
 * disabled.
 */
export function useMay(role: Role): boolean {
  return includes(useMe(), role);
}

/** Shows its children to people with this role or a higher one. */
export function For(
  { role, children, otherwise = null }: { role: Role; children: ReactNode; otherwise?: ReactNode },
) {
  return useMay(role) ? children : otherwise;
}
