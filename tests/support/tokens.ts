/** Access tokens as Supabase Auth signs them. */
import { createHmac } from "node:crypto";
import type { Caller } from "./callers.ts";

/** The access token of somebody, as Supabase Auth signs it. */
export function tokenOf({ sub }: Caller, secret = "jwt-secret-of-the-test"): HeadersInit {
  const part = (value: unknown) => base64url(JSON.stringify(value));
  const head = `${part({ alg: "HS256", typ: "JWT" })}.${
    part({ sub, role: "authenticated", aud: "authenticated", exp: Math.floor(Date.now() / 1000) + 3600 })
  }`;
  return { authorization: `Bearer ${head}.${createHmac("sha256", secret).update(head).digest("base64url")}` };
}
const base64url = (text: string) => btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
