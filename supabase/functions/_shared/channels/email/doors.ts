/**
 * Where mails and events of providers come in: one {@linkcode Door} for each form of request.
 *
 * @module
 */
import { env } from "../../config/env.ts";
import type { Door } from "../channel.ts";
import {
  SENDGRID_HEADERS,
  STANDARD_HEADERS,
  SVIX_HEADERS,
  verifySendGrid,
  verifySvix,
} from "./inbound/signatures.ts";

/** SendGrid's Inbound Parse, with a security policy that signs. */
export const inboundDoor: Door<Promise<boolean>> = {
  isSigned: ({ headers }) => headers.has(SENDGRID_HEADERS.signature),
  verify: ({ headers }, bytes) =>
    verifySendGrid(bytes, headers, env("SENDGRID_INBOUND_PUBLIC_KEY").SENDGRID_INBOUND_PUBLIC_KEY),
};

/** SendGrid's Event Webhook. */
export const eventsDoor: Door<Promise<boolean>> = {
  isSigned: ({ headers }) => headers.has(SENDGRID_HEADERS.signature),
  verify: ({ headers }, bytes) =>
    verifySendGrid(bytes, headers, env("SENDGRID_EVENTS_PUBLIC_KEY").SENDGRID_EVENTS_PUBLIC_KEY),
};

/** Resend's webhooks. @param now Milliseconds since 1970, injected for tests. */
export function createResendDoor(now: () => number): Door {
  return {
    isSigned: ({ headers }) => headers.has(SVIX_HEADERS.signature),
    verify: ({ headers }, bytes) =>
      verifySvix(bytes, headers, env("RESEND_WEBHOOK_SECRET").RESEND_WEBHOOK_SECRET, now()),
  };
}

/** The Worker behind Cloudflare's Email Routing (ops/cloudflare/email-worker). @param now As above. */
export function createWorkerDoor(now: () => number): Door {
  return {
    isSigned: ({ headers }) => headers.has(STANDARD_HEADERS.signature),
    verify: ({ headers }, bytes) =>
      verifySvix(bytes, headers, env("EMAIL_WORKER_SECRET").EMAIL_WORKER_SECRET, now(), STANDARD_HEADERS),
  };
}
