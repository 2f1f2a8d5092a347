/** The review of what detection found: right, or a false alarm. */
import { Button, SegmentedControl, Text, Title } from "@mantine/core";
import { useState } from "react";
import type { InboxText } from "../../../supabase/functions/_shared/contract/http/masking.ts";
import { useLivePages } from "../data/pages.ts";
import { useRead } from "../data/query.ts";
import { Empty, LoadedPages } from "../ui/states.tsx";
import { KEYS, readFindings, SIZE } from "./api.ts";
import { Findings } from "./Findings.tsx";
import { Said } from "./Said.tsx";
import { fateOf, WORDS } from "./words.ts";
import classes from "./masked.module.css";

export default function FindingsPage({ org }: { org: string }) {
  const [which, setWhich] = useState("open");
  const reviewed = which === "reviewed";
  const figures = useRead([KEYS.findings, org, "figures"], () => readFindings(org, true, undefined));
  const texts = useLivePages<InboxText>({
    key: [KEYS.findings, org, which],
    read: async (after) => (await readFindings(org, reviewed, after)).texts,
    size: SIZE,
  });
  return (
    <div className={classes.column}>
      <Title order={1} size="h3">{WORDS.findings.title}</Title>
      <Text c="dimmed" size="sm">{WORDS.findings.about}</Text>
      <Text size="sm" mb="md" role="status">
        {figures.data &&
          WORDS.findings.figures(figures.data.open, figures.data.right, figures.data.false_alarms)}
      </Text>
      <SegmentedControl
        mb="md"
        aria-label={WORDS.findings.which}
        value={which}
        onChange={setWhich}
        data={[{ value: "open", label: WORDS.findings.open }, {
          value: "reviewed",
          label: WORDS.findings.reviewed,
        }]}
      />
      <LoadedPages
        of={texts}
        empty={<Empty icon="check" title={reviewed ? WORDS.findings.noneReviewed : WORDS.findings.none} />}
      >
        {(items) => (
          <ul className={classes.cards}>
            {items.map((item) => (
              <li key={item.id} className={classes.card}>
                <Said item={item} />
                <Text size="xs" c="dimmed">{fateOf(item).words || "sent"}</Text>
                <Findings org={org} item={item} />
              </li>
            ))}
          </ul>
        )}
      </LoadedPages>
      {texts.hasMore && (
        <Button variant="default" mt="md" loading={texts.reading} onClick={texts.more}>
          {WORDS.threads.more}
        </Button>
      )}
    </div>
  );
}
