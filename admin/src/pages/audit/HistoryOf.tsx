/** What people did with one thing, on that thing's own page: a part of the audit. */
import { Button, Text } from "@mantine/core";
import type { AuditEntry } from "../../../../supabase/functions/_shared/contract/answers/audit.ts";
import { usePages } from "../../data/pages.ts";
import { rpc } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { Section } from "../../ui/Section.tsx";
import { Failed, Loading } from "../../ui/states.tsx";
import { Entry } from "./Entry.tsx";
import classes from "./audit.module.css";

const SIZE = 10;

/** @param kinds Kinds of the audit. @param id The `ref` by which the audit knows it. */
export function HistoryOf({ kinds, id }: { kinds: AuditEntry["kind"][]; id: string }) {
  const nameOf = useNames();
  const pages = usePages<AuditEntry>({
    key: ["list_audit", { kinds, ref: id }],
    read: (after) =>
      rpc("list_audit", {
        p_filter: { kinds, ref: id, ...(after && { before: after.at, before_id: after.id }) },
        p_limit: SIZE,
      }),
    size: SIZE,
    idOf: ({ id }) => id,
  });
  return (
    <Section title="History" flush>
      {pages.items === undefined
        ? pages.error ? <Failed error={pages.error} retry={pages.retry} /> : <Loading rows={2} />
        : pages.items.length === 0
        ? <Text size="sm" c="dimmed" px="md" pb="md">No changes recorded.</Text>
        : (
          <ol className={classes.list} aria-label="Changes">
            {pages.items.map((entry) => <Entry key={entry.id} of={entry} nameOf={nameOf} />)}
          </ol>
        )}
      {pages.hasMore && (
        <Button m="md" mt={0} variant="default" size="xs" loading={pages.reading} onClick={pages.more}>
          Show older changes
        </Button>
      )}
    </Section>
  );
}
