/** The frame for people without access: one card in the middle, with the logo. */
import { Center, Group, Paper, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { beside } from "../data/config.ts";

/** @param brand What the page is called. */
export function Card({ children, brand = "Gatelink" }: { children: ReactNode; brand?: string }) {
  return (
    <Center component="main" mih="100dvh" p="md">
      <Stack w="100%" maw={420} gap="lg">
        <Group gap="xs" justify="center">
          <img src={beside("icon.svg")} alt="" width={32} height={32} />
          <Text fw={700} size="xl">{brand}</Text>
        </Group>
        <Paper withBorder p="xl" radius="md" shadow="sm">{children}</Paper>
      </Stack>
    </Center>
  );
}
