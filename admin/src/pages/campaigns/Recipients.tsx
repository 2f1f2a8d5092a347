/** The recipients of a campaign, with what became of each. */
import { Button, Group, Text } from "@mantine/core";
import { useRef, useState } from "react";
import {
  fateOf,
  RECIPIENT_COLUMNS,
} from "../../../../supabase/functions/_shared/contract/words/campaigns.ts";
import { campaignRecipientFile, campaignRecipientPages } from "../../data/campaigns.ts";
import { allOf, csvText, fileName, saveFile } from "../../data/export.ts";
import { useLivePages } from "../../data/pages.ts";
import type { Refusal } from "../../data/refusal.ts";
import { toast } from "../../data/toasts.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Section } from "../../ui/Section.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import classes from "./campaigns.module.css";

export function Recipients({ id }: { id: string }) {
  const people = useLivePages(campaignRecipientPages(id));
  return (
    <Section title="Recipients" flush actions={<Export id={id} />}>
      <LoadedPages of={people} empty={<Empty icon="people" title="Nobody yet" />}>
        {(items) => (
          <VirtualList
            label="Recipients"
            items={items}
            idOf={({ id }) => String(id)}
            height={48}
            className={classes.list}
            hasMore={people.hasMore}
            reading={people.reading}
            more={people.more}
          >
            {(one) => (
              <Group justify="space-between" gap="xs">
                <Text size="sm" className={classes.words}>{one.address}</Text>
                <Text size="sm" c="dimmed" component="div">
                  {fateOf(one)}
                  {one.at && (
                    <>
                      , <Time at={one.at} />
                    </>
                  )}
                </Text>
              </Group>
            )}
          </VirtualList>
        )}
      </LoadedPages>
    </Section>
  );
}

function Export({ id }: { id: string }) {
  const [read, setRead] = useState<number>();
  const busy = useRef(false);
  async function save() {
    if (busy.current) return;
    busy.current = true;
    setRead(0);
    try {
      const all = await allOf([campaignRecipientFile(id)], setRead);
      const rows = all.map((one) =>
        Object.fromEntries(RECIPIENT_COLUMNS.map((column) => [column, one[column]]))
      );
      saveFile(fileName("recipients"), await csvText(rows));
    } catch (error) {
      toast({ tone: "bad", title: "The recipients were not exported", message: (error as Refusal).message });
    } finally {
      busy.current = false;
      setRead(undefined);
    }
  }
  return (
    <Button
      variant="default"
      size="xs"
      leftSection={<Icon name="download" size={14} />}
      aria-label="Export recipients as CSV"
      aria-busy={read !== undefined}
      onClick={save}
    >
      {read === undefined ? "Export" : read === 0 ? "Exporting…" : `${read.toLocaleString()} read…`}
    </Button>
  );
}
