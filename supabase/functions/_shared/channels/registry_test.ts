import { assertEquals, assertThrows } from "../../../../tests/support/assert.ts";
import type { Channel } from "./channel.ts";
import { createRegistry } from "./registry.ts";

const named = (name: string) => ({ name }) as Channel;

Deno.test("createRegistry(): finds the given channels, in their order, and nothing else", () => {
  const [whatsapp, sms] = [named("whatsapp"), named("sms")];
  const registry = createRegistry([whatsapp, sms]);
  assertEquals(registry.all, [whatsapp, sms]);
  assertEquals(registry.get("sms"), sms);
  for (const name of ["email", "constructor"]) assertThrows(() => registry.get(name), TypeError, name);
});

Deno.test("createRegistry(): refuses two channels with the same name", () => {
  assertThrows(() => createRegistry([named("sms"), named("sms")]), TypeError, "sms, sms");
});
