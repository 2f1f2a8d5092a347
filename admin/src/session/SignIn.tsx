/** Sign-in by password, or by a link that Supabase Auth emails. */
import { Alert, Anchor, Button, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { client, project } from "../data/client.ts";
import { Card } from "./Card.tsx";
import { keepPlace } from "./leave.ts";

/** Whether this is the local stack, which stores emails instead of sending them. */
const isLocal = () => /^http:\/\/(127\.0\.0\.1|localhost)(:|$)/.test(project().url);

/**
 * @param expired Whether a session ended that the person did not end.
 * @param brand What the page is called.
 */
export function SignIn({ expired, brand }: { expired: boolean; brand?: string }) {
  const [way, setWay] = useState<"password" | "link">("password");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  // A used or expired link from an email redirects here with its error in the address.
  const [fault, setFault] = useState(() =>
    new URLSearchParams(location.hash.slice(1)).get("error_description") ?? undefined
  );
  const [sent, setSent] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setFault(undefined);
    if (way === "link") keepPlace();
    const { error } = way === "password"
      ? await client().auth.signInWithPassword({ email, password })
      : await client().auth.signInWithOtp({
        email,
        // Asking for a link creates no account: admins create accounts.
        options: { shouldCreateUser: false, emailRedirectTo: location.href.split("#")[0] },
      });
    setBusy(false);
    if (error && !(way === "link" && error.status && error.status < 500 && error.status !== 429)) {
      setFault(words(error));
    } // Whether there is such an account is nobody's business.
    else if (way === "link") setSent(true);
  }

  const change = (to: typeof way) => {
    setWay(to);
    setFault(undefined);
    setSent(false);
  };

  return (
    <Card brand={brand}>
      <form onSubmit={submit}>
        <Stack>
          <Title order={1} size="h3">Sign in</Title>
          {expired && (
            <Alert color="yellow" role="status" title="Your session has ended">
              It expired, or an admin ended it. Sign in to continue where you were; what you typed is kept in
              this tab.
            </Alert>
          )}
          <TextInput
            label="Email"
            type="email"
            autoComplete="username"
            required
            withAsterisk={false}
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
          />
          {way === "password" && (
            <PasswordInput
              label="Password"
              autoComplete="current-password"
              required
              withAsterisk={false}
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
              visibilityToggleButtonProps={{ "aria-label": "Show password" }}
            />
          )}
          {fault && <Alert color="red" role="alert">{fault}</Alert>}
          {sent && (
            <Alert color="green" role="status">
              If {email}{" "}
              has an account, we have sent a sign-in link to it. The link works once and expires after an
              hour.
              {isLocal() &&
                " The local stack does not send email: the link is in mails.txt in its data folder (.gatelink)."}
            </Alert>
          )}
          <Button type="submit" loading={busy}>{way === "password" ? "Sign in" : "Send sign-in link"}</Button>
          <Text size="sm" ta="center">
            <Anchor
              component="button"
              type="button"
              onClick={() => change(way === "password" ? "link" : "password")}
            >
              {way === "password" ? "Use an email link instead" : "Use a password instead"}
            </Anchor>
          </Text>
        </Stack>
      </form>
    </Card>
  );
}

function words(error: { status?: number; message: string }): string {
  if (error.status === 400) return "The email or password is wrong.";
  if (error.status === 429) return "Too many attempts. Wait a minute, then try again.";
  if (!error.status) return "The project is not responding. Check your connection, then try again.";
  return error.message;
}
