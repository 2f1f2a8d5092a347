/** A flag's page says whether it is on for somebody, and why. */
import { go, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";

panelTest(
  "admin: a flag is checked for a person by four digits, for an id of the app, and for nobody",
  async (panel) => {
    const { sql, stack, signIn } = panel;
    await says(stack, await somebody(stack, "Ada Check", "4915100009142"), "hello");
    await sql`select public.set_flag('spring.enabled', '{"on": true, "percentage": 0}', 0)`;
    const page = await signIn("operator", { viewport: { width: 390, height: 844 } });
    await go(page, "/flags/spring.enabled", "spring.enabled");
    const check = page.getByRole("region", { name: "Check a person" });
    const ask = async (person: string) => {
      await check.getByRole("textbox", { name: "Person" }).fill(person);
      await check.getByRole("textbox", { name: "Person" }).press("Enter");
    };
    await ask("9142");
    await check.getByText("Ada Check, ···· 9142").waitFor();
    await check.getByText("The flag is on for its targets only, and this person is none of them.").waitFor();
    await isWell(page, "a person");
    await sql`select public.add_flag_targets('spring.enabled', 1, array['user-7'])`;
    await ask("user-7");
    await check.getByText("This person is a target.").waitFor();
    await check.getByText("Nobody with this id has written").waitFor();
    await ask("0000");
    await check.getByText("Nobody with “0000” has written.").waitFor();
  },
);
