/** The recorded reason of a change. If it names a rollout by its id, it links to the rollout. */
import { Anchor } from "@mantine/core";
import { Link } from "wouter";
import { inZone } from "./times.ts";

const ROLLOUT = /\brollout ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/;

export function Reason({ text }: { text: string }) {
  const found = ROLLOUT.exec(text);
  if (!found) return <bdi>{inZone(text)}</bdi>;
  return (
    <>
      {inZone(text.slice(0, found.index))}
      <Anchor component={Link} href={`/rollouts/${found[1]}`} inherit underline="always">rollout</Anchor>
      {inZone(text.slice(found.index + found[0].length))}
    </>
  );
}
