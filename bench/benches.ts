/** The benches by name. A test of the slow tier runs each with `--quick`, so that none stops working unseen. */
export const BENCHES: Readonly<Record<string, () => Promise<{ main(args: string[]): Promise<void> }>>> = {
  pipeline: () => import("./pipeline/main.ts"),
  webhook: () => import("./webhook.ts"),
  links: () => import("./links.ts"),
  flags: () => import("./flags.ts"),
  panel: () => import("./panel.ts"),
  deploy: () => import("./deploy.ts"),
  costs: () => import("./costs.ts"),
  cli: () => import("./cli.ts"),
  growth: () => import("./growth/main.ts"),
  email: () => import("./email/main.ts"),
  texts: () => import("./texts/main.ts"),
  poaching: () => import("./poaching.ts"),
  guard: () => import("./guard.ts"),
  opens: () => import("./opens.ts"),
  campaign: () => import("./campaign.ts"),
};
