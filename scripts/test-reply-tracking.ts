/**
 * `deno run -A scripts/test-reply-tracking.ts` sends a mail through a stack, lets its recipient answer, and checks each
 * step on the way to the identity's inbox. On the local stack the simulated SendGrid answers; elsewhere a person does, within
 * the time that --wait gives.
 */
import type { MailTrace } from "../supabase/functions/_shared/contract/answers/mail.ts";
import { connect } from "../cli/core/api.ts";
import { callFunction } from "../cli/core/functions_api.ts";
import { denoIo } from "../cli/core/io_deno.ts";
import { findStack } from "../cli/core/stack.ts";
import { task } from "../lib/task.ts";

interface Options {
  to: string;
  user?: string;
  wait: string;
}

const command = task(
  "test:reply-tracking",
  "Sends a mail, has it answered, and checks the way of the answer.",
)
  .name("scripts/test-reply-tracking.ts")
  .option("--to <address>", "who gets the mail and answers", "reply-test@example.org")
  .option("--user <id>", "your id of the user who sends it (default: the default identity)")
  .option("--wait <seconds>", "how long to wait for each step", "60")
  .parse(Deno.args, { from: "user" });
const { to, user, wait } = command.opts<Options>();

const stack = await findStack(denoIo());
const api = connect(stack);
/** Only the local stack has a database that everybody on the machine may read, and a simulator. */
const isLocal = stack.dbUrl !== undefined;

/** Asks until there is an answer. */
async function eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + Number(wait) * 1000;
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    if (Date.now() > end) fail(`${what}: not within ${wait} s`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function fail(why: string): never {
  console.error(`FAILED  ${why}`);
  Deno.exit(1);
}

const passed = (what: string) => console.log(`ok      ${what}`);
const traced = (id: string): Promise<MailTrace> => api.rpc("trace_mail", { p_message_id: id });

const identities = await api.rpc("list_identities", {});
const identity = identities.find((one) => user === undefined ? one.is_default : one.user_id === user) ??
  identities.find((one) => one.is_default);
if (identity === undefined || identity.state !== "active") {
  fail("no verified identity to send as: gatelink email identities add --help");
}
if (identity.forward_to === null) {
  fail(`nobody gets the answers of ${identity.from_email}: gatelink email identities forward --help`);
}
passed(`${identity.from_email} can send, and its answers have an inbox`);

const { body: { id } } = await callFunction<{ id: string }>(stack, "POST", "email-send", {
  body: {
    to,
    subject: "A test of replies",
    html: "<p>Please answer this mail with any words.</p>",
    ...(user === undefined ? {} : { user_id: user }),
  },
});
await eventually("the mail is sent", async () => {
  const [row] = await api.rows<{ status: string | null; message_id_header: string | null }>((client) =>
    client.from("messages").select("status,message_id_header").eq("id", id)
  );
  if (row.status === "failed") fail("the provider refused the mail: gatelink trace " + id);
  if (row.status === null || /^(queued|pending)$/.test(row.status)) return undefined;
  if (!row.message_id_header?.includes(id)) fail("the Message-ID does not hold the message's id");
  return row;
});
passed(`the mail ${id} is sent, and its Message-ID holds its id`);

const tokens = await api.rows<{ token: string }>((client) =>
  client.from("reply_tokens").select("token").eq("message_id", id)
);
console.log(
  tokens.length === 1
    ? "ok      it has a token to answer to"
    : "note    it has a legacy address to answer to: email_reply_tokens.enabled is off for this sender",
);

if (isLocal) await answerOnTheLocalStack();
else console.log(`wait    answer the mail in the mailbox of ${to} now`);

const reply = await eventually("the answer comes in", async () => {
  const rows = await api.rows<{ message_id: string }>((client) =>
    client.from("email_replies").select("message_id").eq("reply_to", id)
  );
  return rows.at(0)?.message_id;
});
const { via, verified } = await traced(reply);
if (via !== (tokens.length === 1 ? "token" : "legacy")) fail(`the answer was found by ${via}`);
if (verified !== true) {
  fail("its sender is not verified, so it is not forwarded: gatelink email explain " + reply);
}
passed(`the answer ${reply} is found by ${via}, and its sender is verified`);

await eventually("the answer is forwarded", async () => {
  const { forward } = await traced(reply);
  if (forward?.state === "dead") fail(`the forward was given up: ${forward.error}`);
  return forward?.state === "delivered" ? forward : undefined;
});
passed("it is forwarded to the identity's inbox");

/** The simulated SendGrid has the mail, and posts an answer to it. */
async function answerOnTheLocalStack(): Promise<void> {
  const sent = await eventually("the simulated SendGrid has the mail", async () => {
    const response = await fetch(`${stack.url}/simulator/sendgrid/mails`);
    const { sent } = await response.json() as {
      sent: {
        customArgs: Record<string, string>;
        replyTo?: { email: string };
        headers: Record<string, string>;
      }[];
    };
    return sent.find(({ customArgs }) => customArgs.gl_message === id);
  });
  const answer = await fetch(`${stack.url}/simulator/sendgrid/receive`, {
    method: "POST",
    body: JSON.stringify({
      mail: {
        from: { address: to },
        to: sent.replyTo?.email,
        subject: "Re: A test of replies",
        text: "Any words.",
        inReplyTo: sent.headers["Message-ID"],
      },
    }),
  });
  await answer.body?.cancel();
}
