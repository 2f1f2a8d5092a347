/** Texts among the conversations of the panel: their face, segments while a reply is written, STOP, and masked threads. */
import type { Text } from "../../local/simulator/texts/twilio.ts";
import { assertEquals } from "../support/assert.ts";
import { go, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";
import type { RunningStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

const OURS = "+12025550160", ANNA = "+12025550147";

async function post(stack: RunningStack, path: string, body: unknown): Promise<void> {
  const response = await fetch(`${stack.url}/simulator/api/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  await response.body?.cancel();
}

const write = (stack: RunningStack, from: string, to: string, body: string) =>
  post(stack, "texts/send", { from, to, body });

/** What somebody got on their phone. */
async function got(stack: RunningStack, phone: string): Promise<string[]> {
  const { messages } = await (await fetch(`${stack.url}/simulator/twilio/texts`)).json();
  return messages.filter(({ direction, to }: Text) => direction !== "inbound" && to === phone)
    .map(({ body }: Text) => body);
}

panelTest(
  "admin: a text has a face of its own, a reply is counted in segments, and STOP ends replies",
  async ({ stack, signIn }) => {
    await says(stack, await somebody(stack, "Ada Lovelace", "4915100004711"), "A chat.");
    await write(stack, ANNA, OURS, "Are you open?");
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await signIn("operator", { viewport: { width: 390, height: 844 }, colorScheme });
      await go(page, "/messages", "Messages");
      await page.getByRole("button", { name: /^WhatsApp,.*4711/ }).waitFor();
      await page.getByRole("button", { name: /^Text,.*0147/ }).click();
      await page.getByText(`with ${OURS}`).waitFor();
      const list = page.getByRole("group", { name: "Conversation" });
      await list.getByText("Are you open?", { exact: true }).waitFor();
      const reply = page.getByRole("textbox", { name: "Reply" });
      await reply.fill("Until six.");
      await page.getByText("1 segment, 150 left").waitFor();
      // One character that GSM-7 has not makes the whole text dear.
      await reply.fill(`It’s open until six ${colorScheme}. `.padEnd(80, "."));
      await page.getByText("2 segments").waitFor();
      await page.getByText("’ need more room").waitFor();
      await isWell(page);
      await page.getByRole("button", { name: "Use plain characters" }).click();
      await page.getByText("1 segment, 80 left").waitFor();
      await page.getByRole("button", { name: "Send", exact: true }).click();
      const sent = `It's open until six ${colorScheme}. `.padEnd(80, ".");
      await list.getByText(sent, { exact: true }).waitFor();
      await until("Anna got it", async () => (await got(stack, ANNA)).includes(sent));
    }

    await write(stack, ANNA, OURS, "STOP");
    const page = await signIn("operator");
    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /^Text,.*0147/ }).click();
    await page.getByText("The person has ended texts").waitFor();
    await page.getByText("until they write START").waitFor();
    assertEquals(await page.getByRole("textbox", { name: "Reply" }).count(), 0);
    await isWell(page);
  },
);

panelTest(
  "admin: a text to an organisation's number says that its thread decides",
  async ({ stack, signIn }) => {
    const CLIENT = "+12065550141", NUMBER = "+12065550101";
    await post(stack, "masked/begin", {});
    await write(stack, CLIENT, NUMBER, "Is Bello well?");
    await until(
      "the sitter got it",
      async () => (await got(stack, "+12065550151")).includes("Is Bello well?"),
    );
    const page = await signIn("operator");
    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /^Text,.*0141/ }).click();
    const list = page.getByRole("group", { name: "Conversation" });
    await list.getByText("masked thread").waitFor();
    await list.getByRole("button", { name: "Details of Is Bello well?" }).click();
    const story = page.getByRole("dialog", { name: "Message history" });
    await story.getByText("it came to a number of an organisation, whose threads decide").waitFor();
    await isWell(page);
  },
);
