/** Shows the panel to team members, and the sign-in to everybody else. */
import { Button, Center, Group, Loader, Stack, Text, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";
import { client } from "../data/client.ts";
import { rpc, unwrap, useRead } from "../data/query.ts";
import { Failed } from "../ui/states.tsx";
import { forgetDraftsOfOthers } from "./draft.ts";
import { signOut } from "./leave.ts";
import { MeProvider } from "./me.tsx";
import { Card } from "./Card.tsx";
import { SignIn } from "./SignIn.tsx";
import { useSession } from "./useSession.ts";

export function SessionGate({ children }: { children: ReactNode }) {
  const { session, ended } = useSession();
  const queries = useQueryClient();
  const user = session?.user;
  // The next person must not see the cached data of the previous one.
  useEffect(() => {
    if (user) forgetDraftsOfOthers(user.id);
    return () => queries.clear();
  }, [user?.id]);
  if (session === undefined) return <Waiting />;
  if (!user) return <SignIn expired={ended === "expired"} />;
  return <Member key={user.id} id={user.id} email={user.email ?? ""}>{children}</Member>;
}

function Member({ id, email, children }: { id: string; email: string; children: ReactNode }) {
  // The panel notices a removal from the team or a new role within a minute; the database enforces it at
  // once.
  const member = useRead(["me", id], async () => {
    const [row] = await unwrap(
      client().from("team_members").select("role,approvals").eq("user_id", id).limit(1),
    );
    return row ?? null;
  }, { every: 60_000 });
  if (member.isPending) return <Waiting />;
  if (member.isError && !member.data) {
    return (
      <Card>
        <Failed error={member.error} retry={member.refetch} />
      </Card>
    );
  }
  if (!member.data) return <Stranger id={id} email={email} />;
  return <MeProvider value={{ id, email, ...member.data }}>{children}</MeProvider>;
}

function Waiting() {
  return (
    <Center mih="100dvh">
      <Loader aria-label="Signing in" />
    </Center>
  );
}

function Stranger({ id, email }: { id: string; email: string }) {
  const queries = useQueryClient();
  // Who was invited is in the team from the first visit on.
  const invited = useRead(["accept_invitation", id], () => rpc("accept_invitation", {}), { every: false });
  const isIn = invited.data !== undefined && invited.data !== null;
  useEffect(() => {
    if (isIn) void queries.invalidateQueries({ queryKey: ["me"] });
  }, [isIn]);
  if (invited.isPending || isIn) return <Waiting />;
  return (
    <Card>
      <Stack gap="sm">
        <Title order={1} size="h3">You are not on the team</Title>
        <Text>
          You are signed in as{" "}
          <strong>{email}</strong>, which is not a member of this project's team. Ask an admin to add you.
          Your user id is:
        </Text>
        <Text ff="monospace" size="sm" style={{ overflowWrap: "anywhere" }}>{id}</Text>
        <Group mt="sm">
          <Button onClick={() => void signOut()} variant="default">Sign out</Button>
        </Group>
      </Stack>
    </Card>
  );
}
