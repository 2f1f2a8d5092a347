/** All campaigns, latest first. */
import { Anchor, Button, Group, Paper, Text } from "@mantine/core";
import { Link } from "wouter";
import { campaignPages } from "../../data/campaigns.ts";
import { useLivePages } from "../../data/pages.ts";
import { ListTools } from "../../session/ListTools.tsx";
import { For } from "../../session/me.tsx";
import { Icon } from "../../ui/icons.tsx";
import { useParameter } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import { Badge, progress, shares } from "./parts.tsx";
import classes from "./campaigns.module.css";

export function CampaignList() {
  const [search, setSearch] = useParameter("q");
  const source = campaignPages(search);
  const campaigns = useLivePages(source);
  return (
    <Page
      title="Campaigns"
      about="One mail to many people, with what became of it."
      actions={
        <For role="operator">
          <Button component={Link} href="/campaigns/new" leftSection={<Icon name="plus" size={16} />}>
            New campaign
          </Button>
        </For>
      }
    >
      <ListTools name="campaigns" source={source}>
        <SearchField label="Search campaigns" value={search} onChange={setSearch} />
      </ListTools>
      <LoadedPages
        of={campaigns}
        empty={<Empty icon="send" title={search ? "No matching campaigns" : "No campaign has been made"} />}
      >
        {(items) => (
          <Paper withBorder radius="md">
            <VirtualList
              label="Campaigns"
              items={items}
              idOf={({ id }) => id}
              height={92}
              className={classes.list}
              hasMore={campaigns.hasMore}
              reading={campaigns.reading}
              more={campaigns.more}
            >
              {(one) => (
                <Group justify="space-between" align="flex-start" gap="sm" wrap="nowrap">
                  <div style={{ minWidth: 0 }}>
                    <Anchor component={Link} href={`/campaigns/${one.id}`} fw={600} className={classes.words}>
                      {one.name}
                    </Anchor>
                    <Text size="sm" className={classes.words}>{one.subject}</Text>
                    <Text size="sm" c="dimmed" component="div" className={classes.words}>
                      {[progress(one), shares(one)].filter(Boolean).join(", ")}, <Time at={one.created_at} />
                    </Text>
                  </div>
                  <Badge of={one} />
                </Group>
              )}
            </VirtualList>
          </Paper>
        )}
      </LoadedPages>
    </Page>
  );
}
