import { assertEquals } from "../../../../tests/support/assert.ts";
import { type FlagState, messagingFlag } from "./flags.ts";

Deno.test("messagingFlag(): false in the environment always stops, a setting decides, true turns on without one", () => {
  const off = false, on = true;
  const table:
    readonly (readonly [killed: boolean, setting: boolean | undefined, switchedOn: boolean, FlagState])[] = [
      [off, undefined, off, { value: false, from: "default" }],
      [off, undefined, on, { value: true, from: "environment" }],
      [off, false, on, { value: false, from: "setting" }],
      [off, true, off, { value: true, from: "setting" }],
      [on, true, off, { value: false, from: "environment" }],
      [on, undefined, off, { value: false, from: "environment" }],
    ];
  for (const [killed, setting, switchedOn, state] of table) {
    assertEquals(messagingFlag({ killed, setting, switchedOn }), state);
  }
});
