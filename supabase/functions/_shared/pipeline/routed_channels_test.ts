import { assertEquals } from "../../../../tests/support/assert.ts";
import { prepareFlags } from "../flags/evaluate.ts";
import { routedChannels } from "./routed_channels.ts";

const flags = (values: Record<string, string>) =>
  prepareFlags(Object.entries(values).map(([key, value]) => ({ key, value, metadata: {}, version: 1 })));
const none = () => false;

Deno.test("routedChannels(): a channel that is off, killed or without a flag does not affect the others", async () => {
  const known = flags({
    "wa_router.enabled": "false",
    "sms_router.enabled": "true",
    "email_router.enabled": "true",
  });
  const channels = ["whatsapp", "sms", "email", "telegram"];
  const routed = (killed: (feature: string) => boolean) =>
    routedChannels(channels, killed, () => Promise.resolve(known));
  assertEquals(await routed((feature) => feature === "email_router.enabled"), ["sms"]);
  assertEquals(await routed(none), ["sms", "email"]);
});

Deno.test("routedChannels(): WhatsApp uses wa_router.enabled; flags are not read if everything is killed", async () => {
  const on = () => Promise.resolve(flags({ "wa_router.enabled": "true" }));
  assertEquals(await routedChannels(["whatsapp"], none, on), ["whatsapp"]);
  assertEquals(await routedChannels(["whatsapp"], none, () => Promise.resolve(new Map())), []);
  const unread = () => Promise.reject(new Error("read"));
  assertEquals(await routedChannels(["whatsapp"], (feature) => feature === "wa_router.enabled", unread), []);
});
