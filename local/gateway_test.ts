import { assertEquals } from "../tests/support/assert.ts";
import { startGateway } from "./gateway.ts";

Deno.test("startGateway: routes by path prefix; a failing part is logged and answered with 500", async () => {
  const lines: string[] = [];
  const { error } = console;
  console.error = (line: string) => lines.push(line);
  const gateway = startGateway({
    "/a": () => new Response("a"),
    "/bad": () => Promise.reject(new Error("to 4915112345678")),
  });
  try {
    const get = async (path: string) => {
      const response = await fetch(gateway.url + path, { redirect: "manual" });
      const text = await response.text();
      return [response.status, text.startsWith("{") ? JSON.parse(text).code : text];
    };
    assertEquals(await get("/a"), [200, "a"]);
    assertEquals(await get("/a/b"), [200, "a"]);
    assertEquals(await get("/ab"), [404, "not_found"]);
    assertEquals(await get("/bad"), [500, "internal_error"]);
    assertEquals(lines.map((line) => JSON.parse(line).error.message), ["to …5678"]);
  } finally {
    console.error = error;
    await gateway.stop();
  }
});
