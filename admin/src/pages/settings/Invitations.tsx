/** Colleagues who were invited by mail and have not come yet: sent again, or taken back. */
import { Alert, Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import type { Invited } from "../../../../supabase/functions/_shared/contract/http/team.ts";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { callFunction } from "../../data/functions.ts";
import { MAX_ROWS, rpc, useChange, useRows } from "../../data/query.ts";
import type { Refusal } from "../../data/refusal.ts";
import type { Role } from "../../session/me.tsx";
import { useNames } from "../../session/team.ts";
import { useAsk } from "../../ui/ask.tsx";
import { State } from "../../ui/State.tsx";
import { Loaded } from "../../ui/states.tsx";
import { Time, useNow } from "../../ui/Time.tsx";

type Invitation = Row<"team_invitations">;

const TOUCHES = ["team_invitations", "list_audit"];

/** Asks for the mail. Its link leads back to this panel. @throws {Refusal} */
const inviteByMail = (email: string, role: Role) =>
  callFunction<Invited>("wa-router/team/invitations", {
    method: "POST",
    body: { email, role, return_to: location.href.split("#")[0] },
  });

/** Offered where somebody cannot be added, because nobody has proved that the address is theirs. */
export function InviteInstead({ refusal, email, role, done }: {
  refusal: Refusal;
  email: string;
  role: Role;
  done: () => void;
}) {
  const invite = useChange({
    act: () => inviteByMail(email, role),
    touches: TOUCHES,
    said: () => `${email} was invited by mail.`,
  });
  const mayInvite = refusal.code === "GL404" || refusal.code === "GL422";
  return (
    <Alert color={mayInvite ? "yellow" : "red"} role="alert">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{refusal.message} {!mayInvite && refusal.hint}</Text>
        {mayInvite && (
          <Button
            size="xs"
            loading={invite.isPending}
            onClick={() => invite.mutate(undefined, { onSuccess: done })}
          >
            Invite {email} by mail
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

export function Invitations() {
  const invitations = useRows(
    ["team_invitations"],
    (db) => db.from("team_invitations").select("*").order("email").limit(MAX_ROWS),
  );
  return (
    <Loaded of={invitations} rows={0}>
      {(all) =>
        all.length > 0 && (
          <Stack gap="xs" component="section" aria-label="Invitations">
            <Title order={3} size="h5">Invited</Title>
            {all.map((one) => <Invited key={one.id} of={one} />)}
          </Stack>
        )}
    </Loaded>
  );
}

function Invited({ of }: { of: Invitation }) {
  const ask = useAsk();
  const nameOf = useNames();
  const isExpired = Date.parse(of.expires_at) <= useNow();
  const again = useChange({
    act: () => inviteByMail(of.email, of.role as Role),
    touches: TOUCHES,
    said: () => `The invitation was sent to ${of.email} again.`,
  });
  const revoke = useChange({
    act: () => rpc("revoke_invitation", { p_id: of.id }),
    touches: TOUCHES,
    said: () => `The invitation of ${of.email} was revoked.`,
  });
  return (
    <Paper withBorder p="sm">
      <Group gap="sm">
        <div style={{ overflowWrap: "anywhere", flex: "1 1 200px" }}>
          <Group gap="xs">
            <Text size="sm">{of.email}</Text>
            {of.sent_at === null
              ? <State size="sm" tone="bad">not sent</State>
              : isExpired && <State size="sm" tone="warn">expired</State>}
          </Group>
          <Text size="xs" c="dimmed" component="div">
            as {of.role}, by {nameOf(of.invited_by)}
            {of.sent_at !== null && (
              <>
                , sent <Time at={of.sent_at} />; {isExpired ? "expired" : "expires"}{" "}
                <Time at={of.expires_at} />
              </>
            )}
          </Text>
        </div>
        <Group gap="xs">
          <Button
            size="xs"
            variant="default"
            loading={again.isPending}
            aria-label={`Send again: the invitation of ${of.email}`}
            onClick={() => again.mutate(undefined)}
          >
            Send again
          </Button>
          <Button
            size="xs"
            variant="default"
            loading={revoke.isPending}
            aria-label={`Revoke the invitation of ${of.email}`}
            onClick={async () => {
              const answer = await ask({
                title: `Revoke the invitation of ${of.email}?`,
                body: "The link in the mail leads into no team any more.",
                action: "Revoke",
                danger: true,
                reason: "none",
              });
              if (answer) revoke.mutate(undefined);
            }}
          >
            Revoke
          </Button>
        </Group>
      </Group>
    </Paper>
  );
}
