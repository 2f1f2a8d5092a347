/** Where each platform would go, while a link is being written. */
import { Table, Text } from "@mantine/core";
import type { PreviewRow } from "./preview.ts";

export function PreviewTable({ rows }: { rows: PreviewRow[] }) {
  return (
    <Table withTableBorder aria-label="Where each platform goes">
      <Table.Thead>
        <Table.Tr>
          <Table.Th w={140}>Visitor</Table.Th>
          <Table.Th>Goes to</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map(({ platform, name, location, why }) => (
          <Table.Tr key={platform}>
            <Table.Td>{name}</Table.Td>
            <Table.Td style={{ overflowWrap: "anywhere" }}>
              <Text
                size="sm"
                c={location ? undefined : "red"}
                ff={location ? "monospace" : undefined}
                fz={13}
              >
                {location ?? "Refused"}
              </Text>
              <Text size="xs" c="dimmed">{why}</Text>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
