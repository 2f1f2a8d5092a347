/** The sheet of keys. */
import { Kbd, Modal, Stack, Switch, Table, Title } from "@mantine/core";
import { useState } from "react";
import { PAGES } from "./pages.ts";
import { isApple, setSingleKeys, singleKeys } from "./shortcuts.ts";

type Key = [keys: string[], what: string];

const EVERYWHERE: Key[] = [
  [[isApple ? "⌘" : "Ctrl", "K"], "Search and actions"],
  [["/"], "Search and actions"],
  [["?"], "This list"],
  [["Esc"], "Close a dialog"],
];

export default function Keys({ opened, close }: { opened: boolean; close: () => void }) {
  const [isOn, setOn] = useState(singleKeys);
  const pages = PAGES.flatMap(({ key, title }): Key[] => key === undefined ? [] : [[["g", key], title]]);
  return (
    <Modal
      opened={opened}
      onClose={close}
      title="Keyboard shortcuts"
      closeButtonProps={{ "aria-label": "Close" }}
      transitionProps={{ duration: 0 }}
    >
      <Stack>
        <Switch
          label="Shortcuts without Ctrl or ⌘"
          description="Turn them off if you dictate, or if they get in your way. Kept in this browser."
          checked={isOn}
          onChange={({ currentTarget: { checked } }) => {
            setSingleKeys(checked);
            setOn(checked);
          }}
        />
        <Part title="Everywhere" keys={EVERYWHERE} />
        <Part title="Pages: one key after the other" keys={pages} />
      </Stack>
    </Modal>
  );
}

function Part({ title, keys }: { title: string; keys: Key[] }) {
  return (
    <section aria-label={title}>
      <Title order={3} size="h6" mb={4}>{title}</Title>
      <Table>
        <Table.Tbody>
          {keys.map(([pressed, what]) => (
            <Table.Tr key={`${pressed} ${what}`}>
              <Table.Th scope="row" fw={400}>{what}</Table.Th>
              <Table.Td ta="right">
                {pressed.map((key, index) => (
                  <span key={key}>
                    {index > 0 && " "}
                    <Kbd>{key}</Kbd>
                  </span>
                ))}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </section>
  );
}
