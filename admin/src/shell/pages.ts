/**
 * The pages, in the order of the navigation. Each is a folder in admin/src/pages, loaded when it is opened.
 */
import { type ComponentType, lazy } from "react";
import type { IconName } from "../ui/icons.tsx";

export interface PageEntry {
  /** Its path. The page handles everything below it: `/flags/deeplinks.enabled` belongs to `/flags`. */
  path: string;
  title: string;
  icon: IconName;
  /** The key that opens it after `g`. */
  key?: string;
  /** Also shown in the bottom bar on phones, which has room for four. */
  quick?: boolean;
  Page: ComponentType;
}

export const PAGES: PageEntry[] = [
  {
    path: "/",
    key: "o",
    title: "Overview",
    icon: "pulse",
    quick: true,
    Page: lazy(() => import("../pages/overview/index.tsx")),
  },
  {
    path: "/flags",
    key: "f",
    title: "Flags",
    icon: "flag",
    quick: true,
    Page: lazy(() => import("../pages/flags/index.tsx")),
  },
  {
    path: "/rollouts",
    key: "r",
    title: "Rollouts",
    icon: "stairs",
    quick: true,
    Page: lazy(() => import("../pages/rollouts/index.tsx")),
  },
  {
    path: "/traffic",
    key: "b",
    title: "Traffic",
    icon: "split",
    Page: lazy(() => import("../pages/traffic/index.tsx")),
  },
  {
    path: "/messages",
    key: "m",
    title: "Messages",
    icon: "chat",
    quick: true,
    Page: lazy(() => import("../pages/messages/index.tsx")),
  },
  {
    path: "/mail",
    key: "e",
    title: "E-mail",
    icon: "mail",
    Page: lazy(() => import("../pages/mail/index.tsx")),
  },
  {
    path: "/incidents",
    key: "i",
    title: "Incidents",
    icon: "warn",
    Page: lazy(() => import("../pages/incidents/index.tsx")),
  },
  {
    path: "/reports",
    key: "p",
    title: "Reports",
    icon: "chart",
    Page: lazy(() => import("../pages/reports/index.tsx")),
  },
  {
    path: "/announcements",
    key: "a",
    title: "Announcements",
    icon: "megaphone",
    Page: lazy(() => import("../pages/announcements/index.tsx")),
  },
  {
    path: "/campaigns",
    key: "c",
    title: "Campaigns",
    icon: "send",
    Page: lazy(() => import("../pages/campaigns/index.tsx")),
  },
  {
    path: "/templates",
    key: "w",
    title: "Templates",
    icon: "template",
    Page: lazy(() => import("../pages/templates/index.tsx")),
  },
  {
    path: "/deliveries",
    key: "d",
    title: "Deliveries",
    icon: "truck",
    Page: lazy(() => import("../pages/deliveries/index.tsx")),
  },
  {
    path: "/routes",
    key: "t",
    title: "Routes",
    icon: "route",
    Page: lazy(() => import("../pages/routes/index.tsx")),
  },
  {
    path: "/links",
    key: "l",
    title: "Links",
    icon: "link",
    Page: lazy(() => import("../pages/links/index.tsx")),
  },
  {
    path: "/audit",
    key: "u",
    title: "Audit",
    icon: "clock",
    Page: lazy(() => import("../pages/audit/index.tsx")),
  },
  {
    path: "/settings",
    key: "s",
    title: "Settings",
    icon: "gear",
    Page: lazy(() => import("../pages/settings/index.tsx")),
  },
];
