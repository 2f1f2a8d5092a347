/** The frame for people without access: one card in the middle, with the logo. */
import { Center, Group, Paper, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

export function Card({ children }: { children: ReactNode }) {
  return (
    <Center component="main" mih="100dvh" p="md">
      <Stack w="100%" maw={420} gap="lg">
        <Group gap="xs" justify="center">
          <img src="./icon.svg" alt="" width={32} height={32} />
          <Text fw={700} size="xl">Gatelink</Text>
        </Group>
        <Paper withBorder p="xl" radius="md" shadow="sm">{children}</Paper>
      </Stack>
    </Center>
  );
}
