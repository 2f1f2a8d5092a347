/** An operator removes a destination that no route uses; what still waits for it is named, and dropped only for a reason. */
import { Anchor, Button, Group, List, Modal, Stack, Text, Textarea } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { Link } from "wouter";
import type { DestinationHealth } from "../../../../supabase/functions/_shared/contract/answers/deliveries.ts";
import { rpc, useChange } from "../../data/query.ts";
import { Icon } from "../../ui/icons.tsx";
import { DESTINATION_TOUCHES } from "./ChangeDestination.tsx";

interface Props {
  of: DestinationHealth;
  /** Called once it is gone. */
  removed?: () => void;
}

export function RemoveDestination({ of, removed }: Props) {
  const [opened, setOpened] = useState(false);
  const close = () => setOpened(false);
  return (
    <>
      <Button
        size="xs"
        variant="default"
        leftSection={<Icon name="trash" size={16} />}
        aria-label={`Remove ${of.name}`}
        onClick={() => setOpened(true)}
      >
        Remove
      </Button>
      <Modal
        opened={opened}
        onClose={close}
        title={of.routes.length > 0 ? `${of.name} is in use` : `Remove ${of.name}?`}
        closeButtonProps={{ "aria-label": "Close" }}
        centered
      >
        {opened && (of.routes.length > 0
          ? <InUse of={of} close={close} />
          : <Removal of={of} close={close} removed={removed} />)}
      </Modal>
    </>
  );
}

/** Routes with the same beginning are found together. */
function InUse({ of, close }: { of: DestinationHealth; close: () => void }) {
  const one = of.routes.length === 1;
  return (
    <Stack gap="sm">
      <Text size="sm">
        {one ? "A route leads to it." : `${of.routes.length} routes lead to it.`} Give {one ? "it" : "them"}
        {" "}
        another destination, or remove {one ? "it" : "them"}, first.
      </Text>
      <List size="sm" aria-label={`Routes to ${of.name}`}>
        {of.routes.map((route) => (
          <List.Item key={route}>
            <Anchor
              component={Link}
              href={`/routes?q=${encodeURIComponent(route)}`}
              inherit
              underline="always"
              style={{ overflowWrap: "anywhere" }}
            >
              {route}
            </Anchor>
          </List.Item>
        ))}
      </List>
      <Waits of={of} />
      <Group justify="flex-end">
        <Button variant="default" onClick={close}>Close</Button>
      </Group>
    </Stack>
  );
}

/** What waits for it, and where to see that; nothing where nothing does. */
function Waits({ of }: { of: DestinationHealth }) {
  const lists: [n: number, one: string, many: string, tab: string][] = [
    [of.open, "delivery waits", "deliveries wait", "waiting"],
    [of.dead, "is a dead letter", "are dead letters", "dead"],
  ];
  return lists.filter(([n]) => n > 0).map(([n, one, many, tab]) => (
    <Text key={tab} size="sm">
      {n.toLocaleString()} {n === 1 ? one : many}.{" "}
      <Anchor
        component={Link}
        href={`/deliveries?tab=${tab}&destination=${of.name}`}
        inherit
        underline="always"
        aria-label={tab === "waiting" ? "View waiting deliveries" : "View dead letters"}
      >
        View
      </Anchor>
    </Text>
  ));
}

function Removal({ of, close, removed }: Props & { close: () => void }) {
  const drops = of.open + of.dead > 0;
  const [reason, setReason] = useState("");
  const remove = useChange({
    act: (reason: string | null) => rpc("remove_destination", { p_name: of.name, p_reason: reason }),
    touches: DESTINATION_TOUCHES,
    said: ({ dropped }) =>
      dropped === 0
        ? `${of.name} was removed.`
        : `${of.name} was removed, and ${dropped.toLocaleString()} ${
          dropped === 1 ? "delivery was" : "deliveries were"
        } dropped.`,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (drops && reason.trim() === "") return;
    // Not onSuccess: by then the page may have read that the destination is gone, and this form with it.
    remove.mutateAsync(reason.trim() || null).then(() => {
      close();
      removed?.();
    }, () => {});
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Waits of={of} />
        <Text size="sm">
          {drops
            ? "They are dropped with the destination: nobody gets them. To keep them, deliver them first."
            : "Its delivery history is kept. Its secret is deleted."}
        </Text>
        {drops && (
          <Textarea
            label="Reason"
            description="Recorded with each dropped delivery."
            required
            autosize
            minRows={2}
            data-autofocus
            value={reason}
            onChange={({ currentTarget: { value } }) => setReason(value)}
          />
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>Cancel</Button>
          <Button
            type="submit"
            color="red"
            loading={remove.isPending}
            disabled={drops && reason.trim() === ""}
          >
            {drops ? "Drop and remove" : "Remove"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
