/** Services that messages are delivered to, on this machine, and the ways that lead there. */
import { Webhook } from "standardwebhooks";
import type { JSONValue, Sql } from "postgres";

/** One delivery as it arrived. */
export interface Delivered {
  /** `webhook-id`. */
  id: string;
  headers: Headers;
  /** The raw body: what was signed. */
  body: string;
  // deno-lint-ignore no-explicit-any
  event: any;
  /** Text of the message; undefined for a test. */
  text: string;
  at: number;
}

/** A service; `await using` ends it. */
export interface Service extends AsyncDisposable {
  url: string;
  received: Delivered[];
  /** Texts in the order of arrival. */
  texts(): string[];
  /** Sets the responses to the following deliveries. @default 200 and nothing else */
  answers(answer: (delivered: Delivered) => Response | Promise<Response>): void;
}

/** Starts a service. */
export function startService(): Service {
  const received: Delivered[] = [];
  let answer: Parameters<Service["answers"]>[0] = () => new Response();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = await request.text();
    const event = JSON.parse(body);
    const delivered: Delivered = {
      id: request.headers.get("webhook-id") ?? "",
      headers: request.headers,
      body,
      event,
      text: event.data?.message?.text,
      at: performance.now(),
    };
    received.push(delivered);
    return await answer(delivered);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/hook`,
    received,
    texts: () => received.map(({ text }) => text),
    answers: (given) => answer = given,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A service that returns these replies. */
export function withReplies(...replies: Record<string, unknown>[]): () => Response {
  return () => Response.json({ replies });
}

/** Whether a secret signed what arrived, by the reference library of Standard Webhooks. */
export function isSigned({ body, headers }: Delivered, secret: string): boolean {
  try {
    new Webhook(secret).verify(body, Object.fromEntries(headers));
    return true;
  } catch {
    return false;
  }
}

/** A destination that leads to a service. */
export interface Destination {
  id: string;
  name: string;
  secret: string;
}

/** Adds a destination as a person does. Options of `add_destination`; a failed attempt is made again at once. */
export async function addDestination(
  sql: Sql,
  name: string,
  { url }: Pick<Service, "url">,
  options: Record<string, JSONValue> = {},
): Promise<Destination> {
  const [{ added }] = await sql<{ added: Destination }[]>`
    select public.add_destination(${name}, ${url}, ${sql.json(options)}) as added`;
  return added;
}

/** Adds a route as a person does, and gives its id. */
export async function addRoute(
  sql: Sql,
  destinations: string[],
  condition: JSONValue = { type: "any" },
  { priority = 100, ...options }: Record<string, JSONValue> & { priority?: number } = {},
): Promise<string> {
  const [{ id }] = await sql<{ id: string }[]>`
    select public.add_route(${destinations}, ${sql.json(condition)}, ${priority}, ${
    sql.json(options)
  }) ->> 'id' as id`;
  return id;
}
