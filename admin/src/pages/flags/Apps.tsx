/** Whether apps may read the flag. */
import { Switch } from "@mantine/core";
import { type Flag, type OnConflict, useSetFlag } from "../../data/flags.ts";
import { useMay } from "../../session/me.tsx";
import { Section } from "../../ui/Section.tsx";

export function Apps({ flag, onConflict }: { flag: Flag; onConflict: OnConflict }) {
  const may = useMay("operator");
  const set = useSetFlag(onConflict);
  const client = flag.metadata.client === true;
  return (
    <Section
      title="Apps"
      about="Services with a secret key read every flag. A key that is in an app, anybody can have."
    >
      <Switch
        checked={client}
        disabled={!may || set.isPending}
        label="Apps with a publishable key may read it"
        onChange={() =>
          set.mutate({
            key: flag.key,
            changes: { client: !client },
            version: flag.version,
            reason: client ? "kept from apps in the panel" : "opened to apps in the panel",
          })}
      />
    </Section>
  );
}
