import { assertEquals } from "../../../../../../tests/support/assert.ts";
import type { FoundUpload, Uploads } from "../../channel.ts";
import { uploadsIn, withMetaIds } from "./uploads.ts";

const ID = "0190a1b2-0000-7000-8000-000000000001";
const OTHER = "0190a1b2-0000-7000-8000-000000000002";
const ACCOUNT = { graphUrl: "https://graph.test/v26.0", token: "token", phoneNumberId: "106" };

/** Uploads that are kept, some of them known to Meta already, and what was done. */
function world(
  known: Record<string, string | undefined>,
  answer: () => Response = () => Response.json({ id: "77" }),
) {
  const notes: string[] = [];
  const forms: string[] = [];
  const uploads: Uploads = {
    find: (id) =>
      Promise.resolve(
        id in known
          ? { path: `out/${id}`, type: "image/png", name: 'a"b.png', providerId: known[id] } as FoundUpload
          : undefined,
      ),
    open: () => Promise.resolve(new Response("bytes").body!),
    note: (id, senderId, providerId) => {
      notes.push(`${id} ${senderId} ${providerId}`);
      return Promise.resolve();
    },
  };
  const fetch = async (url: string, init: RequestInit) => {
    forms.push(`${url} ${await new Response(init.body as ReadableStream).text()}`);
    return answer();
  };
  return { notes, forms, deps: { uploads, fetch } };
}

Deno.test("uploadsIn: wherever media may be, and nowhere else", () => {
  const cases: [unknown, string[]][] = [
    [{ type: "image", image: { id: ID } }, [ID]],
    [{ type: "document", document: { id: ID.toUpperCase(), caption: ID } }, [ID]],
    [{ type: "image", image: { id: "1234567890" } }, []],
    [{ type: "image", image: { link: `https://example.com/${ID}` } }, []],
    [{ type: "interactive", interactive: { header: { type: "video", video: { id: ID } } } }, [ID]],
    [{
      type: "template",
      template: {
        components: [
          { type: "header", parameters: [{ type: "image", image: { id: ID } }] },
          { type: "body", parameters: [{ type: "text", text: OTHER }] },
        ],
      },
    }, [ID]],
    [
      { interactive: { action: { parameters: { flow_action_payload: { data: { image: { id: ID } } } } } } },
      [],
    ],
    [{ type: "text", text: { body: ID } }, []],
    [null, []],
  ];
  for (const [message, expected] of cases) {
    assertEquals(uploadsIn(message), expected, JSON.stringify(message));
  }
});

Deno.test("withMetaIds: uploads what Meta lacks, once, and uses what it has", async () => {
  const message = { type: "image", image: { id: ID, caption: "Look" } };
  const { notes, forms, deps } = world({ [ID]: undefined });
  assertEquals(await withMetaIds(message, ACCOUNT, deps), {
    ok: true,
    message: { type: "image", image: { id: "77", caption: "Look" } },
    reused: false,
  });
  assertEquals(notes, [`${ID} 106 77`]);
  assertEquals(forms.length, 1);
  assertEquals(
    ["https://graph.test/v26.0/106/media ", 'filename="a_b.png"', "\r\n\r\nbytes\r\n--"].filter((part) =>
      !forms[0].includes(part)
    ),
    [],
  );
  const second = world({ [ID]: "55" });
  assertEquals(await withMetaIds(message, ACCOUNT, second.deps), {
    ok: true,
    message: { type: "image", image: { id: "55", caption: "Look" } },
    reused: true,
  });
  assertEquals(second.forms, []);
  // Meta has refused the id that we knew.
  assertEquals(await withMetaIds(message, ACCOUNT, second.deps, true), {
    ok: true,
    message: { type: "image", image: { id: "77", caption: "Look" } },
    reused: false,
  });
});

Deno.test("withMetaIds: what is gone fails for good, what may pass is tried again", async () => {
  const message = { type: "image", image: { id: ID } };
  const kindOf = async (deps: Parameters<typeof withMetaIds>[2]) => {
    const result = await withMetaIds(message, ACCOUNT, deps);
    return result.ok ? "ok" : `${result.kind} ${result.code} ${result.scope ?? ""}`.trim();
  };
  assertEquals(await kindOf(world({}).deps), "final media_gone");
  assertEquals(await kindOf({ fetch: () => Promise.reject(new Error()) }), "final media_gone");
  const { deps } = world({ [ID]: undefined });
  assertEquals(
    await kindOf({ ...deps, uploads: { ...deps.uploads, open: () => Promise.resolve(undefined) } }),
    "final media_gone",
  );
  assertEquals(
    await kindOf({ ...deps, uploads: { ...deps.uploads, find: () => Promise.reject(new Error()) } }),
    "retry storage",
  );
  const refusal = (status: number, code: number) => () => Response.json({ error: { code } }, { status });
  assertEquals(await kindOf(world({ [ID]: undefined }, refusal(401, 190)).deps), "held 190 number");
  assertEquals(await kindOf(world({ [ID]: undefined }, refusal(400, 100)).deps), "final 100");
  assertEquals(await kindOf(world({ [ID]: undefined }, refusal(500, 2)).deps), "retry 2");
  assertEquals(
    await kindOf({ ...deps, fetch: () => Promise.reject(new Error("broke")) }),
    "retry network",
  );
});
