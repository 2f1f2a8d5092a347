/**
 * The channels that are deployed. The only place that lists them.
 *
 * @module
 */
import { createRegistry, type Registry } from "./registry.ts";
import { email } from "./email/index.ts";
import { sms } from "./sms/index.ts";
import { whatsapp } from "./whatsapp/index.ts";

/** Every deployed channel. */
export const channels: Registry = createRegistry([whatsapp, email, sms]);
