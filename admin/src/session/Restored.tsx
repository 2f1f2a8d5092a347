/** Says that a form was opened with what had been typed before, and lets the person begin anew. */
import { Alert, Anchor } from "@mantine/core";
import type { Draft } from "./draft.ts";

export function Restored({ draft }: { draft: Draft<unknown> }) {
  if (!draft.isRestored || !draft.isDirty) return null;
  return (
    <Alert color="gray" p="xs" role="status">
      Your unsaved draft was restored.{" "}
      <Anchor component="button" type="button" size="sm" underline="always" onClick={draft.clear}>
        Discard draft
      </Anchor>
    </Alert>
  );
}
