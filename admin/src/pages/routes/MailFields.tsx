/** The mail of a message to try, limited to what the routes ask for. */
import { Select, TextInput } from "@mantine/core";
import { ROUTED_MAIL_KINDS } from "../../../../supabase/functions/_shared/contract/routing/condition.ts";
import type { MessageFacts } from "../../../../supabase/functions/_shared/routing/facts.ts";

/** The imagined mail. */
export interface TriedMail {
  kind?: string;
  verified?: boolean;
  subject?: string;
  recipient?: string;
}

/** Words for the kinds of mails. */
export const MAIL_KINDS: { value: string; label: string }[] = ROUTED_MAIL_KINDS.map((value) => ({
  value,
  label:
    { reply: "answer to a mail of yours", calendar: "invitation or its answer", new_mail: "new mail" }[value],
}));

/** The facts that the router would have about the mail; none on other channels. */
export function emailFactsOf(channel: string, mail: TriedMail = {}): Pick<MessageFacts, "email"> {
  if (channel !== "email") return {};
  const { kind = "new_mail", verified = true, ...rest } = mail;
  return { email: { kind, verified, ...rest } };
}

export function MailFields(
  { asked, value, onChange }: {
    asked: ReadonlySet<string>;
    value: TriedMail;
    onChange: (value: TriedMail) => void;
  },
) {
  const text = (name: "subject" | "recipient") => ({
    value: value[name] ?? "",
    onChange: ({ currentTarget }: { currentTarget: { value: string } }) =>
      onChange({ ...value, [name]: currentTarget.value || undefined }),
  });
  return (
    <>
      {asked.has("email") && (
        <>
          <TextInput label="Subject" description="Of the mail" {...text("subject")} />
          <Select
            label="Kind of mail"
            description="Others are not routed"
            data={MAIL_KINDS}
            allowDeselect={false}
            value={value.kind ?? "new_mail"}
            onChange={(kind) => kind && onChange({ ...value, kind })}
          />
          <Select
            label="Author"
            description="By SPF or DKIM"
            data={[{ value: "yes", label: "verified" }, { value: "no", label: "not verified" }]}
            allowDeselect={false}
            value={value.verified === false ? "no" : "yes"}
            onChange={(verified) => onChange({ ...value, verified: verified !== "no" })}
          />
        </>
      )}
      {asked.has("address") && (
        <TextInput
          label="Written to"
          description="The whole address"
          placeholder="shop.payments.alert@in.example.com"
          autoComplete="off"
          {...text("recipient")}
        />
      )}
    </>
  );
}
