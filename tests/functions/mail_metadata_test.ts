/** The export of what became of mails: all of it, page by page, and nothing of what they say or whose they are. */
import { assert, assertEquals } from "../support/assert.ts";
import { alertChat, mailIn } from "../support/chat_mails.ts";
import { edgeTest } from "../support/edge.ts";

edgeTest(
  "export_mail_metadata(): the way of each mail, in pages of any size, without words or people",
  async (edge) => {
    const { sql, meta, says } = edge;
    const chat = await alertChat(edge);
    await mailIn(edge, {
      from: { address: "casey@people.example", name: "Casey Quill" },
      subject: "Planted subject",
    });
    // Messages of other channels lie in between.
    await says(meta.addContact({ name: "Nora", phone: "12025550143" }), "hello");
    await mailIn(edge, { to: "Stranger.9+tag@reply.example.com", text: "Planted text" });
    await mailIn(edge, { to: "a_b@reply.example.com" });
    const page = async (after: string | null, limit: number) =>
      (await sql`select public.export_mail_metadata(null, ${after}, ${limit}) as page`)[0].page;
    for (const limit of [1, 2, 5000]) {
      const mails = [];
      let after: string | null = null;
      do {
        const read = await page(after, limit);
        mails.push(...read.mails);
        after = read.next;
      } while (after !== null);
      assertEquals(
        mails.map(({ domain, scope, type, route, reason }) => [domain, scope, type, route, reason]),
        [
          ["shop", "db", "alert", "shop alerts", "matched"],
          ["stranger", "9", null, null, "no_match"],
          [null, null, null, null, "no_match"],
        ],
        `pages of ${limit}`,
      );
      const [{ deliveries: [{ delivered_at, ...card }] }] = mails;
      assert(delivered_at !== null);
      assertEquals(card, {
        destination: "shop-alerts",
        kind: "telegram",
        state: "delivered",
        attempts: 1,
        chat: chat.id,
        card: "open",
      });
      const text = JSON.stringify(mails);
      for (const planted of ["casey", "Quill", "Planted", "FIRING", "corp.example"]) {
        assert(!text.includes(planted), planted);
      }
    }
    assertEquals(
      (await sql`select public.export_mail_metadata(now() + interval '1 minute') as page`)[0].page,
      {
        mails: [],
        next: null,
      },
    );
  },
);
