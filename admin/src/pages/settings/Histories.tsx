/** For admins: changes of roles and of allowed hosts. */
import { Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { TeamStanding } from "../../../../supabase/functions/_shared/contract/columns.ts";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { client } from "../../data/client.ts";
import { type Pages, usePages } from "../../data/pages.ts";
import { unwrap } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { Section } from "../../ui/Section.tsx";
import { LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";

/** Changes of a page. */
const PAGE = 50;

interface Change {
  id: string;
  at: string;
  by: string;
}

export function TeamHistory() {
  const changes = usePages<Row<"team_history">>({
    key: ["team_history"],
    read: (last) => {
      const rows = client().from("team_history").select("*").order("id", { ascending: false }).limit(PAGE);
      return unwrap(last ? rows.lt("id", last.id) : rows);
    },
    size: PAGE,
    idOf: ({ id }) => id,
  });
  return (
    <Section title="History" about="Changes of members and roles.">
      <Lines of={changes} said={teamWords} />
    </Section>
  );
}

export function AllowlistHistory() {
  const changes = usePages<Row<"allowlist_history">>({
    key: ["allowlist_history"],
    read: (last) => {
      const rows = client().from("allowlist_history").select("*").order("id", { ascending: false }).limit(
        PAGE,
      );
      return unwrap(last ? rows.lt("id", last.id) : rows);
    },
    size: PAGE,
    idOf: ({ id }) => id,
  });
  return (
    <Section title="History" about="Hosts that were added and removed.">
      <Lines
        of={changes}
        said={({ pattern, purpose, change }) =>
          `${pattern} ${change} for ${purpose === "forward" ? "services" : "links"}`}
      />
    </Section>
  );
}

function Lines<T extends Change>({ of, said }: { of: Pages<T>; said: (one: T) => ReactNode }) {
  const nameOf = useNames();
  return (
    <LoadedPages of={of} rows={2} empty={<Text size="sm" c="dimmed">No changes yet.</Text>}>
      {(changes) => (
        <VirtualList
          items={changes}
          idOf={({ id }) => id}
          height={18}
          hasMore={of.hasMore}
          reading={of.reading}
          more={of.more}
        >
          {(one) => (
            <Text size="xs" component="div" style={{ overflowWrap: "anywhere" }}>
              {said(one)}{" "}
              <Text span c="dimmed" inherit>
                by {nameOf(one.by)}, <Time at={one.at} />
              </Text>
            </Text>
          )}
        </VirtualList>
      )}
    </LoadedPages>
  );
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
