/** People on the stack's simulated WhatsApp, for tests of the panel. */
import type { Page } from "playwright-core";
import type { RunningStack } from "./stack.ts";
import { faultsOf } from "./panel.ts";

async function post<T>({ url }: RunningStack, path: string, body: unknown): Promise<T> {
  const response = await fetch(`${url}/simulator/api/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

/** Creates a person with a phone number (digits), and returns the id. */
export async function somebody(stack: RunningStack, name: string, phone: string): Promise<string> {
  return (await post<{ id: string }>(stack, "contacts", { name, phone })).id;
}

/** Makes a person write to the business, and returns WhatsApp's id of the message. */
export async function says(
  stack: RunningStack,
  contact: string,
  message: string | Record<string, unknown>,
): Promise<string> {
  return (await post<{ wamid: string }>(stack, "send", { contact, message })).wamid;
}

/** Processes what is due now, as the stack's clock does every few seconds. */
export async function route({ url, stack }: RunningStack): Promise<void> {
  const response = await fetch(`${url}/functions/v1/wa-router`, {
    method: "POST",
    headers: { apikey: stack.secretKey, "content-type": "application/json" },
    body: "{}",
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the router answered ${response.status}`);
}

/**
 * Fails with the serious faults of a page, once its animations have ended. `where` is part of the message.
 */
export async function isWell(page: Page, where = page.url()): Promise<void> {
  const faults = await faultsOf(page);
  if (faults.length > 0) throw new Error([where, ...faults].join("\n"));
}
