/** The same first step by the command line, below an empty list. */
import { ActionIcon, Code, CopyButton, Group, Text } from "@mantine/core";
import { Icon } from "./icons.tsx";

/** @param command As in an example of the CLI's help; a test holds it to them. */
export function Example({ command }: { command: string }) {
  return (
    <Group gap={4} mt="xs" justify="center" wrap="nowrap">
      <Text component="span" size="xs" style={{ flex: "none" }}>For example:</Text>
      <Code style={{ overflowWrap: "anywhere", textAlign: "left" }}>{command}</Code>
      <CopyButton value={command}>
        {({ copied, copy }) => (
          <ActionIcon
            variant="subtle"
            color="gray"
            size="sm"
            aria-label={copied ? "Copied" : "Copy example"}
            onClick={copy}
          >
            <Icon name={copied ? "check" : "copy"} size={14} />
          </ActionIcon>
        )}
      </CopyButton>
    </Group>
  );
}
