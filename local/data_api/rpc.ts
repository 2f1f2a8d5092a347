/**
 * Calls of functions with the secret key, straight to Postgres: the path that every function at the edge takes, for
 * each webhook and each delivery. @supabase/lite would parse the body, print it again and send five statements where
 * one does. It is done as PostgREST does it: the body goes to Postgres as it came, and Postgres takes it apart.
 *
 * Whatever is not plainly such a call (another key, headers that change the answer, a function or an argument that is
 * not known) is left to lite.
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
  /** The answer; or, where this is not its business, the request to hand on: the one given may have been read. */
  fetch(request: Request): Promise<Response | Request>;
  close(): Promise<void>;
  /** Drops the connections: the database is gone. */
  cut(): void;
}

interface Statement {
  text: string;
  returnsVoid: boolean;
}

/** A function whose only argument is JSON: its statement is known without a look into the body. */
interface Plain extends Statement {
  /** How a body with a list in this argument begins. */
  begins: string;
}

/**
 * Calls that go down one connection, one behind the other. Side by side, groups of webhooks wait for each other's rows
 * (the same people, the same counters) and then end at the same moment, when the database has nothing to do while
 * the functions make the next ones: on two cores that takes a fifth of the webhooks a second.
 */
const IN_LINE: ReadonlySet<string> = new Set(["ingest_updates"]);

const PREFIX = "/rest/v1/rpc/";
const JSON_HEADERS = { "content-type": "application/json; charset=utf-8" };

/**
 * What a caller says of its version. PostgREST sets all headers for each call (request.headers); here the one that
 * functions in SQL look at belongs to the connection, and callers of another version get connections of their own.
 */
const VERSION = { header: SCHEMA_HEADER, form: /^[0-9]{14}$/ } as const;

/** Serves calls with the secret key on connections that are service_role throughout. */
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
  /** For what has to be known of the functions themselves. */
  const sql = connect(2, "");
  const pools = new Map<string, ReturnType<typeof open>>();

  /** The connections of callers of this version. */
  function poolOf(version: string): ReturnType<typeof open> {
    let pool = pools.get(version);
    if (pool === undefined) pools.set(version, pool = open(version));
    return pool;
  }

  const all = () => [sql, ...[...pools.values()].flatMap(({ sql, line }) => [sql, line])];
  const statements = new Map<string, Statement>();
  const plain = new Map<string, Plain>();

  /** The statement that calls a function with these arguments; undefined when there is none that takes them. */
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

  /** The statement for a body, and what it takes; undefined when it is none of ours. */
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
