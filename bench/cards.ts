/**
 * `deno task bench cards [--quick] [--json]`: mails for chats on a whole stack, while the model, the on-call provider and the
 * provider of mail take every request and never answer: how soon each card is in its chat.
 */
import { p95, startStorm } from "../tests/support/chat_storm.ts";
import { median, print } from "./report.ts";

const SIZES = {
  whole: { mails: 1000, chats: 200, overMs: 60_000 },
  quick: { mails: 12, chats: 4, overMs: 2_000 },
};

export async function main(args: string[]): Promise<void> {
  const { mails, chats, overMs } = SIZES[args.includes("--quick") ? "quick" : "whole"];
  const storm = await startStorm(chats);
  try {
    const began = performance.now();
    await storm.post(mails, overMs);
    await storm.shown(mails);
    const seconds = (performance.now() - began) / 1000;
    const times = storm.cards.map(({ afterMs }) => afterMs);
    print(
      "cards",
      `${mails} mails in ${
        overMs / 1000
      } s for ${chats} chats; model, on call and mail hang, Telegram refuses what is above its limits`,
      [
        { what: "from the post to the card, p95, ms", value: p95(times), goal: "< 5,000" },
        { what: "median, ms", value: median(times) },
        { what: "slowest, ms", value: Math.max(...times) },
        { what: "mails a minute", value: mails / seconds * 60, goal: ">= 900" },
        { what: "lost", value: mails - new Set(storm.cards.map(({ mail }) => mail)).size, goal: "0" },
        { what: "twice", value: storm.cards.length - mails, goal: "0" },
      ],
      args.includes("--json"),
    );
  } finally {
    await storm.stop();
  }
}
