/** `gatelink email`: identities that mail is sent as, why a mail was treated as it was, and what waits for a person. */
import type { Command } from "commander";
import type { Run } from "../../core/session.ts";
import { doctor } from "./doctor.ts";
import { explain } from "./explain.ts";
import { identities } from "./identities.ts";
import { opens } from "./opens.ts";
import { reply } from "./reply.ts";
import { unknown } from "./unknown.ts";

/** Defines the commands of the group. */
export function email(group: Command, run: Run): void {
  identities(group.command("identities").description("addresses that mail is sent as"), run);
  doctor(group, run);
  explain(group, run);
  opens(group, run);
  reply(group, run);
  unknown(group.command("unknown").description("mails of which nobody knows whether they went"), run);
}
