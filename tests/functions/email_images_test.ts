/** `GET /email-webhook/mails/{id}?images=remote`: what other servers hold is loaded when it is asked for, and only then. */
import { assert, assertEquals } from "../support/assert.ts";
import { formOf, mimeOf } from "../../local/simulator/mail/mime.ts";
import { rpc } from "../../supabase/functions/_shared/db/client.ts";
import type { LoadedImage } from "../../supabase/functions/_shared/delivery/image.ts";
import type { Context } from "../../supabase/functions/_shared/serve/serve.ts";
import { storage } from "../../supabase/functions/_shared/storage/storage.ts";
import { shown, withImages } from "../../supabase/functions/email-webhook/shown.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";

const GIF: LoadedImage = { type: "image/gif", bytes: new TextEncoder().encode("GIF89a") };

/** A mail that came with this HTML; returns its id. */
async function received(edge: Edge, html: string): Promise<string> {
  const mail = {
    from: { address: "casey@example.org" },
    ...{
      to: "nobody@reply.example.com",
      subject: "Hello",
      text: "Hello",
      html,
      messageId: "images-1@example.org",
    },
  };
  const { body, contentType } = formOf(mimeOf(mail, new Date("2026-11-29T12:00:00Z")), mail);
  const { status } = await edge.call("email-webhook/inbound", {
    headers: { "content-type": contentType, ...edge.mail.poster.headersFor(body) },
    body,
  });
  assertEquals(status, 200);
  return (await edge.sql`select id from public.messages where channel = 'email'`)[0].id;
}

/** The function's part for people, with servers of the test in place of the internet. */
function withServers(loadImage: (address: string) => LoadedImage | undefined) {
  const asked: string[] = [];
  const handler = shown({
    killed: () => false,
    gates: { operator: () => Promise.resolve("key:test") },
    panelOrigins: () => Promise.resolve(new Set()),
    ...{ rpc, storage },
    loadImage: (address) => {
      asked.push(address);
      return Promise.resolve(loadImage(address));
    },
  });
  const read = async (id: string, query = "") => {
    const request = new Request(`http://127.0.0.1/email-webhook/mails/${id}${query}`, {
      headers: { apikey: KEYS.secretKey },
    });
    const response = await handler(request, {} as Context);
    assertEquals(response.status, 200);
    return await response.json();
  };
  return { asked, read };
}

const img = (name: string, more = "") => `<img src="https://pics.example/${name}" alt="${name}"${more}>`;

edgeTest(
  "a mail's images of other servers are loaded only when asked for, and come as data",
  async (edge) => {
    const id = await received(edge, img("a") + img("gone") + img("a") + img("open", ' width="1" height="1"'));
    const { asked, read } = withServers((address) => address.endsWith("/a") ? GIF : undefined);
    const plain = await read(id);
    assertEquals([plain.remote_images, plain.remote_shown, asked], [3, 0, []]);
    assert(!plain.html.includes("<img"), plain.html);
    const whole = await read(id, "?images=remote");
    assertEquals(asked, ["https://pics.example/a", "https://pics.example/gone"]);
    assertEquals([whole.remote_images, whole.remote_shown], [3, 2]);
    const data = `src="data:image/gif;base64,${btoa("GIF89a")}"`;
    assertEquals(whole.html.split(data).length - 1, 2);
    assertEquals([...whole.html.matchAll(/src="([^"]*)"/g)].map(([, src]: string[]) => src.slice(0, 6)), [
      ...["data:i", "data:,", "data:i"],
    ]);
    assert(!whole.html.includes("pics.example"), whole.html);
  },
);

edgeTest("a mail with very many or very large images loads a bounded part of them", async (edge) => {
  const id = await received(edge, Array.from({ length: 60 }, (_, i) => img(`${i}`)).join(""));
  const large = { ...GIF, bytes: new Uint8Array(1_500_000) };
  const { asked, read } = withServers(() => large);
  const whole = await read(id, "?images=remote");
  assertEquals([asked.length, whole.remote_images, whole.remote_shown], [40, 60, 2]);
});

Deno.test("withImages(): an image counts as often as it is shown, and so many marks take no time", () => {
  const image = { ...GIF, bytes: new Uint8Array(1_000_000) };
  const often = '<img src="cid:pic" />'.repeat(20_000);
  const { html } = withImages(often, new Map([["pic", image]]), new Map(), () => undefined);
  assertEquals(html.split("data:image/gif").length - 1, 4);
  assertEquals(html.split('"data:,"').length - 1, 19_996);
  const marks = Array.from({ length: 20_000 }, (_, i) => `<img src="cid:own-${i}" />`).join("");
  const shown = withImages(marks, new Map(), new Map([["a", GIF]]), (cid) => cid.endsWith("7") ? "a" : "b");
  assertEquals([shown.remote, shown.html.includes("cid:")], [2_000, false]);
  const unknown = '<img src="cid:elsewhere" />';
  assertEquals(withImages(unknown, new Map(), new Map(), () => undefined), { html: unknown, remote: 0 });
});

edgeTest("the deployed function calls nothing on its own network for an image", async (edge) => {
  const { port } = new URL(edge.url);
  const id = await received(edge, `<img src="http://127.0.0.1:${port}/x"><img src="https://localhost/x">`);
  const { status, body } = await edge.call(`email-webhook/mails/${id}?images=remote`, {
    method: "GET",
    headers: { apikey: KEYS.secretKey },
  });
  assertEquals([status, body.remote_images, body.remote_shown], [200, 2, 0]);
});
