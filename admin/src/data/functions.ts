/** Calls edge functions as the signed-in person. */
import { client, project, renewSession } from "./client.ts";
import { type Fault, Refusal } from "./refusal.ts";

/** A function's error (RFC 9457). */
interface Problem {
  code?: string;
  title?: string;
  detail?: string;
  /** The faults of each field, in some problems. */
  fields?: Fault[];
}

const HINTS: Record<string, string> = {
  unauthorized: "Sign in again.",
  forbidden: "Ask an admin of your team.",
  url_not_allowed: "An admin can allow the host in Settings, Allowlist.",
  overloaded: "Try again in a moment.",
};

/**
 * Calls `/functions/v1/<path>` with the person's token and returns the JSON of the answer; null if it has
 * none.
 * @throws {Refusal} with the problem's code; `network` if there was no answer
 */
export async function callFunction<T>(path: string, init: Init = {}): Promise<T> {
  const text = await (await request(path, init)).text();
  return (text === "" ? null : JSON.parse(text)) as T;
}

/**
 * Saves what a function answers as a file, whatever its type: nothing of it is shown or run.
 * @throws {Refusal} as {@linkcode callFunction}
 */
export async function downloadFromFunction(path: string, name: string): Promise<void> {
  saveBlob(await (await request(path, {})).arrayBuffer(), name);
}

/**
 * What a function answers as a file, with the type and the name that it has there.
 * @throws {Refusal} as {@linkcode callFunction}; `network` if it broke in the middle
 */
export async function fileFromFunction(
  path: string,
): Promise<{ bytes: ArrayBuffer; type: string; name?: string }> {
  const response = await request(path, {});
  const encoded = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("content-disposition") ?? "")?.[1];
  let bytes: ArrayBuffer;
  try {
    bytes = await response.arrayBuffer();
  } catch {
    throw new Refusal("network", "The file did not arrive whole.", "Try again.");
  }
  return {
    bytes,
    type: response.headers.get("content-type") ?? "application/octet-stream",
    ...(encoded === undefined ? {} : { name: decodeURIComponent(encoded) }),
  };
}

/** Saves bytes as a file, whatever they are: nothing of them is shown or run. */
export function saveBlob(bytes: ArrayBuffer, name: string): void {
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

interface Init {
  method?: string;
  body?: unknown;
}

async function request(path: string, init: Init): Promise<Response> {
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
  if (response.ok) return response;
  const text = await response.text();
  let problem: Problem = {};
  try {
    problem = JSON.parse(text);
  } catch {
    // The page of a proxy: only the status is known.
  }
  const { code = `http_${response.status}`, title, detail, fields } = problem;
  if (response.status === 401) void renewSession();
  throw new Refusal(
    code,
    detail ?? title ?? `The function answered ${response.status}.`,
    HINTS[code],
    fields,
  );
}
