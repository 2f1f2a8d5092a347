/** `deno task start`: a whole Gatelink on this machine until Ctrl-C. See local/options.ts for its options. */
import { log } from "../supabase/functions/_shared/log/log.ts";
import { launcherGone } from "./launchers.ts";
import { HELP, parseOptions } from "./options.ts";
import { join } from "../lib/paths.ts";
import { PEOPLE } from "./seed/seed.ts";
import { SENDER } from "./first_mail.ts";
import { type Stack, startStack } from "./stack.ts";
import { UserError } from "../lib/user_error.ts";

function welcome({ file }: Stack, data: string, ms: number): string {
  const { url, dbUrl, admin } = file;
  const people = [admin.email, ...PEOPLE.map(({ email }) => email)].join(", ");
  return `
Gatelink is up after ${(ms / 1000).toFixed(1)} s. Ctrl-C stops it; the data stays in ${data}.

  Admin panel    ${url}/admin/               sign in as ${people}
  Simulator      ${url}/simulator/
  Mail           ${url}/simulator/mail       inboxes of people; nothing leaves this machine
  Texts          ${url}/simulator/texts      phones of people, and two numbers of yours
  Telegram       ${url}/simulator/telegram   chats with your bot: groups, topics, people who press
  Two phones     ${url}/simulator/masked     a client and a sitter, with masked numbers between them
  Demo link      ${url}/l/demo
  Functions      ${url}/functions/v1/
  Data API       ${url}/rest/v1/
  Auth           ${url}/auth/v1/
  Database       ${dbUrl.replace(/:[^:@/]*@/, ":…@")}
  Passwords      ${join(data, "stack.json")}: the admin's password is valid for all; also the keys
  Sign-in links  ${join(data, "mails.txt")}

Try it: open the simulator, choose a contact and write to it. The demo service answers.
In its mail page Casey has answered a mail; the answer is in the inbox of ${SENDER.inbox}.
Then send messages to your own service:

  deno task gatelink destinations add mine http://127.0.0.1:9999/hook
  deno task gatelink routes add --to mine --when '{"type":"any"}'
  deno task gatelink status
`;
}

async function main(): Promise<number> {
  const options = parseOptions(Deno.args, Deno.env);
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  survive();
  // Whatever is written holds keys or messages.
  if (Deno.build.os !== "windows") Deno.umask(0o077);
  const asked = Promise.withResolvers<"stop">();
  let stack: Stack | undefined;
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT", "SIGBREAK"] : [
    "SIGINT",
    "SIGTERM",
    "SIGHUP",
  ];
  for (const signal of signals) Deno.addSignalListener(signal, () => asked.resolve("stop"));
  launcherGone().then(() => asked.resolve("stop"));

  const began = performance.now();
  const starting = startStack(options, (line) => console.log(line));
  try {
    const first = await Promise.race([starting, asked.promise]);
    stack = await starting;
    if (first !== "stop") {
      console.log(welcome(stack, options.data, performance.now() - began));
      await Promise.race([asked.promise, stack.failed]);
    }
    console.log("Stopping");
    return 0;
  } finally {
    await stack?.stop();
  }
}

/**
 * The database driver throws in timers if a connection breaks at the wrong moment; the stack must survive
 * that.
 */
function survive(): void {
  addEventListener("error", (event) => {
    event.preventDefault();
    log.error("unexpected error in the stack", { error: event.error });
  });
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("unexpected rejection in the stack", { error: event.reason });
  });
}

try {
  Deno.exit(await main());
} catch (error) {
  if (error instanceof UserError) console.error(`\n${error.message}`);
  else console.error("\nThe local stack failed because of an internal error:", error);
  Deno.exit(1);
}
