/** Names of actors: histories store a user's id, or the role of a key. */
import { useMemo } from "react";
import { useMe } from "./me.tsx";
import { useRpc } from "../data/query.ts";

const ROLES: Record<string, string> = {
  service_role: "a secret key",
  postgres: "the database",
};

/** Returns a function that maps an actor of a history to a name. */
export function useNames(): (who: string) => string {
  const me = useMe();
  const team = useRpc("list_team", {}, { every: 60_000 });
  const emails = useMemo(() => new Map(team.data?.map(({ user_id, email }) => [user_id, email])), [
    team.data,
  ]);
  return (who) => {
    if (who === me.id) return "you";
    return ROLES[who] ?? emails.get(who) ??
      (who.length > 20 ? "a former member" : who);
  };
}
