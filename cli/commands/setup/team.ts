/** Step: the first admin. */
import { CliError } from "../../core/errors.ts";
import { fetchStack } from "../../core/fetch_stack.ts";
import { asked, type Target } from "./target.ts";
import type { WalkStep } from "./walk.ts";

/**
 * Makes a person admin; one without an account is invited by Supabase Auth.
 * @param email Undefined if nobody was named.
 */
export function team({ sql, stack }: Target, email: string | undefined): WalkStep {
  const found = async () => {
    const [user] = await sql<
      { id: string }[]
    >`select id from auth.users where lower(email) = lower(${email!})`;
    return user?.id;
  };
  return {
    name: "team",
    what: "make the first admin",
    look: () =>
      asked(async () => {
        const [{ admins }] =
          await sql`select count(*)::int as admins from public.team_members where role = 'admin'`;
        return admins > 0
          ? { done: true, found: admins === 1 ? "there is an admin" : `${admins} admins` }
          : { done: false, lacks: `${email ?? "somebody"} to become the first admin` };
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
        let id = await found();
        let said: string | undefined;
        if (id === undefined) {
          await invite(stack, email);
          said = `${email} gets a mail with a link to set a password.`;
          id = await found();
          if (id === undefined) throw new CliError("refused", `Supabase Auth did not create ${email}.`);
        }
        await sql`select public.set_team_member(${id}, 'admin')`;
        return said;
      }),
  };
}

async function invite(stack: Target["stack"], email: string): Promise<void> {
  const { url, secretKey } = stack;
  const answer = await fetchStack(stack, `${url}/auth/v1/invite`, {
    method: "POST",
    headers: { apikey: secretKey, "content-type": "application/json" },
    body: JSON.stringify({ email }),
    signal: AbortSignal.timeout(30_000),
  });
  const body = await answer.json().catch(() => ({})) as { msg?: string; message?: string };
  if (answer.ok) return;
  throw new CliError(
    "refused",
    `Supabase Auth does not invite ${email}: ${body.msg ?? body.message ?? answer.status}`,
    "Create the user in the dashboard (Authentication > Users > Add user, Auto Confirm).",
  );
}
