/** A part of a message's story, with its own heading. */
import { Group, Title } from "@mantine/core";
import type { ReactNode } from "react";

export function StoryPart(
  { title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode },
) {
  return (
    <section>
      <Group justify="space-between" mb="xs" gap="xs">
        <Title order={3} size="h5">{title}</Title>
        {aside}
      </Group>
      {children}
    </section>
  );
}
