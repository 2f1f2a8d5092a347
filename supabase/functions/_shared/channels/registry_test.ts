import { assertEquals, assertThrows } from "../../../../tests/support/assert.ts";
import type { Channel } from "./channel.ts";
import { createRegistry } from "./registry.ts";

const named = (name: string) => ({ name }) as Channel;

Deno.test("createRegistry(): finds what it was given, in its order, and nothing else", () => {
  const [whatsapp, sms] = [named("whatsapp"), named("sms")];
  const registry = createRegistry([whatsapp, sms]);
  assertEquals(registry.all, [whatsapp, sms]);
  assertEquals(registry.get("sms"), sms);
  for (const name of ["email", "constructor"]) assertThrows(() => registry.get(name), TypeError, name);
});

Deno.test("createRegistry(): two channels of the same name are a mistake", () => {
  assertThrows(() => createRegistry([named("sms"), named("sms")]), TypeError, "sms, sms");
});
