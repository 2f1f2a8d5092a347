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
  /** Also shown in the bottom bar on phones, which has room for four. */
  quick?: boolean;
  Page: ComponentType;
}

export const PAGES: PageEntry[] = [
  {
    path: "/",
    title: "Overview",
    icon: "pulse",
    quick: true,
    Page: lazy(() => import("../pages/overview/index.tsx")),
  },
  {
    path: "/flags",
    title: "Flags",
    icon: "flag",
    quick: true,
    Page: lazy(() => import("../pages/flags/index.tsx")),
  },
  {
    path: "/rollouts",
    title: "Rollouts",
    icon: "stairs",
    quick: true,
    Page: lazy(() => import("../pages/rollouts/index.tsx")),
  },
  {
    path: "/messages",
    title: "Messages",
    icon: "chat",
    quick: true,
    Page: lazy(() => import("../pages/messages/index.tsx")),
  },
  {
    path: "/mail",
    title: "E-mail",
    icon: "mail",
    Page: lazy(() => import("../pages/mail/index.tsx")),
  },
  {
    path: "/incidents",
    title: "Incidents",
    icon: "warn",
    Page: lazy(() => import("../pages/incidents/index.tsx")),
  },
  {
    path: "/reports",
    title: "Reports",
    icon: "chart",
    Page: lazy(() => import("../pages/reports/index.tsx")),
  },
  {
    path: "/announcements",
    title: "Announcements",
    icon: "megaphone",
    Page: lazy(() => import("../pages/announcements/index.tsx")),
  },
  {
    path: "/deliveries",
    title: "Deliveries",
    icon: "truck",
    Page: lazy(() => import("../pages/deliveries/index.tsx")),
  },
  {
    path: "/routes",
    title: "Routes",
    icon: "route",
    Page: lazy(() => import("../pages/routes/index.tsx")),
  },
  {
    path: "/links",
    title: "Links",
    icon: "link",
    Page: lazy(() => import("../pages/links/index.tsx")),
  },
  {
    path: "/settings",
    title: "Settings",
    icon: "gear",
    Page: lazy(() => import("../pages/settings/index.tsx")),
  },
];
