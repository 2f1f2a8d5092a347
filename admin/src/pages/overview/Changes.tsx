/** Recent changes, by whom and why: the first place to look for a cause. */
import { Group, Text } from "@mantine/core";
import type { Change } from "../../../../supabase/functions/_shared/contract/answers/operations.ts";
import { changeInWords } from "../../../../supabase/functions/_shared/contract/words/changes.ts";
import { useNames } from "../../session/team.ts";
import { Icon, type IconName } from "../../ui/icons.tsx";
import { Reason } from "../../ui/Reason.tsx";
import { Section } from "../../ui/Section.tsx";
import { Empty } from "../../ui/states.tsx";
import { madeBy } from "../../words/actors.ts";
import { Time } from "../../ui/Time.tsx";
import { inZone } from "../../ui/times.ts";
import classes from "./overview.module.css";

const ICONS: Record<string, IconName> = {
  setting: "flag",
  rollout: "stairs",
  rollback: "undo",
  incident: "warn",
  route: "route",
  destination: "truck",
  segment: "people",
};

export function Changes({ changes }: { changes: Change[] }) {
  const name = useNames();
  return (
    <Section title="Recent changes" flush>
      {changes.length === 0
        ? <Empty icon="clock" title="No changes yet" />
        : (
          <ul className={`${classes.list} ${classes.scroll}`} tabIndex={0} aria-label="Recent changes">
            {changes.map((change) => ({ change, ...madeBy(change, name) })).map((
              { change, by, why },
              index,
            ) => (
              <li key={`${change.at} ${index}`}>
                <Group gap="sm" wrap="nowrap" align="flex-start">
                  <Text c="dimmed" component="span">
                    <Icon name={ICONS[change.kind] ?? "gear"} size={18} />
                  </Text>
                  <div style={{ minWidth: 0 }}>
                    <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                      {inZone(changeInWords(change))}
                    </Text>
                    <Text size="xs" c="dimmed" component="div">
                      <Time at={change.at} /> {by}
                      {why && (
                        <>
                          : <Reason text={why} />
                        </>
                      )}
                    </Text>
                  </div>
                </Group>
              </li>
            ))}
          </ul>
        )}
    </Section>
  );
}
