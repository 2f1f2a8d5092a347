/**
 * Settings of the whole installation: allowed hosts, the team, numbers, limits, notifications,
 * words of feedback, and launch gates.
 */
import { Tabs } from "@mantine/core";
import type { ReactNode } from "react";
import { useParameter } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { TabStrip } from "../../ui/TabStrip.tsx";
import { Allowlist } from "./Allowlist.tsx";
import { Feedback } from "./Feedback.tsx";
import { Limits } from "./Limits.tsx";
import { Notifications } from "./Notifications.tsx";
import { Numbers } from "./Numbers.tsx";
import { SignOffs } from "./SignOffs.tsx";
import { Team } from "./Team.tsx";

const TABS: [value: string, title: string, content: ReactNode][] = [
  ["allowlist", "Allowlist", <Allowlist key="allowlist" />],
  ["team", "Team", <Team key="team" />],
  ["numbers", "Numbers", <Numbers key="numbers" />],
  ["limits", "Limits", <Limits key="limits" />],
  ["notifications", "Notifications", <Notifications key="notifications" />],
  ["feedback", "Feedback", <Feedback key="feedback" />],
  ["gates", "Launch gates", <SignOffs key="gates" />],
];

export default function Settings() {
  const [tab, setTab] = useParameter("tab", "allowlist");
  return (
    <Page title="Settings">
      <Tabs value={tab} onChange={(value) => setTab(value ?? "allowlist")} keepMounted={false}>
        <TabStrip open={tab}>
          {TABS.map(([value, title]) => <Tabs.Tab key={value} value={value}>{title}</Tabs.Tab>)}
        </TabStrip>
        {TABS.map(([value, , content]) => <Tabs.Panel key={value} value={value}>{content}</Tabs.Panel>)}
      </Tabs>
    </Page>
  );
}
