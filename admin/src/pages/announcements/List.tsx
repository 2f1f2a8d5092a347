/** All announcements, latest first. */
import { Anchor, Button, Group, Paper, Text } from "@mantine/core";
import { Link } from "wouter";
import { audienceInWords } from "../../../../supabase/functions/_shared/contract/words/announcements.ts";
import { announcementPages } from "../../data/announcements.ts";
import { useLivePages } from "../../data/pages.ts";
import { For } from "../../session/me.tsx";
import { Icon } from "../../ui/icons.tsx";
import { ListTools } from "../../session/ListTools.tsx";
import { useParameter } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import { Badge, progress } from "./parts.tsx";
import classes from "./announcements.module.css";

export function AnnouncementList() {
  const [search, setSearch] = useParameter("q");
  const source = announcementPages(search);
  const announcements = useLivePages(source);
  return (
    <Page
      title="Announcements"
      about="Messages to many people: beta users, everybody, or those for whom a feature failed."
      actions={
        <For role="operator">
          <Button component={Link} href="/announcements/new" leftSection={<Icon name="plus" size={16} />}>
            New announcement
          </Button>
        </For>
      }
    >
      <ListTools name="announcements" source={source}>
        <SearchField label="Search announcements" value={search} onChange={setSearch} />
      </ListTools>
      <LoadedPages
        of={announcements}
        empty={
          <Empty
            icon="megaphone"
            title={search ? "No matching announcements" : "Nothing has been announced"}
          />
        }
      >
        {(items) => (
          <Paper withBorder radius="md">
            <VirtualList
              label="Announcements"
              items={items}
              idOf={({ id }) => id}
              height={70}
              className={classes.list}
              hasMore={announcements.hasMore}
              reading={announcements.reading}
              more={announcements.more}
            >
              {(one) => (
                <Group justify="space-between" align="flex-start" gap="sm">
                  <div style={{ minWidth: 0 }}>
                    <Anchor
                      component={Link}
                      href={`/announcements/${one.id}`}
                      fw={600}
                      className={classes.words}
                    >
                      {one.name}
                    </Anchor>
                    <Text size="sm" c="dimmed" component="div" className={classes.words}>
                      {audienceInWords(one.audience)}, {progress(one)}, <Time at={one.created_at} />
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
