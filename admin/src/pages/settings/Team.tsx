/** The team's members and their roles. */
import { ActionIcon, Button, Group, MultiSelect, Paper, Select, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { Member } from "../../../../supabase/functions/_shared/contract/answers/people.ts";
import { type LivePagesOptions, mapItems, useLivePages } from "../../data/pages.ts";
import { rpc, useChange } from "../../data/query.ts";
import type { Refusal } from "../../data/refusal.ts";
import { useDraft } from "../../session/draft.ts";
import { For, grows, type Role, useMay, useMe } from "../../session/me.tsx";
import { type Question, useAsk } from "../../ui/ask.tsx";
import { ListTools } from "../../session/ListTools.tsx";
import { Icon } from "../../ui/icons.tsx";
import { useParameter } from "../../ui/location.ts";
import { SearchField } from "../../ui/SearchField.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import { TeamHistory } from "./Histories.tsx";
import { Invitations, InviteInstead } from "./Invitations.tsx";

const ROLES: { value: Role; label: string }[] = [
  { value: "viewer", label: "Viewer: read only" },
  { value: "operator", label: "Operator: run the system" },
  { value: "admin", label: "Admin: also manage team and allowlist" },
];
const APPROVALS = ["engineering", "security", "product", "cto"];
/** What each role may do beyond the one before it. */
const MEANS: Partial<Record<Role, string>> = {
  operator:
    "They can read and answer messages, turn flags on and off, run rollouts, and change routes, links and limits.",
  admin:
    "They can do everything that operators can, and manage the allowlist and this team. They can remove you.",
};

const OWN: Question = {
  title: "Change your own role?",
  body: "You cannot undo this yourself.",
  action: "Change",
  danger: true,
  reason: "none",
};

/** The confirmation before somebody gets more permissions. */
const grown = (email: string, role: Role): Question => ({
  title: `Make ${email} an ${role}?`,
  body: `${MEANS[role]} This takes effect immediately.`,
  action: `Make ${role}`,
  danger: role === "admin",
  reason: "none",
});

/** Members of a page. */
const PAGE = 100;

const TOUCHES = ["list_team", "me", "team_members", "team_history"];

export function Team() {
  const [search, setSearch] = useParameter("q");
  const source: LivePagesOptions<Member> = {
    key: ["list_team", { search }],
    read: (last) =>
      rpc("list_team", {
        p_filter: { ...(search && { search }), ...(last && { after: last.user_id }) },
        p_limit: PAGE,
      }),
    size: PAGE,
  };
  const team = useLivePages(source);
  return (
    <Stack>
      <For role="admin" otherwise={<Text size="sm" c="dimmed">Only admins can change the team.</Text>}>
        <Add />
        <Invitations />
      </For>
      <ListTools name="team" source={source}>
        {(search !== "" || team.hasMore || (team.items?.length ?? 0) > 10) && (
          <SearchField label="Search the team" value={search} onChange={setSearch} />
        )}
      </ListTools>
      <LoadedPages
        of={team}
        empty={<Empty icon="search" title={`No members match “${search}”`} />}
      >
        {(members) => (
          <VirtualList
            label="Team"
            items={members}
            idOf={({ user_id }) => user_id}
            height={70}
            gap={10}
            hasMore={team.hasMore}
            reading={team.reading}
            more={team.more}
          >
            {(member) => <Row of={member} />}
          </VirtualList>
        )}
      </LoadedPages>
      <For role="admin">
        <TeamHistory />
      </For>
    </Stack>
  );
}

function Add() {
  const ask = useAsk();
  const draft = useDraft("team:new");
  const [email, setEmail] = draft.field("email", "");
  const [role, setRole] = draft.field<Role>("role", "viewer");
  const [refusal, setRefusal] = useState<Refusal>();
  const add = useChange({
    act: () => rpc("add_team_member", { p_email: email, p_role: role }),
    touches: TOUCHES,
    said: () => `${email} was added to the team.`,
    onRefused: (refused) => (setRefusal(refused), true),
  });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setRefusal(undefined);
    if (role !== "viewer" && !await ask(grown(email, role))) return;
    add.mutate(undefined, { onSuccess: draft.clear });
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="xs">
        <Group gap="sm">
          <TextInput
            type="email"
            aria-label="Email address of the new member"
            placeholder="Email address"
            required
            value={email}
            onChange={({ currentTarget: { value } }) => (setEmail(value), setRefusal(undefined))}
            w={{ base: "100%", xs: 280 }}
          />
          <Select
            aria-label="Role of the new member"
            data={ROLES}
            allowDeselect={false}
            value={role}
            onChange={(value) => setRole(value as Role)}
          />
          <Button type="submit" loading={add.isPending}>Add</Button>
        </Group>
        {refusal && (
          <InviteInstead
            refusal={refusal}
            email={email}
            role={role}
            done={() => (setRefusal(undefined), draft.clear())}
          />
        )}
      </Stack>
    </form>
  );
}

function Row({ of }: { of: Member }) {
  // People who sign in by other means have no email address.
  const name = of.email ?? of.user_id;
  const me = useMe();
  const may = useMay("admin");
  const ask = useAsk();
  const change = useChange({
    // What was not changed here stays as it is, even if somebody else changed it in the meantime.
    act: ({ role = of.role, approvals }: Partial<Member>) =>
      rpc("set_team_member", { p_user_id: of.user_id, p_role: role, p_approvals: approvals ?? null }),
    touches: TOUCHES,
    foresee: (changes) => [{
      key: ["list_team"],
      data: (before) =>
        mapItems<Member>(before, (one) => one.user_id === of.user_id ? { ...one, ...changes } : one),
    }],
    said: () => `${name} was changed.`,
    undo: (_, { approvals }) => async () => {
      await rpc("set_team_member", {
        p_user_id: of.user_id,
        p_role: of.role,
        p_approvals: approvals === undefined ? null : of.approvals,
      });
      return `Undone: ${name} is as before.`;
    },
  });
  const remove = useChange({
    act: () => rpc("remove_team_member", { p_user_id: of.user_id }),
    touches: TOUCHES,
    said: () => `${name} was removed from the team.`,
    undo: () => async () => {
      await rpc("set_team_member", { p_user_id: of.user_id, p_role: of.role, p_approvals: of.approvals });
      return `Undone: ${name} is ${of.role} again.`;
    },
  });
  return (
    <Paper withBorder p="sm">
      <Group gap="sm" align="center">
        <div style={{ overflowWrap: "anywhere", flex: "1 1 200px" }}>
          <Text size="sm">
            {name}
            {of.user_id === me.id && " (you)"}
          </Text>
          <Text size="xs" c="dimmed" component="div">
            since <Time at={of.created_at} />
            {!of.can_sign_in && ", cannot sign in"}
          </Text>
        </div>
        <div style={{ flex: "1 1 200px", maxWidth: 420 }}>
          {may
            ? (
              <Select
                aria-label={`Role of ${name}`}
                data={ROLES}
                allowDeselect={false}
                value={of.role}
                onChange={async (role) => {
                  if (role === null || role === of.role) return;
                  const own = of.user_id === me.id;
                  const wanted = role as Role;
                  if (
                    own && !await ask(OWN) ||
                    grows(of.role, wanted) && !await ask(grown(name, wanted))
                  ) {
                    return;
                  }
                  change.mutate({ role: wanted });
                }}
              />
            )
            : of.role}
        </div>
        <div style={{ flex: "1 1 200px", maxWidth: 420 }}>
          {may
            ? (
              <MultiSelect
                aria-label={`Approval roles of ${name}`}
                placeholder={of.approvals.length === 0 ? "None" : undefined}
                data={APPROVALS}
                value={of.approvals}
                onChange={(approvals) => change.mutate({ approvals: approvals as Member["approvals"] })}
              />
            )
            : of.approvals.join(", ") || "none"}
        </div>
        <div>
          {may && (
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={`Remove ${name} from the team`}
              onClick={async () => {
                const answer = await ask({
                  title: `Remove ${name} from the team?`,
                  body: "They immediately lose access to this project. Histories keep their name.",
                  action: "Remove",
                  danger: true,
                  reason: "none",
                });
                if (answer) remove.mutate(undefined);
              }}
            >
              <Icon name="trash" size={18} />
            </ActionIcon>
          )}
        </div>
      </Group>
    </Paper>
  );
}
