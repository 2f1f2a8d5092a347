/** One change: what, when, by whom and why, what it was before, and its undo. */
import { Anchor, Button, Group, Text, UnstyledButton } from "@mantine/core";
import { useId, useState } from "react";
import { Link } from "wouter";
import type { AuditEntry } from "../../../../supabase/functions/_shared/contract/answers/audit.ts";
import {
  auditDifferences,
  auditInWords,
  type Difference,
} from "../../../../supabase/functions/_shared/contract/words/audit.ts";
import { useChange } from "../../data/query.ts";
import { useMay } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Icon, type IconName } from "../../ui/icons.tsx";
import { Reason } from "../../ui/Reason.tsx";
import { Time } from "../../ui/Time.tsx";
import { madeBy } from "../../words/actors.ts";
import { inZone } from "../../ui/times.ts";
import { placeOf } from "./place.ts";
import { undoOf } from "./undo.ts";
import classes from "./audit.module.css";

const ICONS: Readonly<Record<AuditEntry["kind"], IconName>> = {
  flag: "flag",
  setting: "gear",
  rollout: "stairs",
  signature: "edit",
  rollback: "undo",
  incident: "warn",
  route: "route",
  destination: "truck",
  delivery: "truck",
  link: "link",
  segment: "people",
  number: "chat",
  endpoint: "megaphone",
  announcement: "megaphone",
  campaign: "mail",
  identity: "mail",
  suppression: "mail",
  contact: "eye",
  reply: "chat",
  team: "people",
  invitation: "mail",
  allowlist: "key",
};

export function Entry({ of, nameOf }: { of: AuditEntry; nameOf: (who: string) => string }) {
  const [isOpen, setOpen] = useState(false);
  const list = useId();
  const ask = useAsk();
  const isOperator = useMay("operator");
  const isAdmin = useMay("admin");
  const differences = auditDifferences(of);
  const undo = undoOf(of);
  const mayUndo = undo !== undefined && (undo.role === "admin" ? isAdmin : isOperator);
  const sentence = inZone(auditInWords(of));
  const { by, why } = madeBy(of, nameOf);
  const place = placeOf(of);
  const change = useChange<void, string>({
    act: () => undo!.run(),
    touches: ["list_audit", ...undo?.touches ?? []],
    said: (said) => said,
  });
  return (
    <li className={classes.entry}>
      <Text c="dimmed" component="span" lh={1} mt={3}>
        <Icon name={ICONS[of.kind]} size={18} />
      </Text>
      <div className={classes.words}>
        <Text size="sm" style={{ overflowWrap: "anywhere" }} dir="auto">
          {place === undefined
            ? sentence
            : <Anchor component={Link} href={place} inherit underline="hover" c="inherit">{sentence}</Anchor>}
        </Text>
        <Text size="xs" c="dimmed" component="div">
          <Time at={of.at} /> {by}
          {why && (
            <>
              : <Reason text={why} />
            </>
          )}
        </Text>
        {differences.length > 0 && (
          <UnstyledButton
            className={classes.more}
            aria-expanded={isOpen}
            aria-controls={list}
            onClick={() => setOpen((before) => !before)}
          >
            <Icon name={isOpen ? "up" : "down"} size={14} /> {isOpen ? "Hide" : "Show"}{" "}
            {differences.length === 1 ? "1 difference" : `${differences.length} differences`}
          </UnstyledButton>
        )}
        {isOpen && <Differences id={list} of={differences} />}
      </div>
      {mayUndo && (
        <Group wrap="nowrap">
          <Button
            size="compact-xs"
            variant="default"
            leftSection={<Icon name="undo" size={12} />}
            loading={change.isPending}
            aria-label={`Undo: ${sentence}`}
            onClick={async () => {
              const answer = await ask({
                title: "Undo this change?",
                body: (
                  <>
                    <Text size="sm" mb="xs">{sentence}</Text>
                    <Differences
                      id={`${list}-undo`}
                      of={differences.map(({ name, from, to }) => ({ name, from: to, to: from }))}
                    />
                  </>
                ),
                action: "Undo",
                reason: "none",
              });
              if (answer) change.mutate();
            }}
          >
            Undo
          </Button>
        </Group>
      )}
    </li>
  );
}

function Differences({ of, id }: { of: Difference[]; id: string }) {
  return (
    <div className={classes.diff} id={id}>
      {of.map(({ name, from, to }) => (
        <div key={name}>
          {name}: {from !== undefined && <del className={classes.from}>{inZone(from)}</del>}{" "}
          {to !== undefined && <ins className={classes.to}>{inZone(to)}</ins>}
        </div>
      ))}
    </div>
  );
}
