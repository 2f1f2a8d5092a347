/**
 * Invitations to the team over HTTP.
 *
 * @module
 */
import { z } from "zod";
import { TEAM_ROLES } from "../states.ts";

/** The body of `POST wa-router/team/invitations`. */
export const invitation = z.strictObject({
  email: z.email().max(254).describe("Where the invitation goes"),
  role: z.enum(TEAM_ROLES).describe("The role that accepting gives"),
  return_to: z.url().max(2000).optional().describe(
    "The page of the panel that the link in the mail leads to, of the same origin as the request; must be among the redirect URLs of Supabase Auth. Without it, the site's URL",
  ),
});

/** The answer of `POST wa-router/team/invitations`. */
export const invited = z.strictObject({
  id: z.uuid(),
  email: z.string(),
  role: z.enum(TEAM_ROLES),
  expires_at: z.string().describe("Until then it can be accepted"),
});
/** See {@linkcode invited}. */
export type Invited = z.infer<typeof invited>;

/** Schemas by the names that docs/openapi.yaml has for them. */
export const TEAM = { Invitation: invitation, Invited: invited } as const;
