/** All announcements, latest first. */
import { Anchor, Button, Group, Paper, Text } from "@mantine/core";
import { Link } from "wouter";
import { audienceInWords } from "../../../../supabase/functions/_shared/contract/words/announcements.ts";
import { useAnnouncements } from "../../data/announcements.ts";
import { For } from "../../session/me.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { Badge, progress } from "./parts.tsx";
import classes from "./announcements.module.css";

export function AnnouncementList() {
  const announcements = useAnnouncements();
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
      <Loaded of={announcements} empty={<Empty icon="megaphone" title="Nothing has been announced" />}>
        {(all) => (
          <Paper component="ul" withBorder radius="md" className={classes.list}>
            {all.map((one) => (
              <li key={one.id}>
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
              </li>
            ))}
          </Paper>
        )}
      </Loaded>
    </Page>
  );
}
