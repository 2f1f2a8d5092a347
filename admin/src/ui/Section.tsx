/** A part of a page with its own heading. */
import { Group, Paper, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

export function Section(
  { title, about, actions, children, flush = false }: {
    title: string;
    about?: ReactNode;
    actions?: ReactNode;
    children: ReactNode;
    /** Removes the padding, for tables and lists. */
    flush?: boolean;
  },
) {
  return (
    <Paper withBorder radius="md" component="section" style={{ overflow: "hidden" }} aria-label={title}>
      <Group justify="space-between" px="md" pt="md" pb="xs" gap="xs">
        <div>
          <Title order={2} size="h5">{title}</Title>
          {about && <Text size="xs" c="dimmed" component="div">{about}</Text>}
        </div>
        {actions}
      </Group>
      <div style={{ padding: flush ? 0 : "0 var(--mantine-spacing-md) var(--mantine-spacing-md)" }}>
        {children}
      </div>
    </Paper>
  );
}
