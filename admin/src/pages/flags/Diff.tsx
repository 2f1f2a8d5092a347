/** Differences, one per line: the old value struck out, the new one beside it. */
import { Text } from "@mantine/core";
import type { Difference } from "./diff.ts";
import classes from "./flags.module.css";

export function Diff({ of }: { of: Difference[] }) {
  if (of.length === 0) return <Text size="sm" c="dimmed">No changes.</Text>;
  return (
    <div className={classes.diff}>
      {of.map(({ name, from, to }) => (
        <div key={name}>
          {name}: {from !== undefined && <del className={classes.from}>{from}</del>}{" "}
          {to !== undefined && <ins className={classes.to}>{to}</ins>}
        </div>
      ))}
    </div>
  );
}
