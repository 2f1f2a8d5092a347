/** E-mail: figures, the identities that mail is sent as, who gets none, and what nobody knows the outcome of. */
import { Tabs } from "@mantine/core";
import type { UnknownMessage } from "../../../../supabase/functions/_shared/contract/answers/mail.ts";
import { useLivePages } from "../../data/pages.ts";
import { rpc } from "../../data/query.ts";
import { useParameter } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { State } from "../../ui/State.tsx";
import { TabStrip } from "../../ui/TabStrip.tsx";
import { Figures } from "./Figures.tsx";
import { Identities } from "./Identities.tsx";
import { Mailboxes } from "./Mailboxes.tsx";
import { Suppressions } from "./Suppressions.tsx";
import { Unknown } from "./Unknown.tsx";

/** Unknown messages of a page. */
const UNKNOWN = 100;

export default function Mail() {
  const [tab, setTab] = useParameter("tab", "figures");
  const unknown = useLivePages<UnknownMessage>({
    key: ["list_unknown"],
    read: (last) =>
      rpc("list_unknown", {
        p_limit: UNKNOWN,
        p_filter: last ? { after_at: last.since, after_id: last.id } : {},
      }),
    size: UNKNOWN,
  });
  const overdue = unknown.items?.filter(({ overdue }) => overdue).length ?? 0;
  return (
    <Page
      title="E-mail"
      about="Mail that you send, the answers to it, and who gets none. The mails themselves are in Messages."
    >
      <Tabs value={tab} onChange={(value) => setTab(value ?? "figures")} keepMounted={false}>
        <TabStrip open={tab}>
          <Tabs.Tab value="figures">Figures</Tabs.Tab>
          <Tabs.Tab value="identities">Identities</Tabs.Tab>
          <Tabs.Tab value="mailboxes">Mailboxes</Tabs.Tab>
          <Tabs.Tab value="suppressions">Suppressions</Tabs.Tab>
          <Tabs.Tab
            value="unknown"
            rightSection={overdue > 0 && (
              <State size="sm" tone="warn">{overdue}{unknown.hasMore && "+"}</State>
            )}
          >
            Unknown
          </Tabs.Tab>
        </TabStrip>
        <Tabs.Panel value="figures">
          <Figures />
        </Tabs.Panel>
        <Tabs.Panel value="identities">
          <Identities />
        </Tabs.Panel>
        <Tabs.Panel value="mailboxes">
          <Mailboxes />
        </Tabs.Panel>
        <Tabs.Panel value="suppressions">
          <Suppressions />
        </Tabs.Panel>
        <Tabs.Panel value="unknown">
          <Unknown of={unknown} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
