/**
 * Calls of SQL functions with the secret key, directly on Postgres: every Edge Function uses them, for each
 * webhook and each delivery. @supabase/lite would parse the body, serialise it again and send five statements
 * instead of one. As in PostgREST, the body is passed to Postgres unchanged, and Postgres parses it.
 *
 * Everything else (another key, headers that change the response, an unknown function or argument) is left to
 * lite.
 */
import postgres from "postgres";
import { SCHEMA_HEADER } from "../../supabase/functions/_shared/db/schema.ts";
import { errorAnswer, isOutage, noticed, OUTAGE_ANSWER } from "./errors.ts";

export interface RpcOptions {
  dbUrl: string;
  secretKey: string;
  /** Connections to the database. @default 10 */
  connections?: number;
}

export interface RpcPath {
  /**
   * Returns the response, or a request for lite to handle: the body of the original one may have been read.
   */
  fetch(request: Request): Promise<Response | Request>;
  close(): Promise<void>;
  /** Drops the connections, because the database is gone. */
  cut(): void;
}

interface Statement {
  text: string;
  returnsVoid: boolean;
}

/** A function whose only argument is JSON: its statement is known without parsing the body. */
interface Plain extends Statement {
  /** The beginning of a body with a list in this argument. */
  begins: string;
}

/**
 * Calls that share one connection and run one after the other. In parallel, groups of webhooks would wait for
 * each other's rows (the same people, the same counters) and end at the same moment, leaving the database
 * idle while the functions prepare the next ones: on two cores that costs a fifth of the webhooks per second.
 */
const IN_LINE: ReadonlySet<string> = new Set(["ingest_updates"]);

const PREFIX = "/rest/v1/rpc/";
const JSON_HEADERS = { "content-type": "application/json; charset=utf-8" };

/**
 * The header with a caller's version. PostgREST sets all headers for each call (request.headers); here the
 * one that SQL functions read belongs to the connection, and callers of another version get their own
 * connections.
 */
const VERSION = { header: SCHEMA_HEADER, form: /^[0-9]{14}$/ } as const;

/** Serves calls with the secret key on connections that always have the role service_role. */
export function createRpcPath({ dbUrl, secretKey, connections = 10 }: RpcOptions): RpcPath {
  const connect = (max: number, version: string) =>
    postgres(dbUrl, {
      max,
      connect_timeout: 5,
      onnotice: () => {},
      connection: {
        role: "service_role",
        options: `-c request.jwt.claims={"role":"service_role"}` +
          (version === "" ? "" : ` -c request.headers={"${VERSION.header}":"${version}"}`),
      },
      // Text in, text out: nothing here looks into JSON.
      types: { json: text(114), jsonb: text(3802) },
    });
  const open = (version: string) => ({ sql: connect(connections, version), line: connect(1, version) });
  /** For queries about the functions themselves. */
  const sql = connect(2, "");
  const pools = new Map<string, ReturnType<typeof open>>();

  /** The connections for callers of this version. */
  function poolOf(version: string): ReturnType<typeof open> {
    let pool = pools.get(version);
    if (pool === undefined) pools.set(version, pool = open(version));
    return pool;
  }

  const all = () => [sql, ...[...pools.values()].flatMap(({ sql, line }) => [sql, line])];
  const statements = new Map<string, Statement>();
  const plain = new Map<string, Plain>();

  /** The statement that calls a function with these arguments; undefined if no function takes them. */
  async function statementOf(name: string, given: string[]): Promise<Statement | undefined> {
    const signature = [name, ...given].join(" ");
    const known = statements.get(signature);
    if (known !== undefined) return known;
    const [found] = await sql<
      { returns_set: boolean; returns_void: boolean; names: string[]; types: string[] }[]
    >`
      select p.proretset as returns_set, p.prorettype = 'void'::regtype as returns_void, args.names, args.types
      from pg_proc p
      cross join lateral (
        select coalesce(array_agg(a.name), '{}') as names, coalesce(array_agg(format_type(a.type, null)), '{}') as types
        from unnest(p.proargnames[1:p.pronargs], p.proargtypes::oid[]) as a (name, type)
      ) args
      where p.pronamespace = 'public'::regnamespace and p.proname = ${name}
        and args.names @> ${given}::text[] and p.pronargs - p.pronargdefaults <= ${given.length}
      limit 1`;
    if (found === undefined) return undefined;
    const columns = found.names.map((arg, i) => ({ arg, type: found.types[i] })).filter(({ arg }) =>
      given.includes(arg)
    );
    const call = `public."${name}"(${columns.map(({ arg }) => `"${arg}" => x."${arg}"`).join(", ")})`;
    const from = columns.length === 0
      ? ""
      : `json_to_record($1::json) as x (${
        columns.map(({ arg, type }) => `"${arg}" ${type}`).join(", ")
      }) cross join lateral `;
    const statement = {
      text: `select ${
        found.returns_set ? "coalesce(json_agg(r), '[]')" : "to_json(r)"
      }::text as body from ${from}${call} as r`,
      returnsVoid: found.returns_void,
    };
    statements.set(signature, statement);
    if (!found.returns_set && found.names.length === 1 && columns[0]?.type === "jsonb") {
      const [{ arg }] = columns;
      plain.set(name, {
        text: `select to_json(r)::text as body from public."${name}"("${arg}" => $1::jsonb -> '${arg}') as r`,
        returnsVoid: found.returns_void,
        begins: `{"${arg}":[`,
      });
    }
    return statement;
  }

  /** The statement for a body, and its parameters; undefined if lite must handle it. */
  async function statementFor(name: string, body: string): Promise<[Statement, string[]] | undefined> {
    const known = plain.get(name);
    if (known !== undefined && body.startsWith(known.begins)) return [known, [body]];
    let given: string[];
    try {
      given = Object.keys(JSON.parse(body));
    } catch {
      return undefined;
    }
    const statement = await statementOf(name, given.sort());
    return statement && [statement, given.length === 0 ? [] : [body]];
  }

  return {
    close: async () => {
      await Promise.all(all().map((each) => each.end({ timeout: 1 })));
    },
    cut: () => all().forEach((each) => void each.end({ timeout: 0 }).catch(() => {})),
    async fetch(request) {
      const at = request.url.indexOf(PREFIX, 8);
      if (at < 0 || request.method !== "POST" || request.headers.get("apikey") !== secretKey) {
        return request;
      }
      const name = request.url.slice(at + PREFIX.length);
      if (
        !/^[a-z_][a-z0-9_]*$/.test(name) || request.headers.has("prefer") ||
        request.headers.has("authorization")
      ) {
        return request;
      }
      const version = request.headers.get(VERSION.header) ?? "";
      if (version !== "" && !VERSION.form.test(version)) return request;
      const body = await request.text();
      try {
        const found = await statementFor(name, body);
        if (found === undefined) {
          return new Request(request.url, { method: "POST", headers: request.headers, body });
        }
        const [statement, given] = found;
        const pool = poolOf(version);
        const [row] = await (IN_LINE.has(name) ? pool.line : pool.sql)
          .unsafe<{ body: string | null }[]>(statement.text, given, { prepare: true });
        if (statement.returnsVoid) return new Response(null, { status: 204 });
        return new Response(row?.body ?? "null", { headers: JSON_HEADERS });
      } catch (error) {
        if (isOutage(error)) return noticed(OUTAGE_ANSWER());
        // What is known of the function may be what was wrong.
        statements.clear();
        plain.clear();
        return errorAnswer(error);
      }
    },
  };
}

const text = (oid: number) => ({ to: oid, from: [oid], serialize: String, parse: String });
