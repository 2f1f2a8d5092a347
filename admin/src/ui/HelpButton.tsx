/** What a page is for, in a paragraph, with a link to the documentation. */
import { ActionIcon, Anchor, Popover, Stack, Text } from "@mantine/core";
import { useLocation } from "wouter";
import { docAddress, helpOf } from "./help.ts";
import { Icon } from "./icons.tsx";
import { useHashSearch } from "./location.ts";

export function HelpButton({ title }: { title: string }) {
  const [path] = useLocation();
  const help = helpOf(path, new URLSearchParams(useHashSearch()).get("tab"));
  if (!help) return null;
  return (
    <Popover width={340} position="bottom-start" withArrow shadow="md" trapFocus returnFocus>
      <Popover.Target>
        <ActionIcon variant="subtle" color="gray" radius="xl" aria-label={`Help: ${title}`}>
          <Icon name="help" size={18} />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown aria-label={`Help: ${title}`}>
        <Stack gap="xs">
          <Text size="sm">{help.text}</Text>
          <Anchor href={docAddress(help.doc)} target="_blank" rel="noreferrer" size="sm" underline="always">
            Read more in the documentation
          </Anchor>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
