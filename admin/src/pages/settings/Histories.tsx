/** For admins: changes of roles and of allowed hosts, the latest fifty of each. */
import { Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { TeamStanding } from "../../../../supabase/functions/_shared/contract/columns.ts";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { useRows } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { Section } from "../../ui/Section.tsx";
import { Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";

const LATEST = 50;

interface Change {
  id: string;
  at: string;
  by: string;
}

export function TeamHistory() {
  const changes = useRows(
    ["team_history"],
    (db) => db.from("team_history").select("*").order("id", { ascending: false }).limit(LATEST),
  );
  return (
    <Section title="History" about="Changes of members and roles.">
      <Loaded of={changes}>{(changes) => <Lines of={changes} said={teamWords} />}</Loaded>
    </Section>
  );
}

export function AllowlistHistory() {
  const changes = useRows(
    ["allowlist_history"],
    (db) => db.from("allowlist_history").select("*").order("id", { ascending: false }).limit(LATEST),
  );
  return (
    <Section title="History" about="Hosts that were added and removed.">
      <Loaded of={changes}>
        {(changes) => (
          <Lines
            of={changes}
            said={({ pattern, purpose, change }) =>
              `${pattern} ${change} for ${purpose === "forward" ? "services" : "links"}`}
          />
        )}
      </Loaded>
    </Section>
  );
}

function Lines<T extends Change>({ of, said }: { of: T[]; said: (one: T) => ReactNode }) {
  const nameOf = useNames();
  if (of.length === 0) return <Text size="sm" c="dimmed">No changes yet.</Text>;
  return of.map((one) => (
    <Text key={one.id} size="xs" component="div" style={{ overflowWrap: "anywhere" }}>
      {said(one)}{" "}
      <Text span c="dimmed" inherit>
        by {nameOf(one.by)}, <Time at={one.at} />
      </Text>
    </Text>
  ));
}

function teamWords({ email, user_id, change, before, after }: Row<"team_history">): string {
  const who = email ?? user_id;
  switch (change) {
    case "added":
      return `${who} added as ${standing(after)}`;
    case "removed":
      return `${who} removed (was ${standing(before)})`;
    default:
      return `${who} changed from ${standing(before)} to ${standing(after)}`;
  }
}

function standing(of: TeamStanding | null): string {
  if (of === null) return "nothing";
  return of.approvals.length === 0 ? of.role : `${of.role} (signs as ${of.approvals.join(", ")})`;
}
