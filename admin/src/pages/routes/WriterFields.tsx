/** The sender and origin of a message to try, limited to what the routes ask for. */
import { Checkbox, Select, SimpleGrid, TextInput } from "@mantine/core";
import type { Condition } from "../../../../supabase/functions/_shared/contract/routing/condition.ts";
import type { MessageFacts } from "../../../../supabase/functions/_shared/routing/facts.ts";
import { MAX_ROWS, useRows } from "../../data/query.ts";
import { emailFactsOf, MailFields, type TriedMail } from "./MailFields.tsx";
import type { WholeRoute } from "./types.ts";

/** The imagined sender. None of it gets into the address, because it may include a phone number. */
export interface Writer {
  /** A phone number, or the id of a contact. */
  who?: string;
  /** phone_number_id of the business number. */
  number?: string;
  choice?: string;
  /** Kind of the ad or post that the message came from; `none` for none. */
  referral?: string;
  source?: string;
  /** Whether the message has the ad's click id. */
  clicked?: boolean;
  /** The reader's local time; the current time without it. */
  at?: string;
  /** The sticky route of the conversation. */
  sticky?: string;
  /** Id of the group that it is written in. */
  group?: string;
  /** Token of the answered Flow; empty for none. */
  flow?: string;
  /** One answer of the Flow: `size=M`. */
  answer?: string;
  /** On channel email. */
  mail?: TriedMail;
}

/** The facts that the router would have about the message. */
export function factsOf(
  writer: Writer,
  channel: string,
): Pick<MessageFacts, "number_id" | "choice" | "referral" | "contact" | "email" | "group" | "flow"> {
  const { who = "", number = "", choice, referral, source, clicked, group, flow, answer } = writer;
  const [field, value] = answer?.split("=", 2) ?? [];
  const phone = who.replace(/[\s()+.-]/g, "");
  return {
    number_id: number,
    choice,
    ...(group ? { group } : {}),
    ...(flow || answer
      ? { flow: { ...(flow ? { token: flow } : {}), answers: field ? { [field]: value ?? "" } : {} } }
      : {}),
    ...emailFactsOf(channel, writer.mail),
    contact: /^\d{5,15}$/.test(phone) ? { id: "", phone } : { id: who.trim() },
    ...(referral
      ? {
        referral: {
          source_type: referral,
          ...(source ? { source_id: source } : {}),
          ...(clicked ? { ctwa_clid: "imagined" } : {}),
        },
      }
      : {}),
  };
}

/** Types of all conditions within one, at any depth. */
function typesOf(condition: Condition): string[] {
  const { of } = condition as { of?: Condition | Condition[] };
  return [condition.type, ...[of ?? []].flat().flatMap(typesOf)];
}

export function WriterFields(
  { routes, channel, value, onChange }: {
    routes: WholeRoute[];
    channel: string;
    value: Writer;
    onChange: (value: Writer) => void;
  },
) {
  const isMail = channel === "email";
  const asked = new Set(routes.flatMap(({ condition, fault }) => fault ? [] : typesOf(condition)));
  const stay = routes.filter(({ sticky_minutes }) => sticky_minutes !== null);
  const byPerson = asked.has("contacts") || routes.some(({ flag_key }) => flag_key !== null);
  const numbers = useRows(
    ["wa_numbers"],
    (db) => db.from("wa_numbers").select("id,display_number").order("id").limit(MAX_ROWS),
    { every: false, enabled: asked.has("number") },
  );
  const set = (changes: Partial<Writer>) => onChange({ ...value, ...changes });
  const text = (name: "who" | "choice" | "source" | "at" | "group" | "flow" | "answer") => ({
    value: value[name] ?? "",
    onChange: ({ currentTarget }: { currentTarget: { value: string } }) =>
      set({ [name]: currentTarget.value || undefined }),
  });
  const any = byPerson || stay.length > 0 ||
    ["number", "choice", "referral", "time", "group", "flow"].some((type) => asked.has(type)) ||
    (isMail && ["email", "address"].some((type) => asked.has(type)));
  if (!any) return null;
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, sm: 3 }} style={{ alignItems: "start" }}>
      {byPerson && (
        <TextInput
          label="Sender"
          description="A phone number with country code, or a contact id"
          placeholder="unknown person"
          autoComplete="off"
          {...text("who")}
        />
      )}
      {isMail && <MailFields asked={asked} value={value.mail ?? {}} onChange={(mail) => set({ mail })} />}
      {isMail && (asked.has("email") || asked.has("number")) && (
        <TextInput
          label="Your address"
          description="The identity that it is for"
          autoComplete="off"
          value={value.number ?? ""}
          onChange={({ currentTarget }) => set({ number: currentTarget.value.trim() || undefined })}
        />
      )}
      {!isMail && asked.has("number") && (
        <Select
          label="Your number"
          description="Some routes check it"
          placeholder="another number"
          clearable
          clearButtonProps={{ "aria-label": "Another number" }}
          data={(numbers.data ?? []).map(({ id, display_number }) => ({
            value: id,
            label: display_number ? `+${display_number}` : id,
          }))}
          value={value.number ?? null}
          onChange={(number) => set({ number: number ?? undefined })}
        />
      )}
      {asked.has("choice") && (
        <TextInput label="Chosen button or row" description="Its id" placeholder="none" {...text("choice")} />
      )}
      {asked.has("group") && (
        <TextInput label="Group" description="Id of the group" placeholder="none" {...text("group")} />
      )}
      {asked.has("flow") && (
        <>
          <TextInput label="Token of the Flow" placeholder="none" {...text("flow")} />
          <TextInput
            label="Answer in the Flow"
            description="field=answer"
            placeholder="none"
            {...text("answer")}
          />
        </>
      )}
      {asked.has("referral") && (
        <Select
          label="Referral"
          description="Where the conversation started"
          data={[{ value: "none", label: "None" }, { value: "ad", label: "An ad" }, {
            value: "post",
            label: "A post",
          }]}
          allowDeselect={false}
          value={value.referral ?? "none"}
          onChange={(kind) => set({ referral: kind === "none" || kind === null ? undefined : kind })}
        />
      )}
      {asked.has("referral") && value.referral && (
        <>
          <TextInput label="Id of the ad or post" description="source_id" {...text("source")} />
          <Checkbox
            label="With the click id of the ad (ctwa_clid)"
            mt={28}
            checked={value.clicked ?? false}
            onChange={({ currentTarget }) => set({ clicked: currentTarget.checked })}
          />
        </>
      )}
      {asked.has("time") && (
        <TextInput label="Time" description="Default: now" type="datetime-local" {...text("at")} />
      )}
      {stay.length > 0 && (
        <Select
          label="Conversation kept by"
          description="Routes that keep conversations"
          placeholder="none: new conversation"
          clearable
          clearButtonProps={{ "aria-label": "New conversation" }}
          data={stay.map(({ id, name }) => ({ value: id, label: name }))}
          value={value.sticky ?? null}
          onChange={(sticky) => set({ sticky: sticky ?? undefined })}
        />
      )}
    </SimpleGrid>
  );
}
