import { createRequire } from "node:module";
import { isReplyToken, newReplyToken as ofProduct } from "../supabase/functions/_shared/mail/reply_token.ts";
import { assert, assertEquals } from "../tests/support/assert.ts";
import { hasProgram } from "../tests/support/program.ts";

const { newReplyToken } = createRequire(import.meta.url)("./replyToken.js") as {
  newReplyToken: () => string;
};

for (const [what, make] of [["the product", ofProduct], ["lib/replyToken.js", newReplyToken]] as const) {
  Deno.test(`newReplyToken() of ${what}: 16 characters of base32, unique and evenly distributed`, () => {
    const seen = new Set<string>(), counts = new Map<string, number>();
    for (let made = 0; made < 20_000; made++) {
      const token = make();
      assert(isReplyToken(token) && /[2-7]/.test(token), token);
      seen.add(token);
      for (const character of token) counts.set(character, (counts.get(character) ?? 0) + 1);
    }
    assertEquals([seen.size, counts.size], [20_000, 32]);
    for (const [character, times] of counts) assert(Math.abs(times - 10_000) < 700, `${character}: ${times}`);
  });
}

const hasNode = await hasProgram("node", "lib/replyToken.js under Node");

Deno.test({
  name: "lib/replyToken.js: Node scripts can require it without an extension",
  ignore: !hasNode,
  fn: async () => {
    const script = "const { newReplyToken } = require('./lib/replyToken'); console.log(newReplyToken())";
    const { code, stdout } = await new Deno.Command("node", {
      args: ["-e", script],
      cwd: new URL("..", import.meta.url).pathname,
    })
      .output();
    assertEquals(code, 0);
    assert(isReplyToken(new TextDecoder().decode(stdout).trim()));
  },
});
