/** Edits an existing link in the form that creates links. Untouched members keep their values. */
import { Alert, Anchor, Button, Stack, Text } from "@mantine/core";
import { useMemo, useState } from "react";
import { Link as To } from "wouter";
import { callFunction } from "../../data/functions.ts";
import { useChange, useRead } from "../../data/query.ts";
import type { Refusal } from "../../data/refusal.ts";
import { For } from "../../session/me.tsx";
import { useDraft } from "../../session/draft.ts";
import { navigate } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { Empty, Loaded, Loading } from "../../ui/states.tsx";
import { bodyOf, type Draft, patchOf } from "./form/body.ts";
import { LinkForm } from "./form/LinkForm.tsx";
import { useLink } from "./LinkView.tsx";
import { type PreviewContext, readPreviewContext } from "./preview.ts";
import type { Link } from "../../../../supabase/functions/_shared/contract/links.ts";

export function EditLinkPage({ code }: { code: string }) {
  const ground = useRead(["link_ground"], readPreviewContext, { every: false });
  const link = useLink(code);
  const [round, setRound] = useState(0);
  // Waits for a fresh copy: saving a change of a cached one would look like a conflict with somebody else.
  const [fresh, setFresh] = useState(false);
  if (!fresh && !link.isFetching) setFresh(true);
  return (
    <Page
      title={`Change ${code}`}
      back={<Anchor component={To} size="sm" href={`/links/at/${code}`}>← Back to link</Anchor>}
    >
      <For
        role="operator"
        otherwise={
          <Empty icon="link" title="Only operators can change links">
            Ask an admin of your team for the role.
          </Empty>
        }
      >
        <Loaded of={ground}>
          {(ground) => (
            fresh
              ? (
                <Loaded of={link}>
                  {(link) =>
                    link && link.state !== "deleted"
                      ? <Edit key={round} link={link} ground={ground} again={() => setRound(round + 1)} />
                      : (
                        <Empty icon="link" title="Link not found">
                          If it was deleted, restore it first.
                        </Empty>
                      )}
                </Loaded>
              )
              : <Loading rows={6} />
          )}
        </Loaded>
      </For>
    </Page>
  );
}

interface Sent {
  patch: Record<string, unknown>;
  onRefused: (refusal: Refusal) => void;
}

function Edit({ link: now, ground, again }: { link: Link; ground: PreviewContext; again: () => void }) {
  // The link when the form was opened, or when the draft of it was begun. A save sends the change from it, or is a conflict if others
  // changed the same.
  const draft = useDraft<Link | undefined>(`link:${now.code}`, now);
  const link = draft.base ?? now;
  const before = useMemo(() => bodyOf(link), [link.version]);
  const [conflicts, setConflicts] = useState(false);
  const change = useChange({
    act: ({ patch }: Sent) =>
      callFunction<Link>(`deeplinks/${link.code}`, {
        method: "PATCH",
        body: { ...patch, version: link.version },
      }),
    touches: ["links"],
    said: () => "Saved. This takes effect within 5 seconds.",
    // A conflict is shown once the link has been read again.
    onRefused: (refusal, { onRefused }) => {
      if (refusal.conflict) setConflicts(true);
      onRefused(refusal);
      return true;
    },
  });
  const save = ({ password, ...body }: Draft, onRefused: (refusal: Refusal) => void) => {
    const patch = {
      ...patchOf(before, body),
      ...(password === undefined ? {} : { password }),
    };
    const back = () => {
      draft.clear();
      navigate(`/links/at/${link.code}`);
    };
    if (Object.keys(patch).length === 0) back();
    else change.mutate({ patch, onRefused }, { onSuccess: back });
  };
  const late = conflicts && now.version !== link.version;
  return (
    <LinkForm
      ground={ground}
      kept={draft}
      start={before}
      link={link}
      save={save}
      saving={change.isPending}
      action="Save"
      blocked={late}
      notice={late && (
        <Alert color="yellow" role="alert" title="Somebody else changed this link">
          <Stack gap="xs" align="flex-start">
            <Text size="sm">Your changes have not been saved.</Text>
            <Button size="xs" variant="default" onClick={() => (draft.clear(), again())}>
              Load their version
            </Button>
          </Stack>
        </Alert>
      )}
    />
  );
}
