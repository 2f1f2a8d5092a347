/**
 * What undoes a change. Where a thing has versions, the undo carries the one that the change made, so that it is refused
 * after a later change instead of overwriting that.
 */
import type { AuditEntry } from "../../../../supabase/functions/_shared/contract/answers/audit.ts";
import type { TeamRole } from "../../../../supabase/functions/_shared/contract/states.ts";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { client } from "../../data/client.ts";
import { TOUCHED, undone } from "../../data/flags.ts";
import { callFunction } from "../../data/functions.ts";
import { rpc, unwrap } from "../../data/query.ts";
import { Refusal } from "../../data/refusal.ts";
import type { Role } from "../../session/me.tsx";

export interface Undo {
  /** The least role that may. */
  role: Role;
  /** Keys that it invalidates, besides the audit's. */
  touches: string[];
  /** Resolves with what to say. @throws {Refusal} */
  run: () => Promise<string>;
}

const DESTINATIONS = ["destination_health", "destinations", "status", "overview"];

/** Undefined where nothing undoes it, or where the way is another: a rollout is rolled back on its page. */
export function undoOf(entry: AuditEntry): Undo | undefined {
  const { kind, name, ref, change, version, before, after, figures } = entry;
  switch (kind) {
    case "flag":
    case "setting":
      return before === null || after === null || version === null ? undefined : {
        role: "operator",
        touches: TOUCHED,
        run: () => undone(name, version),
      };
    case "route":
      if (before === null || ref === null) return undefined;
      // A condition that names people's numbers is not in the list.
      if (change === "removed" && before.condition === undefined) return undefined;
      if (change === "removed") {
        return {
          role: "operator",
          touches: ["routes", "route_destinations"],
          run: async () => {
            const { destinations, condition, priority, active: _, ...options } = before;
            await rpc("add_route", {
              p_destinations: destinations as string[],
              p_condition: condition as never,
              p_priority: priority as number,
              p_options: { ...options, name } as never,
            });
            return `Undone: route ${name} is there again.`;
          },
        };
      }
      return version === null || change !== "changed" ? undefined : {
        role: "operator",
        touches: ["routes", "route_destinations", "route_history"],
        run: async () => {
          const [was] = await unwrap<Row<"route_history">[]>(
            client().from("route_history").select("*").eq("route_id", ref).eq("version", version - 1),
          );
          if (!was) throw new Refusal("GL404", "There is nothing to go back to.");
          const { name, condition, mode, destinations, flag_key, sticky_minutes, active, channels } = was;
          await rpc("set_route", {
            p_id: ref,
            p_version: version,
            // Its place among the others stays.
            p_changes: {
              name,
              condition,
              mode,
              destinations,
              flag_key,
              sticky_minutes,
              active,
              channels,
            } as never,
          });
          return `Undone: route ${name} is as before.`;
        },
      };
    case "destination": {
      if (change !== "changed" || before === null || after === null || version === null) return undefined;
      if ("state" in after) {
        const { state } = before;
        return {
          role: "operator",
          touches: DESTINATIONS,
          run: async () => {
            await rpc("set_destination_state", { p_name: name, p_state: state as "active" | "paused" });
            return `Undone: ${name} is ${state === "active" ? "active" : "paused"} again.`;
          },
        };
      }
      const members = Object.keys({ ...before, ...after }).filter((member) => member !== "paused_because");
      return members.length === 0 ? undefined : {
        role: "operator",
        touches: DESTINATIONS,
        run: async () => {
          const changes = Object.fromEntries(members.map((member) => [member, before[member] ?? null]));
          await rpc("set_destination", { p_name: name, p_version: version, p_changes: changes as never });
          return `Undone: ${name} is as before.`;
        },
      };
    }
    case "endpoint":
      return change !== "changed" || typeof before?.state !== "string" ? undefined : {
        role: "operator",
        touches: ["notification_endpoints"],
        run: async () => {
          await rpc("set_notification_state", { p_name: name, p_state: before.state as "active" | "paused" });
          return `Undone: ${name} is ${before.state} again.`;
        },
      };
    case "link":
      return ref === null || typeof before?.state !== "string" || before.state === "blocked" ||
          before.state === "deleted"
        ? undefined
        : {
          role: "operator",
          touches: ["links"],
          run: async () => {
            await callFunction(`deeplinks/${ref}`, { method: "PATCH", body: { state: before.state } });
            return `Undone: link ${ref} is ${before.state === "active" ? "on" : "off"} again.`;
          },
        };
    case "allowlist": {
      const host = { p_pattern: name, p_purpose: figures.purpose as "forward" | "redirect" };
      return {
        role: "admin",
        touches: ["destination_allowlist", "allowlist_history"],
        run: async () => {
          if (change === "added") await rpc("disallow_host", host);
          else await rpc("allow_host", host);
          return `Undone: ${name} is ${change === "added" ? "not allowed any more" : "allowed again"}.`;
        },
      };
    }
    case "team":
      return ref === null ? undefined : {
        role: "admin",
        touches: ["list_team", "team_history"],
        run: async () => {
          if (before === null) {
            await rpc("remove_team_member", { p_user_id: ref });
            return `Undone: ${name} is no member any more.`;
          }
          await rpc("set_team_member", {
            p_user_id: ref,
            p_role: before.role as TeamRole,
            p_approvals: before.approvals as string[],
          });
          return `Undone: ${name} is ${before.role} again.`;
        },
      };
    default:
      return undefined;
  }
}
