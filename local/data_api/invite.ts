/**
 * `POST /auth/v1/invite`, which @supabase/lite lacks: makes an account for an address and mails it a link, as Supabase
 * Auth does. The mail is that of a sign-in link, and goes where all mails of the local stack go.
 */
import type { Sql } from "postgres";

export interface InviteOptions {
  /** Answers `/auth/v1/otp`. */
  auth: (request: Request) => Promise<Response> | Response;
  sql: Sql;
  secretKey: string;
  publishableKey: string;
}

const refusal = (status: number, error_code: string, msg: string) =>
  Response.json({ code: status, error_code, msg }, { status });

/** The answer; undefined for any other request. */
export async function invite(
  request: Request,
  { auth, sql, secretKey, publishableKey }: InviteOptions,
): Promise<Response | undefined> {
  const url = new URL(request.url);
  if (request.method !== "POST" || url.pathname !== "/auth/v1/invite") return undefined;
  const { headers } = request;
  if (headers.get("apikey") !== secretKey) {
    return refusal(401, "no_authorization", "A secret key is required");
  }
  const { email } = await request.json().catch(() => ({})) as { email?: unknown };
  if (typeof email !== "string" || !/^[^\s@]+@[^\s@]+$/.test(email)) {
    return refusal(400, "validation_failed", "Unable to validate email address: invalid format");
  }
  const find = async () =>
    (await sql`select id, email, email_confirmed_at, invited_at from auth.users where lower(email) = lower(${email})`)[
      0
    ];
  if ((await find())?.email_confirmed_at) {
    return refusal(422, "email_exists", "A user with this email address has already been registered");
  }
  const sent = await auth(
    new Request(new URL("/auth/v1/otp", url), {
      method: "POST",
      headers: { apikey: publishableKey, "content-type": "application/json" },
      body: JSON.stringify({ email, create_user: true }),
    }),
  );
  if (!sent.ok) return sent;
  await sent.body?.cancel();
  // Lite takes a new address for proved. Here the link of the mail proves it.
  await sql`update auth.users set invited_at = now(), email_confirmed_at = null where lower(email) = lower(${email})`;
  return Response.json(await find());
}
