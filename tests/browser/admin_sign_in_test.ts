/** The panel's door: who comes in, what each role is shown, and that nobody else is given anything. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Request } from "playwright-core";
import { join } from "../../lib/paths.ts";
import type { RunningStack } from "../support/stack.ts";
import { until } from "../support/until.ts";
import { answer, faultsOf, fillSignIn, go, panelTest, seesOverview } from "../support/panel.ts";
import { says, somebody } from "../support/people.ts";

/** Makes a user who is in no team. */
async function signUp(stack: RunningStack, email: string): Promise<string> {
  const response = await fetch(`${stack.url}/auth/v1/signup`, {
    method: "POST",
    headers: { apikey: stack.stack.publishableKey, "content-type": "application/json" },
    body: JSON.stringify({ email, password: "correct horse battery" }),
  });
  return (await response.json()).access_token;
}

panelTest("admin: signing in by password and by e-mailed link, and what each role sees", async (panel) => {
  const { stack, sql, open } = panel;
  const page = await open();
  assertEquals(await faultsOf(page), []);
  await fillSignIn(page, "viewer@example.com", "wrong");
  await page.getByText("The email or password is wrong.").waitFor();

  await page.getByRole("button", { name: "Use an email link instead" }).click();
  await page.getByLabel("Email").fill("viewer@example.com");
  await page.getByRole("button", { name: "Send sign-in link" }).click();
  await page.getByText("we have sent a sign-in link").waitFor();
  const link = await until("the mail", async () => {
    const mails = await Deno.readTextFile(join(stack.dir, "mails.txt"));
    return /http:\S*verify\S*/.exec(mails)?.[0];
  });
  await page.goto(link);
  await seesOverview(page);
  assertEquals(new URL(page.url()).hash.includes("access_token"), false, "the token stays in no address");

  // A viewer sees, and is offered nothing else.
  await go(page, "/flags", "Flags");
  assertEquals(await page.getByRole("switch", { name: /^wa_send.enabled is on/ }).isDisabled(), true);
  assertEquals(await page.getByRole("button", { name: "New flag" }).count(), 0);
  await go(page, "/rollouts/new", "New rollout");
  await page.getByText("Only operators can create rollouts").waitFor();

  const operator = await open();
  await fillSignIn(operator, "operator@example.com", stack.stack.admin.password);
  await seesOverview(operator);
  await operator.getByRole("button", { name: "Turn off wa_send.enabled" }).click();
  await operator.getByText("wa_send.enabled is off. This takes effect within 5 seconds.").waitFor();
  await go(operator, "/flags/wa_send.enabled", "wa_send.enabled");
  await operator.getByRole("switch", { name: /^wa_send.enabled is off/ }).click({ force: true });
  await answer(operator, "Turn on", "tried the brake");
  await until("the flag is on again", async () => {
    const [{ value }] = await sql`select value from public.settings where key = 'wa_send.enabled'`;
    return value === "true";
  });
  const [{ reason }] = await sql`
    select reason from public.settings_history where key = 'wa_send.enabled' order by version desc limit 1`;
  assertEquals(reason, "tried the brake");

  // Whoever is taken off the team sees nothing from then on.
  await sql`delete from public.team_members where role = 'operator'`;
  await operator.reload();
  await operator.getByRole("heading", { name: "You are not on the team" }).waitFor();
  assertEquals(await faultsOf(operator), []);
  await operator.getByRole("button", { name: "Sign out" }).click();
  await operator.getByRole("heading", { name: "Sign in" }).waitFor();
});

panelTest(
  "admin: the panel's calls return nothing to anon and to signed-in people outside the team",
  async (panel) => {
    const { stack, sql, open } = panel;
    await says(stack, await somebody(stack, "Ada Lovelace", "4915100004711"), "Hello there");
    const conversation = await until(
      "the conversation",
      async () => (await sql`select id from public.conversations`)[0]?.id as string | undefined,
    );
    const calls = new Map<string, Request>();
    const page = await open();
    page.on("request", (request) => {
      // Health is for everybody: monitors ask it without a key.
      if (!/\/(rest|functions)\/v1\/(?!health$)/.test(request.url())) return;
      calls.set(`${request.method()} ${request.url()} ${request.postData() ?? ""}`, request);
    });
    await fillSignIn(page, stack.stack.admin.email, stack.stack.admin.password);
    await seesOverview(page);
    // Each page, and what it asks for. The next one is opened when that was seen, so that nothing is passed by.
    const tour: [path: string, heading: string, asked: string[]][] = [
      ["/flags", "Flags", ["list_flags"]],
      ["/flags/wa_send.enabled", "wa_send.enabled", ["settings_history", "count_contacts"]],
      ["/flags/segments", "Segments", ["segments"]],
      ["/rollouts", "Rollouts", ["rollouts"]],
      ["/rollouts/new?flag=wa_send.enabled", "New rollout", ["forecast_rollout"]],
      ["/messages", "Messages", ["list_conversations"]],
      ["/messages?q=hello", "Messages", ["search_conversations"]],
      [`/messages?conversation=${conversation}`, "Messages", ["conversation_messages"]],
      ["/deliveries", "Deliveries", ["destination_health"]],
      ["/deliveries?tab=dead", "Deliveries", ["list_dead_letters"]],
      ["/routes", "Routes", ["list_routes"]],
      ["/links", "Links", ["deeplinks"]],
      ["/links/new", "New link", ["destination_allowlist"]],
      ["/links/at/demo", "Link demo", ["deeplinks?code=demo", "deeplinks/demo/stats"]],
      ["/settings?tab=team", "Settings", ["list_team"]],
      ["/settings?tab=numbers", "Settings", ["list_numbers"]],
      ["/settings?tab=limits", "Settings", ["settings"]],
      ["/settings?tab=notifications", "Settings", ["notification_endpoints"]],
      ["/settings?tab=gates", "Settings", ["gate_approvals"]],
      ["/", "Overview", ["overview"]],
    ];
    for (const [path, heading, asked] of tour) {
      await go(page, path, heading);
      for (const name of asked) {
        await until(
          `${path} asks for ${name}`,
          () =>
            [...calls.keys()].some((call) => [`/${name}?`, `/${name} `].some((part) => call.includes(part))),
        );
      }
    }

    const key = stack.stack.publishableKey;
    const token = await signUp(stack, "stranger@example.com");
    for (const [call, request] of [...calls]) {
      const { apikey: _, authorization: __, ...headers } = await request.allHeaders();
      const kept = Object.fromEntries(
        Object.entries(headers).filter(([name]) => /^(accept|content-type|prefer|range)/.test(name)),
      );
      for (const authorization of [`Bearer ${key}`, `Bearer ${token}`]) {
        const response = await fetch(request.url(), {
          method: request.method(),
          headers: { ...kept, apikey: key, authorization },
          body: request.postData(),
        });
        const body = await response.text();
        assert(!response.ok || body === "[]", `${call} answered ${response.status} ${body.slice(0, 200)}`);
      }
    }

    const stranger = await open();
    await fillSignIn(stranger, "stranger@example.com", "correct horse battery");
    await stranger.getByRole("heading", { name: "You are not on the team" }).waitFor();
    await stranger.getByText("Ask an admin to add you").waitFor();
  },
);

panelTest(
  "admin: inside another page's frame it shows no data, whatever headers the host sends",
  async (panel) => {
    const { browser, url } = panel;
    const context = await browser.newContext();
    const page = await context.newPage();
    const asked: string[] = [];
    // A static host that sends no headers of ours.
    await page.route("**/*", async (route) => {
      const address = route.request().url();
      if (address.endsWith("/around")) {
        return await route.fulfill({ contentType: "text/html", body: `<iframe src="${url}"></iframe>` });
      }
      asked.push(new URL(address).pathname);
      const response = await route.fetch();
      await route.fulfill({ response, headers: { "content-type": response.headers()["content-type"] } });
    });
    await page.goto("http://around.test/around");
    await page.frameLocator("iframe").getByText("The panel cannot be used inside another page").waitFor();
    assertEquals(asked.filter((path) => !path.startsWith("/admin/")), []);
    assertEquals(asked.includes("/admin/config.json"), false, "it does not even ask which project");
    await page.unrouteAll({ behavior: "ignoreErrors" });
    await context.close();
  },
);
