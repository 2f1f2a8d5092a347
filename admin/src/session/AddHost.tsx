/** Where the allowlist refused a URL: a button for admins that adds its host, and for others whom to ask. */
import { Button, Group, Text } from "@mantine/core";
import { rpc, useChange } from "../data/query.ts";
import { For } from "./me.tsx";
import { hostOf } from "../ui/host.ts";
import { Icon } from "../ui/icons.tsx";

export const ALLOWLIST_CHANGED = ["destination_allowlist", "allowlist_history", "link_ground"];

interface Props {
  /** The refused URL. */
  url: string;
  /** `forward` for services, `redirect` for links. */
  purpose: "forward" | "redirect";
  /** Called once the host is allowed. */
  added?: () => void;
}

export function AddHost({ url, purpose, added }: Props) {
  const host = hostOf(url);
  const allow = useChange({
    act: (host: string) => rpc("allow_host", { p_pattern: host, p_purpose: purpose }),
    touches: ALLOWLIST_CHANGED,
    said: (_, host) => `${host} was added to the allowlist.`,
    // It is offered only where the list does not have the host.
    undo: (_, host) => async () => {
      await rpc("disallow_host", { p_pattern: host, p_purpose: purpose });
      return `Undone: ${host} is not allowed any more.`;
    },
  });
  if (host === undefined) {
    return <Text size="sm">Enter an address that starts with https:// and has a host name.</Text>;
  }
  return (
    <Group gap="xs">
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>The allowlist does not contain {host}.</Text>
      <For role="admin" otherwise={<Text size="sm">An admin can add it in Settings, Allowlist.</Text>}>
        <Button
          size="xs"
          variant="default"
          leftSection={<Icon name="plus" size={14} />}
          loading={allow.isPending}
          onClick={() => allow.mutate(host, { onSuccess: added })}
        >
          Add {host}
        </Button>
      </For>
    </Group>
  );
}
