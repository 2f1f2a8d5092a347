/** The steps of `gatelink setup`, in order. */
import type { Result, Session } from "../../core/session.ts";
import { bill } from "./bill.ts";
import { clock } from "./clock.ts";
import { access, database } from "./database.ts";
import { functions } from "./functions.ts";
import { message } from "./message.ts";
import { meta } from "./meta.ts";
import { secrets } from "./secrets.ts";
import { flags, service } from "./service.ts";
import type { SetupOptions } from "./options.ts";
import { openTarget } from "./target.ts";
import { team } from "./team.ts";
import { walk } from "./walk.ts";

/** Limits of waiting, which tests shorten. */
export interface Waits {
  /** For the functions to run the new version or see a secret, in milliseconds. */
  seenMs?: number;
  /** For the service's own answer to the test message, in milliseconds. */
  replyMs?: number;
  /** The checkout that is deployed. @default this one */
  root?: string;
}

/** Runs it. */
export async function runSetup(session: Session, options: SetupOptions, waits: Waits = {}): Promise<Result> {
  const target = await openTarget(session, options);
  try {
    const { project, words, stack } = target;
    const steps = [
      access(target),
      database(target),
      secrets(target),
      functions(target, waits.root, waits.seenMs),
      clock(target),
      team(target, options.admin),
      service(target, options.service),
      flags(target),
      meta(target, options.account ?? [], waits.seenMs),
      ...(options.message ? [message(target, options.wait, waits.replyMs)] : []),
      bill(target),
    ];
    return await walk(session, steps, {
      title: `Setting up ${project.name}`,
      done:
        `${project.name} is set up. Panel: docs/deploy.md, Admin panel. A new version later: gatelink upgrade${words}\n` +
        `Daily work: export SUPABASE_URL=${stack.url} and SUPABASE_SECRET_KEY, then gatelink status`,
      again: `gatelink setup${words}`,
    }, options.dryRun);
  } finally {
    await target.close();
  }
}
