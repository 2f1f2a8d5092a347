/** A table with a column for each environment. */
import { Table } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./traffic.module.css";

export function Sided({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Table aria-label={label} className={classes.sided} horizontalSpacing="xs">
      <Table.Thead>
        <Table.Tr>
          <Table.Td />
          <Table.Th ta="right" scope="col">Blue</Table.Th>
          <Table.Th ta="right" scope="col">Green</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>{children}</Table.Tbody>
    </Table>
  );
}
