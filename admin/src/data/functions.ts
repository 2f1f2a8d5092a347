/** Calls of the functions at the edge, in the name of who is signed in. */
import { client, project } from "./client.ts";
import { type Fault, Refusal } from "./refusal.ts";

/** How a function tells of an error (RFC 9457). */
interface Problem {
  code?: string;
  title?: string;
  detail?: string;
  /** What is wrong field by field, in some. */
  fields?: Fault[];
}

const HINTS: Record<string, string> = {
  unauthorized: "Sign in again.",
  forbidden: "Ask an admin of your team.",
  url_not_allowed: "An admin can allow the host in Settings, Allowlist.",
  overloaded: "Try again in a moment.",
};

/**
 * Calls `/functions/v1/<path>` with the person's token and gives the answer's JSON; null where there is none.
 * @throws {Refusal} with the problem's code; `network` when nothing answered
 */
export async function callFunction<T>(
  path: string,
  init: { method?: string; body?: unknown } = {},
): Promise<T> {
  const { url, publishableKey } = project();
  const { data: { session } } = await client().auth.getSession();
  let response: Response;
  try {
    response = await fetch(`${url}/functions/v1/${path}`, {
      method: init.method ?? "GET",
      headers: {
        apikey: publishableKey,
        authorization: `Bearer ${session?.access_token ?? ""}`,
        ...(init.body === undefined ? {} : { "content-type": "application/json" }),
      },
      body: init.body === undefined ? undefined : JSON.stringify(init.body),
    });
  } catch {
    throw new Refusal("network", "The project is not responding.", "Check your connection, then try again.");
  }
  const text = await response.text();
  if (response.ok) return (text === "" ? null : JSON.parse(text)) as T;
  let problem: Problem = {};
  try {
    problem = JSON.parse(text);
  } catch {
    // A proxy's page: the status has to do.
  }
  const { code = `http_${response.status}`, title, detail, fields } = problem;
  throw new Refusal(
    code,
    detail ?? title ?? `The function answered ${response.status}.`,
    HINTS[code],
    fields,
  );
}
