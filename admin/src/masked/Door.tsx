/**
 * Who is shown what: nothing at all while messaging is off, the sign-in while it is on for somebody, and the pages to
 * those for whom it is on.
 */
import { Button, Center, Loader, Stack, Text, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect } from "react";
import { useRead } from "../data/query.ts";
import type { Refusal } from "../data/refusal.ts";
import { forgetDraftsOfOthers } from "../session/draft.ts";
import { signOut } from "../session/leave.ts";
import { PersonProvider } from "../session/person.ts";
import { useSession } from "../session/useSession.ts";
import { KEYS, readMe } from "./api.ts";
import { Broken } from "./Broken.tsx";
import { Frame } from "./Frame.tsx";
import { WORDS } from "./words.ts";

const SignIn = lazy(async () => ({ default: (await import("../session/SignIn.tsx")).SignIn }));

/** Where it is hidden, or the session is over, that is looked at again after so many milliseconds. */
const LOOK_MS = 10_000;

export function Door() {
  const { session, ended } = useSession();
  const queries = useQueryClient();
  const user = session?.user;
  // The next person must not see the cached data of the previous one.
  useEffect(() => {
    if (user) forgetDraftsOfOthers(user.id);
    return () => queries.clear();
  }, [user?.id]);
  if (session === undefined) return <Waiting />;
  if (!user) return <Outside expired={ended === "expired"} />;
  return (
    <PersonProvider value={{ id: user.id, email: user.email ?? "" }} key={user.id}>
      <Inside id={user.id} email={user.email ?? ""} />
    </PersonProvider>
  );
}

/** Nobody is signed in: the sign-in, where there is something to sign in to. */
function Outside({ expired }: { expired: boolean }) {
  const asked = useRead([KEYS.me, null], async () => {
    await readMe().catch((error: Refusal) => {
      // Whether it is on is all that somebody without a session is told.
      if (error.code !== "unauthorized" && error.code !== "forbidden") throw error;
    });
    return true;
  }, { every: LOOK_MS });
  if (asked.error?.code === "not_found") return <NotFound />;
  if (asked.data !== undefined) {
    return (
      <Titled title={WORDS.brand}>
        <Suspense fallback={<Waiting />}>
          <SignIn expired={expired} brand={WORDS.brand} />
        </Suspense>
      </Titled>
    );
  }
  return asked.error ? <Broken error={asked.error} retry={asked.refetch} /> : <Waiting />;
}

function Inside({ id, email }: { id: string; email: string }) {
  const me = useRead([KEYS.me, id], readMe, { every: LOOK_MS });
  if (me.error?.code === "not_found") return <NotFound email={email} />;
  if (me.data === undefined) {
    return me.error ? <Broken error={me.error} retry={me.refetch} /> : <Waiting />;
  }
  return <Frame orgs={me.data.orgs} />;
}

function Titled({ title, children }: { title: string; children: React.ReactNode }) {
  useEffect(() => {
    document.title = title;
  }, [title]);
  return children;
}

function Waiting() {
  return (
    <Center mih="100dvh" component="main">
      <Loader aria-label={WORDS.signingIn} />
    </Center>
  );
}

/** As any address at which there is nothing. */
function NotFound({ email }: { email?: string }) {
  return (
    <Titled title={WORDS.notFound.title}>
      <Center mih="100dvh" component="main" p="md">
        <Stack gap="sm" align="center">
          <Title order={1} size="h3">{WORDS.notFound.title}</Title>
          <Text c="dimmed">{WORDS.notFound.body}</Text>
          {email !== undefined && (
            <>
              <Text size="sm" c="dimmed" ta="center" style={{ overflowWrap: "anywhere" }}>
                {WORDS.notFound.signedIn(email)}
              </Text>
              <Button variant="default" size="xs" onClick={() => void signOut()}>
                {WORDS.notFound.signOut}
              </Button>
            </>
          )}
        </Stack>
      </Center>
    </Titled>
  );
}
