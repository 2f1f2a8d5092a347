/** The frame of a page: its heading, its actions, and its content. */
import { Group, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";

export function Page(
  { title, about, actions, back, children }: {
    title: string;
    /** A sentence under the heading. */
    about?: ReactNode;
    /** Buttons beside the heading. */
    actions?: ReactNode;
    /** A link to the parent page. */
    back?: ReactNode;
    children: ReactNode;
  },
) {
  useEffect(() => {
    document.title = `${title} · Gatelink`;
  }, [title]);
  return (
    <Stack gap="lg">
      <Stack gap={4}>
        {back}
        <Group justify="space-between" align="flex-start" gap="sm">
          <Stack gap={4} style={{ minWidth: 0 }}>
            <Title order={1} size="h2" style={{ overflowWrap: "anywhere" }}>{title}</Title>
            {about && <Text c="dimmed" size="sm" component="div">{about}</Text>}
          </Stack>
          {actions && <Group gap="xs">{actions}</Group>}
        </Group>
      </Stack>
      {children}
    </Stack>
  );
}
