import { assert, assertEquals, assertMatch, assertNotEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import { readVisit, signVisit } from "./visit.ts";
import { readVisitor, signVisitor, VISITOR_COOKIE, visitorOf } from "./visitor.ts";

const SECRETS = ["new", "old"] as const;

Deno.test("visitorOf(): the cookie, else a service's credentials, else a mail's ticket, else somebody new", () => {
  const cookie = `a=1; ${VISITOR_COOKIE}=${signVisitor("abc", "new")}; b=2`;
  const of = (headers: Record<string, string>, path = "/health") =>
    visitorOf(new Headers(headers), path, SECRETS);
  assertEquals(of({ cookie, apikey: "key" }), { id: "abc", unit: "abc", isNew: false });
  const service = of({ apikey: "key" });
  assertEquals(service, of({ apikey: "key" }, "/pixel/abcdefgh.png"));
  assertEquals(service.cookie, undefined);
  assertNotEquals(service.id, of({ apikey: "other" }).id);
  assert(!service.id.includes("key"));
  assertEquals(of({}, "/c/ticket-ticket/1"), of({}, "/pixel/ticket-ticket.png"));
  const fresh = of({});
  assertMatch(
    fresh.cookie ?? "",
    /^gl_side=[a-z2-7]{16}\.[0-9a-f]{24}; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/,
  );
  assertNotEquals(fresh.id, of({}).id);
  assertEquals(of({ cookie: fresh.cookie!.split(";")[0] }), {
    id: fresh.id,
    unit: fresh.id,
    isNew: false,
  });
});

Deno.test("visitorOf(): keys and tokens that users of an app send are not a service's", () => {
  const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
  const browsers: Record<string, string>[] = [
    { apikey: "sb_publishable_1" },
    { apikey: jwt },
    { apikey: "sb_publishable_1", authorization: `Bearer ${jwt}` },
    { authorization: "bearer sb_publishable_1" },
    { apikey: "" },
  ];
  const of = (headers: Record<string, string>, path = "/health") =>
    visitorOf(new Headers(headers), path, SECRETS);
  for (const headers of browsers) {
    const first = of(headers);
    assertEquals([first.isNew, typeof first.cookie], [true, "string"], JSON.stringify(headers));
    assertNotEquals(first.id, of(headers).id);
    assertEquals(of(headers, "/c/ticket-ticket/1"), of({}, "/c/ticket-ticket/1"));
  }
  const service = { apikey: "sb_publishable_1", authorization: "Bearer a-service-token" };
  assertEquals(of(service), of({ authorization: "Bearer a-service-token" }));
  assertEquals([of(service).isNew, of({ apikey: "sb_secret_1" }).isNew], [false, false]);
});

Deno.test("visitorOf(): a cookie of the older token is signed again, for the same visitor", () => {
  const old = visitorOf(
    new Headers({ cookie: `${VISITOR_COOKIE}=${signVisitor("abc", "old")}` }),
    "/health",
    SECRETS,
  );
  assertEquals([old.id, old.isNew], ["abc", false]);
  const again = visitorOf(new Headers({ cookie: old.cookie!.split(";")[0] }), "/health", ["new"]);
  assertEquals(again, { id: "abc", unit: "abc", isNew: false });
});

Deno.test("visitorOf(): the cookie's former name keeps its visitor, who gets the new one; links' own cookie is nobody's", () => {
  const former = `gl_visitor=${signVisitor("abc", "new")}`;
  const { cookie, ...found } = visitorOf(new Headers({ cookie: former }), "/health", SECRETS);
  assertEquals(found, { id: "abc", unit: "abc", isNew: false });
  assertMatch(cookie!, /^gl_side=abc\./);
  const both = { cookie: `${former}; ${VISITOR_COOKIE}=${signVisitor("def", "new")}` };
  assertEquals(visitorOf(new Headers(both), "/health", SECRETS).id, "def");
  const links = { cookie: "gl_visitor=abcdefgh234567ab.0123456789abcdef" };
  assertEquals(visitorOf(new Headers(links), "/health", SECRETS).isNew, true);
});

Deno.test("visitorOf(): a service's side is the same whichever token signs, and its id is not", () => {
  const of = (secret: string) => visitorOf(new Headers({ apikey: "sb_secret_1" }), "/health", [secret]);
  const [before, after] = [of("old"), of("new")];
  assertEquals(before.unit, after.unit);
  assertNotEquals(before.id, after.id);
  assertNotEquals(before.unit, visitorOf(new Headers({ apikey: "sb_secret_2" }), "/health", ["old"]).unit);
});

Deno.test("a cookie is no visit, a visit of one side none of the other, and no other text is either", () => {
  const cookie = signVisitor("abc", "new");
  const blue = signVisit("abc", "blue", "new");
  assertEquals([readVisitor(cookie, SECRETS), readVisit(blue, "blue", SECRETS)], ["abc", "abc"]);
  assertEquals(readVisit(cookie, "blue", SECRETS), undefined);
  assertEquals(readVisit(blue, "green", SECRETS), undefined);
  assertEquals(readVisitor(blue, SECRETS), undefined);
  assertEquals(readVisitor(signVisitor("abc", "another"), SECRETS), undefined);
  assertEquals(readVisitor(cookie, []), undefined);
});

Deno.test("readVisitor(): no text that was not signed is read", () => {
  holds(fc.property(fc.string({ unit: "binary" }), (text) => {
    assertEquals(readVisitor(text, SECRETS), undefined);
    assertEquals(readVisit(text, "green", SECRETS), undefined);
  }));
});
