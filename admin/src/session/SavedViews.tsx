/** The views of a list: filters under a name, one's own and the team's. A view is the part of the address after "?". */
import { ActionIcon, Button, Checkbox, Group, Popover, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { SavedView } from "../../../supabase/functions/_shared/contract/answers/people.ts";
import { MAX_ROWS, rpc, useChange, useRows } from "../data/query.ts";
import { Icon } from "../ui/icons.tsx";
import { navigate, useHashPath, useHashSearch } from "../ui/location.ts";
import { Loaded } from "../ui/states.tsx";
import { For, useMay, useMe } from "./me.tsx";

/** What is opened beside a list, and is no filter of it. */
const OPENED = ["message", "edit", "new", "try"];

function filtersOf(search: string): string {
  const parameters = new URLSearchParams(search);
  for (const name of OPENED) parameters.delete(name);
  return parameters.toString();
}

export function SavedViews() {
  const [opened, setOpened] = useState(false);
  return (
    <Popover
      opened={opened}
      onChange={setOpened}
      position="bottom-end"
      width={300}
      trapFocus
      returnFocus
      withinPortal
    >
      <Popover.Target>
        <Button
          variant="default"
          size="xs"
          leftSection={<Icon name="bookmark" size={14} />}
          onClick={() => setOpened(!opened)}
        >
          Views
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        {opened && <Views close={() => setOpened(false)} />}
      </Popover.Dropdown>
    </Popover>
  );
}

function Views({ close }: { close: () => void }) {
  const [page] = useHashPath();
  const filters = filtersOf(useHashSearch());
  const me = useMe();
  const mayRemove = useMay("admin");
  const [name, setName] = useState("");
  const [isShared, setShared] = useState(false);
  const [fault, setFault] = useState<string>();
  const views = useRows<SavedView>(
    ["saved_views", page],
    (db) => db.from("saved_views").select("*").eq("page", page).order("name").order("id").limit(MAX_ROWS),
  );
  const save = useChange({
    act: (view: { name: string; search: string; shared: boolean }) =>
      rpc("save_view", {
        p_page: page,
        p_name: view.name,
        p_search: view.search,
        p_shared: view.shared,
      }),
    touches: ["saved_views"],
    said: ({ name }) => `View ${name} was saved.`,
    onRefused: ({ message, hint }) => (setFault([message, hint].filter(Boolean).join(" ")), true),
  });
  const remove = useChange({
    act: ({ id }: SavedView) => rpc("remove_view", { p_id: id }),
    touches: ["saved_views"],
    said: (_, { name }) => `View ${name} was removed.`,
    undo: (_, { page, name, search, shared, created_by }) =>
      created_by !== me.id ? undefined : async () => {
        await rpc("save_view", { p_page: page, p_name: name, p_search: search, p_shared: shared });
        return `Undone: view ${name} is back.`;
      },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setFault(undefined);
    save.mutate({ name: name.trim(), search: filters, shared: isShared }, { onSuccess: close });
  };
  return (
    <Stack gap="sm">
      <Loaded
        of={views}
        rows={1}
        empty={<Text size="sm" c="dimmed">No views of this list have been saved yet.</Text>}
      >
        {(all) => (
          <Stack
            gap={4}
            component="ul"
            aria-label="Saved views"
            style={{ listStyle: "none", margin: 0, padding: 0 }}
          >
            {all.map((view) => (
              <Group key={view.id} component="li" justify="space-between" wrap="nowrap" gap="xs">
                <Button
                  variant={view.search === filters ? "light" : "subtle"}
                  size="xs"
                  justify="flex-start"
                  aria-current={view.search === filters ? "true" : undefined}
                  style={{ flex: 1, minWidth: 0 }}
                  onClick={() => {
                    navigate(`${page}?${view.search}`);
                    close();
                  }}
                >
                  <bdi>{view.name}</bdi>
                  {view.shared && <Text span size="xs" c="dimmed" ml={6}>team</Text>}
                </Button>
                {(view.created_by === me.id || mayRemove) && (
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label={`Remove view ${view.name}`}
                    onClick={() => remove.mutate(view)}
                  >
                    <Icon name="cross" size={14} />
                  </ActionIcon>
                )}
              </Group>
            ))}
          </Stack>
        )}
      </Loaded>
      {filters === ""
        ? <Text size="sm" c="dimmed">Filter the list to save what it shows as a view.</Text>
        : (
          <form onSubmit={submit}>
            <Stack gap="xs">
              <TextInput
                label="Save these filters as"
                size="xs"
                required
                maxLength={60}
                error={fault}
                value={name}
                onChange={({ currentTarget: { value } }) => setName(value)}
              />
              <For role="operator">
                <Checkbox
                  size="xs"
                  label="Share with the team"
                  checked={isShared}
                  onChange={({ currentTarget: { checked } }) => setShared(checked)}
                />
              </For>
              <Button type="submit" size="xs" loading={save.isPending} disabled={name.trim() === ""}>
                Save view
              </Button>
            </Stack>
          </form>
        )}
    </Stack>
  );
}
