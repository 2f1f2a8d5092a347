/** The form for a new link. */
import { Anchor } from "@mantine/core";
import { useRef } from "react";
import { Link as To } from "wouter";
import type { MadeLink } from "../../../../supabase/functions/_shared/contract/links.ts";
import { callFunction } from "../../data/functions.ts";
import { useChange, useRead } from "../../data/query.ts";
import { newLinkCode } from "../../data/ids.ts";
import { Refusal } from "../../data/refusal.ts";
import { For } from "../../session/me.tsx";
import { navigate } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { LinkForm } from "./form/LinkForm.tsx";
import type { Draft } from "./form/body.ts";
import { type PreviewContext, readPreviewContext } from "./preview.ts";

export function NewLinkPage() {
  const ground = useRead(["link_ground"], readPreviewContext, { every: false });
  return (
    <Page title="New link" back={<Anchor component={To} size="sm" href="/links">← All links</Anchor>}>
      <For
        role="operator"
        otherwise={
          <Empty icon="link" title="Only operators can create links">
            Ask an admin of your team for the role.
          </Empty>
        }
      >
        <Loaded of={ground}>{(ground) => <New ground={ground} />}</Loaded>
      </For>
    </Page>
  );
}

interface Sent {
  body: Draft;
  onRefused: (refusal: Refusal) => void;
}

function New({ ground }: { ground: PreviewContext }) {
  // The code that this form gives its link, and whether it has been sent.
  const own = useRef({ code: newLinkCode(), isSent: false });
  const create = useChange({
    act: ({ body }: Sent) => createOnce(body),
    touches: ["links"],
    said: ({ code }) => `Link ${code} was created.`,
    onRefused: (refusal, { onRefused }) => (onRefused(refusal), true),
  });
  /** A second request, after a lost answer, finds the link that the first one made. */
  async function createOnce(body: Draft): Promise<Pick<MadeLink, "code">> {
    const post = (body: Draft) => callFunction<MadeLink>("deeplinks", { method: "POST", body });
    if (body.code || body.external_id) return await post(body);
    for (;;) {
      const { code, isSent } = own.current;
      own.current.isSent = true;
      try {
        return await post({ ...body, code });
      } catch (error) {
        if (!(error instanceof Refusal) || error.code !== "code_taken") throw error;
        if (isSent) return { code };
        // Somebody else's.
        own.current = { code: newLinkCode(), isSent: false };
      }
    }
  }
  const [first] = ground.numbers;
  return (
    <LinkForm
      ground={ground}
      start={first ? { whatsapp: { phone_number_id: first.id, text: "" } } : {}}
      save={(body, onRefused) =>
        create.mutate({ body, onRefused }, { onSuccess: ({ code }) => navigate(`/links/at/${code}`) })}
      saving={create.isPending}
      action="Create link"
    />
  );
}
