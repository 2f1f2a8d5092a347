/** Shows a signing secret once: the database never returns it again. */
import { Alert, Button, Code, CopyButton, Group, Modal, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

export function SecretModal(
  { secret, title, children, close }: {
    secret: string | undefined;
    title: string;
    children: ReactNode;
    close: () => void;
  },
) {
  return (
    <Modal
      opened={secret !== undefined}
      onClose={close}
      title={title}
      closeButtonProps={{ "aria-label": "Close" }}
      closeOnClickOutside={false}
      centered
    >
      <Stack>
        <Alert color="yellow" p="xs">The secret is shown only once. Copy it now.</Alert>
        <Code block style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{secret}</Code>
        <Text size="sm" component="div">{children}</Text>
        <Group justify="flex-end">
          <CopyButton value={secret ?? ""}>
            {({ copied, copy }) => (
              <Button variant="default" onClick={copy}>{copied ? "Copied" : "Copy"}</Button>
            )}
          </CopyButton>
          <Button onClick={close}>Done</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
