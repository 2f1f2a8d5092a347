/** Links in Chromium by twenty real user agents: each kind of target ends where it should, and no page is a dead end. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { Browser, Page } from "playwright-core";
import type { InAppBrowser, Platform } from "../../supabase/functions/_shared/contract/link_limits.ts";
import { BROWSER_AGENTS, IN_APP_AGENTS } from "../support/in_app_agents.ts";
import { APP_STORE, EXAMPLE, HOME, link, linkTest, on, PLAY } from "../support/link_browser.ts";
import { seriousFaults } from "../support/page.ts";
import { until } from "../support/until.ts";

interface Agent {
  readonly platform: Platform;
  readonly app: InAppBrowser | undefined;
  readonly ua: string;
}

/** The ten browsers of people, and ten of apps. */
const AGENTS: readonly Agent[] = [
  ...BROWSER_AGENTS.slice(0, 10).map(([platform, ua]) => ({ platform, ua, app: undefined })),
  ...IN_APP_AGENTS.filter(([app]) => ["instagram", "facebook", "tiktok", "line", "wechat"].includes(app)).map(
    ([app, platform, ua]) => ({ app, platform, ua }),
  ),
];

/** Where a visit ended: at an address, or at a page of ours. */
interface End {
  readonly page: Page;
  /** What the first answer sent to. */
  readonly location: string | undefined;
  readonly status: number | undefined;
}

/** Visits an address as this agent. */
async function visit(
  browser: Browser,
  { ua }: Pick<Agent, "ua">,
  url: string,
  check: (end: End) => Promise<void>,
): Promise<void> {
  await on(browser, { userAgent: ua, viewport: { width: 390, height: 844 } }, async (page) => {
    let first: { location: string | undefined; status: number } | undefined;
    page.on("response", (response) => {
      first ??= { location: response.headers().location, status: response.status() };
    });
    // What Chromium on a desktop can't open (an app, an intent) ends the navigation.
    await page.goto(url, { waitUntil: "commit" }).catch(() => {});
    await check({ page, location: first?.location, status: first?.status });
  });
}

/** Ways that a page of ours offers, by their text. */
async function waysOf(page: Page): Promise<string[]> {
  await page.getByRole("heading").waitFor();
  return await page.locator("a[href], button").allTextContents();
}

linkTest("links: each kind of target is served to twenty user agents", async ({ browser, stack }) => {
  assertEquals(AGENTS.length, 20);
  const chat = { phone_number_id: stack.stack.whatsapp.phoneNumberId, text: "Hello" };
  const web = await link(stack, { default_url: `${EXAMPLE}/` });
  const store = await link(stack, {
    default_url: `${EXAMPLE}/`,
    targets: [
      { when: { platform: ["ios", "macos"] }, store: APP_STORE },
      { when: { platform: "android" }, store: PLAY },
    ],
  });
  const universal = await link(stack, {
    default_url: `${EXAMPLE}/`,
    targets: [{ app: { url: `${EXAMPLE}/p/7`, package: "com.example.app" } }],
  });
  const scheme = await link(stack, {
    default_url: `${EXAMPLE}/`,
    targets: [{ app: { url: "exapp://p/7" } }],
  });
  const talk = await link(stack, { whatsapp: chat });
  const social = await link(stack, {
    default_url: `${EXAMPLE}/`,
    targets: [{ when: { in_app: true }, url: `${EXAMPLE}/in-app` }],
  });

  for (const agent of AGENTS) {
    const { platform, app, ua } = agent;
    const see = (url: string, check: (end: End) => Promise<void> | void) =>
      visit(browser, agent, url, async (end) => await check(end));
    await see(web, ({ page }) => assertEquals(page.url(), `${EXAMPLE}/`, ua));
    await see(social, ({ page }) => assertEquals(page.url(), `${EXAMPLE}/${app ? "in-app" : ""}`, ua));
    await see(talk, ({ page }) => assertMatch(page.url(), /^https:\/\/wa\.me\/\d+\?text=Hello/, ua));
    await see(store, ({ page }) => {
      const wanted = platform === "android"
        ? PLAY
        : /^(ios|macos)$/.test(platform)
        ? APP_STORE
        : `${EXAMPLE}/`;
      assert(page.url().startsWith(wanted), `${page.url()} for ${ua}`);
    });
    await see(universal, async ({ page, location }) => {
      if (app) {
        assertEquals(
          await waysOf(page),
          ["Open the app", "Open in the browser", "Continue without the app"].slice(
            0,
            platform === "android" ? 3 : 2,
          ),
          ua,
        );
      } else if (platform === "android" && !ua.includes("Firefox")) {
        assertMatch(location!, /^intent:\/\/www\.example\.com\/p\/7/);
      } else assertMatch(page.url(), /^https:\/\/www\.example\.com\/p\/7\?gl_token=/, ua);
    });
    await see(scheme, async ({ page }) => {
      const ways = app
        ? ["Open the app", "Open in the browser", "Continue without the app"]
        : ["Open the app", "Continue without the app"];
      assertEquals(await waysOf(page), ways, ua);
      if (!app) return;
      // Nothing is tried without a tap: it would end at an error.
      assertEquals(page.url(), scheme);
      assertEquals(await seriousFaults(page), []);
      await page.getByRole("link", { name: "Continue without the app" }).click();
      await page.waitForURL(`${EXAMPLE}/`);
    });
  }
});

linkTest("links: no page is a dead end for twenty user agents", async ({ browser, stack }) => {
  const once = await link(stack, {
    default_url: `${EXAMPLE}/coupon`,
    max_uses: AGENTS.length,
    confirm: true,
  });
  const ended = await link(stack, { default_url: `${EXAMPLE}/`, expires_at: "2026-01-01T00:00:00Z" });
  const links = once.slice(0, once.lastIndexOf("/") + 1);
  for (const agent of AGENTS) {
    await visit(browser, agent, once, async ({ page, status }) => {
      assertEquals([status, await waysOf(page)], [200, ["Continue"]], agent.ua);
      assertEquals(await seriousFaults(page), []);
      await page.getByRole("button", { name: "Continue" }).click();
      await page.waitForURL(`${EXAMPLE}/coupon`);
    });
    for (
      const [url, wanted, ...more] of [
        [ended, 410],
        [`${links}nosuchcode`, 404, "Open"],
        [`${links}a/b/c`, 404, "Open"],
      ] as const
    ) {
      await visit(browser, agent, url, async ({ page, status }) => {
        assertEquals(
          [status, await waysOf(page)],
          [wanted, ["Go to the home page", ...more]],
          `${url} ${agent.ua}`,
        );
        await page.getByRole("link").click();
        await page.waitForURL(HOME);
      });
    }
    await visit(browser, agent, links, ({ page }) => Promise.resolve(assertEquals(page.url(), HOME)));
  }
  const more = await fetch(once, {
    method: "POST",
    headers: { "user-agent": AGENTS[0].ua },
    redirect: "manual",
  });
  assertEquals(more.status, 410, "each took one use, and looking at the page none");
  await more.body?.cancel();
});

linkTest(
  "links: without a home page no page is a dead end either, for twenty user agents",
  async ({ browser, stack, sql }) => {
    const expires_at = "2026-01-01T00:00:00Z";
    const chat = { phone_number_id: stack.stack.whatsapp.phoneNumberId, text: "Hello" };
    const live = await link(stack, { default_url: `${EXAMPLE}/`, code: "spring-24" });
    const links = live.slice(0, live.lastIndexOf("/") + 1);
    const locked = { default_url: `${EXAMPLE}/`, password: "open sesame" };
    const cases: [url: string, status: number, ways: string[], end: RegExp][] = [
      [links, 200, ["Open"], /^https:\/\/www\.example\.com\/$/],
      [`${links}spring-42`, 404, ["Open"], /^https:\/\/www\.example\.com\/$/],
      [`${links}a/b/c`, 404, ["Open"], /^https:\/\/www\.example\.com\/$/],
      [
        await link(stack, { default_url: `${EXAMPLE}/sale`, expires_at }),
        410,
        ["www.example.com"],
        /^https:\/\/www\.example\.com\/$/,
      ],
      [await link(stack, { whatsapp: chat, expires_at }), 410, ["WhatsApp"], /^https:\/\/wa\.me\/\d+$/],
      [await link(stack, { ...locked, expires_at }), 410, ["Open"], /^https:\/\/www\.example\.com\/$/],
      [await link(stack, locked), 401, ["Open"], /^https:\/\/www\.example\.com\/$/],
    ];
    await sql`update public.settings set value = '' where key = 'deeplinks.home_url'`;
    try {
      await until("it is known", async () => {
        const answer = await fetch(links, { headers: { accept: "text/html" }, redirect: "manual" });
        await answer.body?.cancel();
        return answer.status === 200;
      });
      for (const agent of AGENTS) {
        for (const [url, wanted, ways, end] of cases) {
          await visit(browser, agent, url, async ({ page, status }) => {
            assertEquals([status, await waysOf(page)], [wanted, ways], `${url} ${agent.ua}`);
            const field = page.getByLabel("Code of the link");
            const password = page.getByLabel("This link is protected.");
            if (await field.count() > 0) await field.fill("Spring-24 ");
            if (await password.count() > 0) await password.fill("open sesame");
            await page.getByRole(ways[0] === "Open" ? "button" : "link").click();
            await page.waitForURL(end);
          });
        }
      }
      for (const [url] of cases) {
        await on(browser, { userAgent: AGENTS[0].ua }, async (page) => {
          await page.goto(url);
          assertEquals(await seriousFaults(page), [], url);
        });
      }
    } finally {
      await sql`update public.settings set value = ${HOME} where key = 'deeplinks.home_url'`;
    }
  },
);

linkTest(
  "links: an iPad that presents itself as a Mac gets the iOS target, and a Mac gets its own",
  async ({ browser, stack }) => {
    const url = await link(stack, {
      default_url: `${EXAMPLE}/desktop`,
      targets: [{ when: { platform: "ios" }, store: APP_STORE }],
    });
    const safari = BROWSER_AGENTS.find(([platform]) => platform === "macos")![1];
    for (const [touches, wanted] of [[5, APP_STORE], [0, `${EXAMPLE}/desktop`]] as const) {
      await on(browser, { userAgent: safari }, async (page) => {
        await page.addInitScript({
          content: `Object.defineProperty(navigator, "maxTouchPoints", { get: () => ${touches} });`,
        });
        await page.goto(url, { waitUntil: "commit" });
        await page.waitForURL(wanted);
      });
    }
    // Without scripts people choose.
    await on(browser, { userAgent: safari, javaScriptEnabled: false }, async (page) => {
      await page.goto(url);
      assertEquals(await page.getByRole("link").allTextContents(), ["iPad", "Mac"]);
      await page.getByRole("link", { name: "iPad" }).click();
      await page.waitForURL(APP_STORE);
    });
  },
);
