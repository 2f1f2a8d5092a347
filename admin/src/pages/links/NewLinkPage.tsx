/** The form for a new link. */
import { Anchor } from "@mantine/core";
import { Link as To } from "wouter";
import type { Link, MadeLink } from "../../../../supabase/functions/_shared/contract/links.ts";
import { callFunction } from "../../data/functions.ts";
import { useChange, useRead } from "../../data/query.ts";
import { newLinkCode } from "../../data/ids.ts";
import { Refusal } from "../../data/refusal.ts";
import { For } from "../../session/me.tsx";
import { useDraft } from "../../session/draft.ts";
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
  const draft = useDraft<Link | undefined>("link:new");
  // The code and the text of the last request whose answer is not known.
  const [sent, setSent] = draft.field<{ code: string; text: string } | undefined>("sent", undefined);
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
    const text = JSON.stringify(body);
    for (let before = sent;; before = undefined) {
      const code = before?.code ?? newLinkCode();
      setSent({ code, text });
      try {
        return await post({ ...body, code });
      } catch (error) {
        if (!(error instanceof Refusal) || error.code !== "code_taken") throw error;
        if (before?.text === text) return { code };
        if (!before) continue; // Somebody else's link.
        setSent(undefined);
        throw new Refusal(
          "made_before",
          `Your first attempt did create a link, ${code}, without your latest changes.`,
          "Change that link, or press again to create a second one.",
        );
      }
    }
  }
  const [first] = ground.numbers;
  return (
    <LinkForm
      ground={ground}
      kept={draft}
      start={first ? { whatsapp: { phone_number_id: first.id, text: "" } } : {}}
      save={(body, onRefused) =>
        create.mutate({ body, onRefused }, {
          onSuccess: ({ code }) => {
            draft.clear();
            navigate(`/links/at/${code}`);
          },
        })}
      saving={create.isPending}
      action="Create link"
    />
  );
}
