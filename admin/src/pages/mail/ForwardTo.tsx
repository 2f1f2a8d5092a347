/** Where the answers to an identity go: the inbox, another one that waits for its confirmation, and changing it. */
import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { Identity } from "../../../../supabase/functions/_shared/contract/answers/mail.ts";
import { rpc, useChange } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { IDENTITY_TOUCHES } from "./touches.ts";
import { VerifyAddress } from "./VerifyAddress.tsx";

export function ForwardTo({ identity }: { identity: Identity }) {
  const { id, from_email, forward_to, forward_to_confirm } = identity;
  const ask = useAsk();
  const [typed, setTyped] = useState<string>();
  const [fault, setFault] = useState<string>();
  const set = useChange({
    act: (forward_to: string | null) => rpc("set_identity", { p_id: id, p_changes: { forward_to } }),
    touches: IDENTITY_TOUCHES,
    onRefused: ({ message, hint }) => (setFault([message, hint].filter(Boolean).join(". ")), true),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (set.isPending || typed === undefined) return;
    setFault(undefined);
    set.mutate(typed.trim(), { onSuccess: () => setTyped(undefined) });
  };
  return (
    <Stack gap="sm">
      <Group gap="xs">
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {forward_to === null
            ? "Answers are kept, and forwarded to nobody."
            : `Answers go to ${forward_to}.`}
        </Text>
        <For role="operator">
          {typed === undefined && (
            <Button size="compact-xs" variant="default" onClick={() => setTyped("")}>
              {forward_to === null ? "Set inbox" : "Change inbox"}
            </Button>
          )}
          {(forward_to ?? forward_to_confirm) !== null && (
            <Button
              size="compact-xs"
              variant="default"
              loading={set.isPending}
              onClick={async () => {
                const answer = await ask({
                  title: `Stop forwarding answers to ${from_email}?`,
                  body: "This takes effect at once. Answers are still kept.",
                  action: "Stop forwarding",
                  reason: "none",
                });
                if (answer) set.mutate(null);
              }}
            >
              Stop forwarding
            </Button>
          )}
        </For>
      </Group>
      {typed !== undefined && (
        <form onSubmit={submit}>
          <Group align="flex-end" gap="sm">
            <TextInput
              label="Inbox for answers"
              type="email"
              required
              autoComplete="off"
              error={fault}
              value={typed}
              onChange={({ currentTarget: { value } }) => setTyped(value)}
              w={{ base: "100%", xs: 280 }}
            />
            <Button type="submit" loading={set.isPending}>Save</Button>
            <Button variant="default" onClick={() => (setTyped(undefined), setFault(undefined))}>
              Cancel
            </Button>
          </Group>
        </form>
      )}
      {forward_to_confirm !== null && (
        <For
          role="operator"
          otherwise={<Text size="sm">Another inbox waits for its confirmation: {forward_to_confirm}.</Text>}
        >
          <VerifyAddress
            key={forward_to_confirm}
            identity={identity}
            what="forward"
            address={forward_to_confirm}
          />
        </For>
      )}
    </Stack>
  );
}
