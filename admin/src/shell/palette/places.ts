/** What the palette offers without asking the database: pages, parts of pages, and what can be made. */
import type { IconName } from "../../ui/icons.tsx";
import { includes, type Me, type Role } from "../../session/me.tsx";
import { PAGES } from "../pages.ts";

/** A place in the panel. */
export interface Place {
  label: string;
  /** Other words by which it is found. */
  also?: string;
  icon: IconName;
  to: string;
  /** The least role that can do something there. @default viewer */
  role?: Role;
}

/** Parts of pages that have an address. Each tab of the settings is among them, which a test holds. */
export const PARTS: readonly Place[] = [
  { label: "Segments", also: "people groups beta testers", icon: "people", to: "/flags/segments" },
  { label: "Waiting deliveries", also: "queue", icon: "truck", to: "/deliveries?tab=waiting" },
  {
    label: "Dead letters",
    also: "failed deliveries given up retry",
    icon: "truck",
    to: "/deliveries?tab=dead",
  },
  { label: "Identities", also: "e-mail sender addresses", icon: "mail", to: "/mail?tab=identities" },
  {
    label: "Suppressions",
    also: "e-mail bounce complaint unsubscribe",
    icon: "mail",
    to: "/mail?tab=suppressions",
  },
  { label: "Unknown outcomes", also: "e-mail unknown sent", icon: "mail", to: "/mail?tab=unknown" },
  { label: "Settings: Allowlist", also: "hosts domains", icon: "gear", to: "/settings?tab=allowlist" },
  { label: "Settings: Team", also: "members roles people", icon: "gear", to: "/settings?tab=team" },
  {
    label: "Settings: Numbers",
    also: "senders accounts whatsapp pace",
    icon: "gear",
    to: "/settings?tab=numbers",
  },
  { label: "Settings: Limits", also: "rate retention keep days", icon: "gear", to: "/settings?tab=limits" },
  {
    label: "Settings: Notifications",
    also: "alerts slack webhook endpoints",
    icon: "gear",
    to: "/settings?tab=notifications",
  },
  {
    label: "Settings: Feedback",
    also: "complaints ratings words",
    icon: "gear",
    to: "/settings?tab=feedback",
  },
  { label: "Settings: Launch gates", also: "sign-off approval", icon: "gear", to: "/settings?tab=gates" },
];

/** What can be made, each on its own form. */
export const NEW: readonly Place[] = [
  { label: "New flag", also: "create add", icon: "plus", to: "/flags?new=flag", role: "operator" },
  { label: "New link", also: "create add qr code", icon: "plus", to: "/links/new", role: "operator" },
  {
    label: "Import links",
    also: "csv file upload create",
    icon: "upload",
    to: "/links/import",
    role: "operator",
  },
  { label: "New route", also: "create add", icon: "plus", to: "/routes?edit=new", role: "operator" },
  {
    label: "Add destination",
    also: "new create service webhook",
    icon: "plus",
    to: "/deliveries?new=destination",
    role: "operator",
  },
  { label: "New rollout", also: "create plan launch", icon: "plus", to: "/rollouts/new", role: "operator" },
  { label: "Open incident", also: "new create report", icon: "warn", to: "/incidents/new", role: "operator" },
  {
    label: "New announcement",
    also: "create send",
    icon: "plus",
    to: "/announcements/new",
    role: "operator",
  },
  {
    label: "New campaign",
    also: "create send mail newsletter",
    icon: "plus",
    to: "/campaigns/new",
    role: "operator",
  },
  {
    label: "Add team member",
    also: "new invite role",
    icon: "people",
    to: "/settings?tab=team",
    role: "admin",
  },
  {
    label: "Allow a host",
    also: "allowlist add domain",
    icon: "key",
    to: "/settings?tab=allowlist",
    role: "admin",
  },
];

/** The pages and their parts. */
export const places = (): Place[] => [
  ...PAGES.map(({ title, icon, path }) => ({ label: title, icon, to: path })),
  ...PARTS,
];

/** Whether a person may do what a place is for. */
export const isFor = (me: Me, { role }: Place): boolean => role === undefined || includes(me, role);

/** Whether each word is in the label, or in the other words. */
export const matches = ({ label, also }: Pick<Place, "label" | "also">, words: readonly string[]): boolean =>
  words.every((word) => `${label} ${also ?? ""}`.toLowerCase().includes(word));
