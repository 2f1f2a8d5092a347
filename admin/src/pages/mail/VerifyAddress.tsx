/** Confirms an address by a code: asks for the mail with the code, and takes the code. */
import { Alert, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { Identity } from "../../../../supabase/functions/_shared/contract/answers/mail.ts";
import type { CodeMailed } from "../../../../supabase/functions/_shared/contract/http/mail.ts";
import { callFunction } from "../../data/functions.ts";
import { rpc, useChange } from "../../data/query.ts";
import { Refusal } from "../../data/refusal.ts";
import { IDENTITY_TOUCHES } from "./touches.ts";

interface Props {
  identity: Identity;
  /** `from`: the identity's own address. `forward`: the inbox for its answers. */
  what: "from" | "forward";
  address: string;
}

export function VerifyAddress({ identity: { id, from_email }, what, address }: Props) {
  const [code, setCode] = useState("");
  const [fault, setFault] = useState<string>();
  const mail = useChange({
    act: () =>
      callFunction<CodeMailed>(`email-send/identities/${id}/code`, { method: "POST", body: { what } }),
    touches: [],
    said: ({ sent }) =>
      sent === "yes"
        ? `A code was mailed to ${address}. It is valid for 30 minutes.`
        : `The provider's answer was lost. If no code arrives at ${address}, ask for another in a minute.`,
  });
  const check = useChange({
    act: async (code: string) => {
      const answer = await rpc("check_identity", { p_id: id, p_what: what, p_code: code });
      if (answer.ok) return;
      throw new Refusal(
        "wrong_code",
        answer.left > 0
          ? `This code is wrong. ${answer.left === 1 ? "1 try is" : `${answer.left} tries are`} left.`
          : "This code is not valid any more. Mail a new one.",
      );
    },
    touches: IDENTITY_TOUCHES,
    said: () => `${address} is confirmed.`,
    onRefused: ({ message }) => (setFault(message), true),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (check.isPending) return;
    setFault(undefined);
    check.mutate(code.trim(), { onSuccess: () => setCode("") });
  };
  return (
    <Alert
      color="gray"
      p="sm"
      title={what === "from" ? "Not verified yet" : "The inbox is not confirmed yet"}
    >
      <Stack gap="sm">
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {what === "from"
            ? `Mail a code to ${address}, and enter it here. Until then nothing is sent as it.`
            : `Mail a code to ${address}. Its owner gives it to you if answers to ${from_email} may go there.`}
        </Text>
        <form onSubmit={submit}>
          <Group align="flex-start" gap="sm">
            <Button variant="default" loading={mail.isPending} onClick={() => mail.mutate(undefined)}>
              Mail a code
            </Button>
            <TextInput
              aria-label={`Code for ${address}`}
              placeholder="8 digits"
              inputMode="numeric"
              autoComplete="one-time-code"
              maxLength={12}
              required
              error={fault}
              value={code}
              onChange={({ currentTarget: { value } }) => setCode(value)}
              w={160}
            />
            <Button type="submit" loading={check.isPending}>Confirm</Button>
          </Group>
        </form>
      </Stack>
    </Alert>
  );
}
