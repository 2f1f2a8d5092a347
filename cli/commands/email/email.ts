/** `gatelink email`: identities that mail is sent as, why a mail was treated as it was, and what waits for a person. */
import type { Command } from "commander";
import type { Run } from "../../core/session.ts";
import { addresses } from "./addresses.ts";
import { analysis } from "./analysis.ts";
import { doctor } from "./doctor.ts";
import { explain } from "./explain.ts";
import { exporting } from "./export.ts";
import { identities } from "./identities.ts";
import { opens } from "./opens.ts";
import { reply } from "./reply.ts";
import { unknown } from "./unknown.ts";
import { weight } from "./weight.ts";

/** Defines the commands of the group. */
export function email(group: Command, run: Run): void {
  identities(group.command("identities").description("addresses that mail is sent as"), run);
  doctor(group, run);
  explain(group, run);
  exporting(group, run);
  opens(group, run);
  addresses(group, run);
  weight(group, run);
  analysis(
    group.command("analysis").description("how well mails are understood whose cards go to chats"),
    run,
  );
  reply(group, run);
  unknown(group.command("unknown").description("mails of which nobody knows whether they went"), run);
}
