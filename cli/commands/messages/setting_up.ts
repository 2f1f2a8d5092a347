/** `gatelink messages add-org`, `add-number`, `add-person`, `people` and `assign`: an organisation from nothing to its first thread. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { CliError } from "../../core/errors.ts";
import { type Cell, facts, table } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { id, whole } from "../../core/values.ts";

const ORG = "01968f00-0000-7000-8000-000000000001";
const SITTER = "01968f00-0000-7000-8000-000000000002";

/** `US,DE` -> ISO codes. */
function countries(text: string): string[] {
  const codes = text.toUpperCase().split(",").map((code) => code.trim());
  if (codes.every((code) => /^[A-Z]{2}$/.test(code))) return codes;
  throw new InvalidArgumentError("Use ISO codes: US or US,DE.");
}

/** A time by the clocks on the wall: `2026-12-24T18:00`. */
function local(text: string): string {
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(text)) return text;
  throw new InvalidArgumentError("Use a local time without a zone: 2026-12-24T18:00.");
}

/** Defines the commands. */
export function settingUp(group: Command, run: Run): void {
  addingOrgs(group, run);
  addingNumbers(group, run);
  addingPeople(group, run);
  listingPeople(group, run);
  assigning(group, run);
}

function addingOrgs(group: Command, run: Run): void {
  group.command("add-org").description("add an organisation, with its time zone and buffers")
    .argument("<name>", "its name")
    .option("--zone <zone>", "IANA time zone of its bookings", "UTC")
    .option("--countries <codes>", "whose national phone numbers detection looks for", countries, ["US"])
    .option("--before <minutes>", "how long before a booking its window opens", whole(0, 1440), 60)
    .option("--after <minutes>", "how long after a booking its window closes", whole(0, 1440), 60)
    .addHelpText(
      "after",
      '\nExample:\n  gatelink messages add-org "Moss Pet Care" --zone Europe/Berlin --countries DE,US',
    )
    .action((
      name: string,
      { zone, countries, before, after }: {
        zone: string;
        countries: string[];
        before: number;
        after: number;
      },
    ) =>
      run(async (session) => {
        const api = await session.api();
        const [taken] = await api.rows((client) =>
          client.from("orgs").select("id").eq("name", name).limit(1)
        );
        if (taken !== undefined) {
          throw new CliError(
            "conflict",
            `There is an organisation ${name} already: ${taken.id}.`,
            "gatelink messages orgs lists them.",
          );
        }
        const document = await api.rpc("set_org", {
          p_id: null,
          p_config: { name, zone, countries, before_minutes: before, after_minutes: after },
        });
        return { document, text: `${document.name} is ${document.id}.` };
      })
    );
}

function addingNumbers(group: Command, run: Run): void {
  group.command("add-number").description(
    "give an organisation a number: the front desk's, of the pool, or a sitter's",
  )
    .argument("<org>", "id of the organisation", id)
    .argument("<number>", "with its country code")
    .addOption(
      new Option("--class <class>", "what it is for").choices(["front_desk", "pool", "sitter"]).default(
        "pool",
      ),
    )
    .option("--sitter <id>", "whose it is, of class sitter: an id of messages people", id)
    .addHelpText(
      "after",
      `
Each needs a number at the front desk, and as many of the pool as one sitter has clients at the same time.

Examples:
  gatelink messages add-number ${ORG} +12025550160 --class front_desk
  gatelink messages add-number ${ORG} +12025550161`,
    )
    .action((
      org: string,
      number: string,
      options: { class: "front_desk" | "pool" | "sitter"; sitter?: string },
    ) =>
      run(async (session) => {
        const api = await session.api();
        await api.rpc("set_text_number", { p_number: number });
        const document = await api.rpc("set_org_number", {
          p_org: org,
          p_number_id: number.replace(/\D/g, ""),
          p_class: options.class,
          p_member: options.sitter ?? null,
        });
        return { document, text: `+${document.number_id} is of class ${document.class}.` };
      })
    );
}

interface PersonOptions {
  role: "owner" | "admin" | "sitter";
  email?: string;
  phone?: string;
  name?: string;
}

function addingPeople(group: Command, run: Run): void {
  group.command("add-person").description("add somebody to an organisation, or change role, account or phone")
    .argument("<org>", "id of the organisation", id)
    .addOption(
      new Option("--role <role>", "what they are").choices(["owner", "admin", "sitter"])
        .makeOptionMandatory(),
    )
    .option("--email <address>", "of their account, with which they sign in at /messages/")
    .option("--phone <number>", "with its country code; a sitter needs one")
    .option("--name <name>", "how owners see them")
    .addHelpText(
      "after",
      `
The account is made in Supabase (Authentication, Users). They need not be in the team.

Examples:
  gatelink messages add-person ${ORG} --role owner --email owner@example.com
  gatelink messages add-person ${ORG} --role sitter --email sam@example.com --phone +12025550144 --name Sam`,
    )
    .action((org: string, { role, email, phone, name }: PersonOptions) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("set_org_person", {
          p_org: org,
          p_role: role,
          p_person: {
            ...(email === undefined ? {} : { email }),
            ...(phone === undefined ? {} : { phone }),
            ...(name === undefined ? {} : { name }),
          },
        });
        return { document, text: `${name ?? email ?? phone} is ${document.role}: ${document.id}.` };
      })
    );
}

function listingPeople(group: Command, run: Run): void {
  group.command("people").description("who is in an organisation")
    .argument("<org>", "id of the organisation", id)
    .addHelpText("after", `\nExample:\n  gatelink messages people ${ORG}`)
    .action((org: string) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_org_people", { p_org: org });
        return {
          document,
          text: table(
            ["id", "role", "signs in as", "name", "phone"],
            document.map(({ id, role, email, name, last4 }): Cell[] => [
              id,
              role,
              email,
              name,
              last4 === null ? null : `…${last4}`,
            ]),
            "Nobody is in it yet: gatelink messages add-person.",
          ),
        };
      })
    );
}

interface AssignOptions {
  client: string;
  name?: string;
  sitter: string;
  from: string;
  to: string;
  zone?: string;
  repeats: "none" | "daily" | "weekly";
  booking?: string;
  proactive?: boolean;
}

function assigning(group: Command, run: Run): void {
  group.command("assign").description(
    "assign a sitter to a booking of a client, as the organisation's own system does",
  )
    .argument("<org>", "id of the organisation", id)
    .requiredOption("--client <number>", "phone of the client, with its country code")
    .option("--name <name>", "name of the client")
    .requiredOption("--sitter <id>", "an id of messages people", id)
    .requiredOption("--from <time>", "when it starts, by the clocks there: 2026-12-24T18:00", local)
    .requiredOption("--to <time>", "when it ends", local)
    .option("--zone <zone>", "IANA time zone (default: the organisation's)")
    .addOption(
      new Option("--repeats <how>", "whether it repeats").choices(["none", "daily", "weekly"]).default(
        "none",
      ),
    )
    .option("--booking <id>", "the booking's own id (default: made of client and start)")
    .option("--proactive", "open the thread now, if the client comes again")
    .addHelpText(
      "after",
      `
Repeated with the same booking it changes the booking, and opens nothing twice.

Example:
  gatelink messages assign ${ORG} --client +12025550143 --sitter ${SITTER} \\
    --from 2026-12-24T18:00 --to 2026-12-24T19:00 --repeats weekly --proactive`,
    )
    .action((org: string, options: AssignOptions) =>
      run(async (session) => {
        const { client, name, sitter, from, to, zone, repeats, proactive = false } = options;
        const api = await session.api();
        const contact = await api.rpc("org_contact", {
          p_phone: client,
          ...(name === undefined ? {} : { p_name: name }),
        });
        const booking = await api.rpc("set_booking", {
          p_org: org,
          p_external_id: options.booking ?? `${client.replace(/\D/g, "")} ${from}`,
          p_booking: {
            client_id: contact,
            starts_local: from,
            ends_local: to,
            repeats,
            ...(zone === undefined ? {} : { zone }),
          },
        });
        const assigned = await api.rpc("assign_sitter", {
          p_booking: booking.id,
          p_member: sitter,
          p_proactive: proactive,
        });
        return {
          document: { booking_id: booking.id, ...assigned },
          text: facts({
            "booking": booking.external_id,
            "window": `${assigned.opens_at} to ${assigned.closes_at}`,
            "recurring": assigned.recurring_why ?? "no",
            "thread": assigned.thread === null
              ? "comes with the first text"
              : `${assigned.thread.thread_id} on +${assigned.thread.number_id}${
                assigned.thread.created ? "" : ", as before"
              }`,
          }),
        };
      })
    );
}
