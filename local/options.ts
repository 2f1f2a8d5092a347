/** The command line of `deno task start`. */
import { parseArgs } from "node:util";
import { FUNCTIONS, resolve } from "../lib/paths.ts";
import { UserError } from "../lib/user_error.ts";

export interface StartOptions {
  /** Public port on 127.0.0.1; 0 for any free one. */
  port: number;
  /** Data folder. */
  data: string;
  /** Start with empty data. */
  fresh: boolean;
  /** Add demo content. */
  seed: boolean;
  /** Play a first exchange of mails. */
  mail: boolean;
  /** Folder with a folder per function. */
  functions: string;
  help: boolean;
  /** URL of the user's own Postgres; undefined for the embedded one. */
  databaseUrl: string | undefined;
}

export const HELP = `Starts Gatelink on this machine: Postgres, Data API, Auth, functions, clock, simulator.

  deno task start [options]          Ctrl-C stops everything; the data is kept

  --port PORT        port on 127.0.0.1 (54321); 0 uses any free port
  --data DIR         data folder (.gatelink)
  --fresh            delete the data first
  --no-seed          create no flags, admin, demo service and demo route
  --no-mail          play no first exchange of mails
  --functions DIR    serve functions from DIR instead of supabase/functions
  --help             show this help

Environment:
  DATABASE_URL       use this Postgres (15 or newer) instead of an embedded one
  supabase/functions/.env contains secrets for the functions, as on Supabase's own local stack
`;

/** @throws UserError for an invalid argument. */
export function parseOptions(args: string[], env: { get(name: string): string | undefined }): StartOptions {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        port: { type: "string", default: "54321" },
        data: { type: "string", default: ".gatelink" },
        fresh: { type: "boolean", default: false },
        seed: { type: "boolean", default: true },
        mail: { type: "boolean", default: true },
        functions: { type: "string", default: FUNCTIONS },
        help: { type: "boolean", short: "h", default: false },
      },
      allowNegative: true,
    }));
  } catch (error) {
    throw new UserError(`${(error as Error).message}\n\n${HELP}`);
  }
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_535) {
    throw new UserError(`--port takes a number from 0 to 65535, not ${values.port}.`);
  }
  const databaseUrl = env.get("DATABASE_URL")?.trim() || undefined;
  if (values.fresh && databaseUrl !== undefined) {
    throw new UserError(
      `--fresh does not empty a database of your own: unset DATABASE_URL, or empty it yourself.`,
    );
  }
  return { ...values, port, functions: resolve(values.functions), databaseUrl };
}
