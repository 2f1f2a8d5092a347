/** `gatelink routes explain`: which route a message took or would take, why, and why not the others. */
import { z } from "zod";
import { ROUTED_MAIL_KINDS } from "../../../supabase/functions/_shared/contract/routing/condition.ts";
import type { Row } from "../../../supabase/functions/_shared/contract/sql.ts";
import { routingReasonInWords } from "../../../supabase/functions/_shared/contract/words/routing.ts";
import { evaluate, prepareFlags } from "../../../supabase/functions/_shared/flags/evaluate.ts";
import { routerFlag } from "../../../supabase/functions/_shared/pipeline/routed_channels.ts";
import type { LinkFacts } from "../../../supabase/functions/_shared/routing/facts.ts";
import { type Finding, match } from "../../../supabase/functions/_shared/routing/match.ts";
import { lastFour } from "../../../supabase/functions/_shared/log/redact.ts";
import type { Api } from "../../core/api.ts";
import { type Config, loadConfig, namesOf, routesOf } from "../../core/config.ts";
import { CliError } from "../../core/errors.ts";
import { type Cell, facts, table, time } from "../../core/output.ts";
import type { Result } from "../../core/session.ts";
import { isId } from "../../core/values.ts";

type Message = Pick<Row<"messages">, "id" | "seq" | "direction" | "type" | "created_at" | "conversation_id">;
type Conversation = Pick<
  Row<"conversations">,
  "channel" | "contact_id" | "sticky_route_id" | "sticky_until"
>;

const CONVERSATION = "channel,contact_id,sticky_route_id,sticky_until";

/** Why a stored message went to its route, from the router's record. */
export async function explainMessage(api: Api, message: string): Promise<Result> {
  const found = await findMessage(api, message);
  const [[decision], [conversation], deliveries, config] = await Promise.all([
    api.rows((client) => client.from("routing_decisions").select("*").eq("message_id", found.id)),
    api.rows((client) => client.from("conversations").select(CONVERSATION).eq("id", found.conversation_id)),
    api.rows((client) =>
      client.from("deliveries").select("id,destination_id,state,attempt,last_error").eq(
        "message_id",
        found.id,
      )
    ),
    loadConfig(api),
  ]);
  const contact = await redactedContact(api, conversation.contact_id);
  const nameOf = namesOf(config);
  const why = decision ? routingReasonInWords(decision.reason) : waiting(found, conversation, config);
  const destinations = (decision?.destination_ids ?? []).map(nameOf);
  const { conversation_id: _, seq: __, ...shown } = found;
  return {
    document: {
      message: { ...shown, contact },
      route: decision?.route_name ?? null,
      reason: decision?.reason ?? null,
      why,
      destinations,
      decided_at: decision?.decided_at ?? null,
      explanation: decision?.explanation ?? [],
      deliveries: deliveries.map(({ destination_id, ...rest }) => ({
        ...rest,
        destination: nameOf(destination_id),
      })),
    },
    text: [
      facts({
        message: `${found.id} (${found.type}, ${time(found.created_at)})`,
        contact,
        route: decision?.route_name,
        why,
        "goes to": destinations.join(", "),
      }),
      findingsTable(decision?.explanation ?? []),
      deliveries.length === 0 ? "" : table(
        ["delivery", "to", "state", "attempts", "last error"],
        deliveries.map((one) => [one.id, nameOf(one.destination_id), one.state, one.attempt, one.last_error]),
      ),
    ].filter((part) => part !== "").join("\n\n"),
  };
}

async function findMessage(api: Api, message: string): Promise<Message> {
  const [found] = await api.rows((client) =>
    client.from("messages").select("id,seq,direction,type,created_at,conversation_id")
      .eq(isId(message) ? "id" : "provider_id", isId(message) ? message.toLowerCase() : message)
      .order("seq").limit(1)
  );
  if (found) return found;
  throw new CliError(
    "not_found",
    "There is no message with that id.",
    "Give Gatelink's id or WhatsApp's complete id (wamid…).",
  );
}

/** Why a message has no decision. */
function waiting(message: Message, { channel, contact_id }: Conversation, config: Config): string {
  if (message.direction === "out") return "it is outbound: only inbound messages are routed";
  if (message.seq < 0) return "it was imported from before the number was connected: nobody gets it";
  const flag = routerFlag(channel);
  return evaluate(prepareFlags(config.settings, config.segments), flag, contact_id).value
    ? "it waits for the router"
    : `it waits: ${flag} is off for this contact`;
}

/** A contact in displayable form: the last four digits of the phone, or characters of another id. */
async function redactedContact(api: Api, contactId: string): Promise<string | null> {
  const ids = await api.rows((client) =>
    client.from("contact_identities").select("kind,value").eq("contact_id", contactId).is("valid_to", null)
  );
  const best = ids.find(({ kind }) => kind === "phone") ?? ids[0];
  return best ? lastFour(best.value) : null;
}

const TRY = z.strictObject({
  channel: z.string().default("whatsapp"),
  type: z.string().default("text"),
  text: z.string().optional(),
  choice: z.string().optional(),
  number: z.string().optional(),
  from: z.string().transform((text) => text.replace(/\D/g, "")).optional(),
  contact: z.guid().toLowerCase().optional(),
  referral: z.object({ source_id: z.string(), source_type: z.string(), ctwa_clid: z.string() }).partial()
    .optional(),
  mail: z.strictObject({
    kind: z.enum(ROUTED_MAIL_KINDS),
    verified: z.boolean(),
    subject: z.string(),
    recipient: z.string(),
  }).partial().optional(),
  group: z.string().optional(),
  flow: z.strictObject({
    token: z.string().optional(),
    answers: z.record(z.string(), z.unknown()).default({}),
  }).optional(),
  token: z.string().optional(),
  link: z.string().toLowerCase().optional(),
  at: z.iso.datetime({ offset: true }).optional(),
});

/** The facts about a link for routing. @throws {CliError} not_found */
async function linkFacts(api: Api, code: string): Promise<LinkFacts> {
  const [found] = await api.rows((client) =>
    client.from("links").select("code,tags,campaign").eq("code", code)
  );
  if (!found) throw new CliError("not_found", `There is no link ${code}.`, "gatelink links list shows them.");
  return {
    code: found.code,
    tags: found.tags,
    ...(found.campaign === null ? {} : { campaign: found.campaign }),
  };
}

/** Which route would take a message now, with the current configuration. Nothing is stored. */
export async function explainTry(api: Api, input: unknown): Promise<Result> {
  const parsed = TRY.safeParse(input);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    throw new CliError(
      "usage",
      `--try: ${path.join(".") || "the message"}: ${message}`,
      `For example {"type":"text","text":"hello"}: gatelink routes explain --help`,
    );
  }
  const {
    channel,
    type,
    text,
    choice,
    number = api.stack.whatsapp?.phoneNumberId ?? "",
    from,
    referral,
    mail,
    group,
    flow,
    token,
    at,
  } = parsed.data;
  const config = await loadConfig(api);
  const link = parsed.data.link === undefined ? undefined : await linkFacts(api, parsed.data.link);
  const contactId = parsed.data.contact ?? (from === undefined ? undefined : await contactOf(api, from)) ??
    "";
  const conversation = contactId === "" ? undefined : await conversationOf(api, contactId, number);
  const flags = prepareFlags(config.settings, config.segments);
  const decision = match(
    await routesOf(config),
    {
      id: "",
      channel,
      type,
      body: text,
      choice,
      referral,
      token,
      link,
      ...(mail === undefined ? {} : { email: mail }),
      group,
      flow,
      number_id: number,
      contact: { id: contactId, phone: from },
      at,
    },
    {
      now: at === undefined ? new Date() : new Date(at),
      flagOn: (key, contact) => evaluate(flags, key, contact).value,
      ...(conversation?.sticky_route_id && conversation.sticky_until
        ? { sticky: { routeId: conversation.sticky_route_id, until: new Date(conversation.sticky_until) } }
        : {}),
    },
  );
  const on = evaluate(flags, routerFlag(channel), contactId).value;
  const nameOf = namesOf(config);
  const route = decision.explanation.find((finding) => finding.matched)?.name ?? null;
  const destinations = decision.destinationIds.map(nameOf);
  return {
    document: {
      route,
      reason: decision.reason,
      why: routingReasonInWords(decision.reason),
      destinations,
      router_on: on,
      explanation: decision.explanation,
      ...(decision.omitted === undefined ? {} : { omitted: decision.omitted }),
    },
    text: [
      facts({
        route,
        why: routingReasonInWords(decision.reason),
        "goes to": destinations.join(", "),
        ...(on
          ? {}
          : { but: `${routerFlag(channel)} is off for this contact: it would wait until the flag is on` }),
      }),
      findingsTable(decision.explanation),
    ].filter((part) => part !== "").join("\n\n"),
  };
}

async function contactOf(api: Api, phone: string): Promise<string | undefined> {
  const [identity] = await api.rows((client) =>
    client.from("contact_identities").select("contact_id").eq("kind", "phone").eq("value", phone).is(
      "valid_to",
      null,
    )
  );
  return identity?.contact_id;
}

async function conversationOf(
  api: Api,
  contactId: string,
  numberId: string,
): Promise<Conversation | undefined> {
  const [conversation] = await api.rows((client) =>
    client.from("conversations").select(CONVERSATION).eq("contact_id", contactId).eq("number_id", numberId)
  );
  return conversation;
}

function findingsTable(findings: Finding[] | readonly Finding[]): string {
  return table(
    ["route", "", "why"],
    findings.map((
      finding,
    ): Cell[] => [finding.name, finding.matched ? ["green", "taken"] : ["dim", "no"], finding.why]),
  );
}
