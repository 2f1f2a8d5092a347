/** `deno task bench NAME`: speed, measured as medians of several runs, on a server beside a limit of the same run. */
import { BENCHES } from "./benches.ts";

const [name, ...args] = Deno.args;
const help = Deno.args.includes("--help");
if (help || name === undefined || !(name in BENCHES)) {
  console.log(`Usage: deno task bench NAME [--json]

NAME is one of: ${Object.keys(BENCHES).join(", ")}

pipeline takes --runs N and --only PART,… (plain, bare, delivered, turns, latency); links --full goes up to a million links, in
about seven minutes; panel needs Chromium; deploy measures first answers of fresh processes on the hosted Deno; cli measures
the command line itself; growth fills --rows N messages, a million unless said otherwise and up to ten, and compares with ten
thousand; email looks up a token among --rows N, a million unless said otherwise and up to ten, and takes --only intake or
tokens; texts relays 200 a second over 400 numbers; poaching measures the detection of contact details on a FILE of labelled texts, or on the project's own, and --wrong
lists what it got wrong; analysis measures mood and urgency of mails by the embedded rules, on --corpus FILE or on the project's
own, and --wrong lists as well; guard simulates --days N of rollouts, a thousand unless said otherwise; track makes load with wrk where it is installed; --quick only shows that the bench works`);
  Deno.exit(help ? 0 : 2);
}
await (await BENCHES[name]()).main(args);
