/** Step: the first admin. */
import type { Invited } from "../../../supabase/functions/_shared/contract/http/team.ts";
import { CliError } from "../../core/errors.ts";
import { callFunction } from "../../core/functions_api.ts";
import { asked, type Target } from "./target.ts";
import type { WalkStep } from "./walk.ts";

/** By the function's code. */
const HINTS: Readonly<Record<string, string>> = {
  invalid_request: "Give an e-mail address: --admin you@example.com",
  mail_not_sent: "Or create the user in the dashboard (Authentication > Users > Add user, Auto Confirm).",
};

/**
 * Makes a person admin. Whoever cannot sign in yet is invited by mail, and is admin once the link in it was followed:
 * a role given before would be anybody's who registers the address.
 * @param email Undefined if nobody was named.
 */
export function team({ sql, stack }: Target, email: string | undefined): WalkStep {
  return {
    name: "team",
    what: "make the first admin",
    look: () =>
      asked(async () => {
        const [{ admins, invited }] = await sql`
          select (select count(*)::int from public.team_members where role = 'admin') as admins,
            (select min(email) from public.team_invitations
            where role = 'admin' and sent_at is not null and expires_at > now()) as invited`;
        if (admins > 0) return { done: true, found: admins === 1 ? "there is an admin" : `${admins} admins` };
        return invited === null
          ? { done: false, lacks: `${email ?? "somebody"} to become the first admin` }
          : { done: true, found: `${invited} is invited, and admin after following the link in the mail` };
      }),
    act: () =>
      asked(async () => {
        if (email === undefined) {
          throw new CliError(
            "usage",
            "Nobody is named as the first admin.",
            "Add --admin <your e-mail address>.",
          );
        }
        const [user] = await sql`
          select id from auth.users where lower(email) = lower(${email}) and private.can_sign_in(id)`;
        if (user !== undefined) {
          await sql`select public.set_team_member(${user.id}, 'admin')`;
          return;
        }
        const { body } = await callFunction<Invited>(stack, "POST", "wa-router/team/invitations", {
          body: { email, role: "admin" },
          hintOf: (code) => HINTS[code],
        });
        return `${body.email} gets a mail with a link to the panel, valid until ${
          body.expires_at.slice(0, 10)
        }.`;
      }),
  };
}
