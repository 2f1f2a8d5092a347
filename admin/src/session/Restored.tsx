/** Says that a form was opened with what had been typed before, and lets the person begin anew. */
import { Button, Group, Text } from "@mantine/core";
import type { Draft } from "./draft.ts";

export function Restored({ draft }: { draft: Draft<unknown> }) {
  if (!draft.isRestored || !draft.isDirty) return null;
  return (
    <Group role="status" gap="sm">
      <Text size="sm">Your unsaved draft was restored.</Text>
      <Button size="compact-xs" variant="default" onClick={draft.clear}>Discard draft</Button>
    </Group>
  );
}
