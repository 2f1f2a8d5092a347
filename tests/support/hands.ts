/** Somebody at work in the panel, by pointer or by keyboard alone, whose steps are counted. */
import type { Locator, Page } from "playwright-core";
import { assert } from "./assert.ts";

/** What these tests need of the browser's types, which tests are checked without. */
interface Element {
  id: string;
  click(): void;
  getAttribute(name: string): string | null;
  hasAttribute(name: string): boolean;
}
interface Window {
  document: { activeElement: Element | null };
}

/** More presses of Tab than any page should need to its last control. */
const FAR = 250;

/**
 * A step is a tap, or a field that is filled. By keyboard, the focus moves with Tab as far as it takes, which is no step of its own:
 * it shows that everything can be reached and operated without a pointer.
 */
export class Hands {
  steps = 0;
  constructor(private readonly page: Page, private readonly by: "pointer" | "keyboard") {}

  /** Presses a button, follows a link, checks a box, chooses an option. */
  async tap(target: Locator): Promise<void> {
    this.steps++;
    await target.waitFor();
    const isBox = await target.evaluate((element) =>
      /^(checkbox|radio)$/.test((element as unknown as Element).getAttribute("type") ?? "")
    );
    if (this.by === "pointer") {
      // The box of a switch is hidden below its picture.
      return isBox
        ? await target.evaluate((element) => (element as unknown as Element).click())
        : await target.click();
    }
    await this.reach(target);
    await this.page.keyboard.press(isBox ? "Space" : "Enter");
  }

  /** Fills a field. */
  async type(target: Locator, text: string): Promise<void> {
    this.steps++;
    await target.waitFor();
    if (this.by === "pointer") return await target.fill(text);
    await this.reach(target);
    await this.page.keyboard.press("ControlOrMeta+a");
    await this.page.keyboard.insertText(text);
  }

  /** Chooses an option of a field that searches among its options. */
  async choose(field: Locator, option: string): Promise<void> {
    this.steps++;
    await field.waitFor();
    const named = this.page.getByRole("option", { name: option, exact: true });
    if (this.by === "pointer") {
      await field.click();
      return await named.click();
    }
    await this.reach(field);
    await this.page.keyboard.press("ArrowDown");
    await named.waitFor();
    const isActive = () =>
      named.evaluate((element) =>
        (globalThis as unknown as Window).document.activeElement?.getAttribute("aria-activedescendant") ===
          (element as unknown as Element).id ||
        (element as unknown as Element).hasAttribute("data-combobox-selected")
      );
    for (let n = 0; n < FAR && !await isActive(); n++) await this.page.keyboard.press("ArrowDown");
    await this.page.keyboard.press("Enter");
  }

  /** Presses keys, such as arrows on a slider. */
  async press(target: Locator, keys: string[]): Promise<void> {
    this.steps++;
    if (this.by === "pointer") await target.focus();
    else await this.reach(target);
    for (const key of keys) await this.page.keyboard.press(key);
  }

  /** Moves the focus there with Tab alone. */
  private async focus(target: Locator): Promise<void> {
    const isThere = () =>
      target.evaluate((element) =>
        (element as unknown) === (globalThis as unknown as Window).document.activeElement
      );
    for (let n = 0; n < FAR; n++) {
      if (await isThere()) return;
      await this.page.keyboard.press("Tab");
    }
    assert(await isThere(), `the keyboard does not reach ${target}`);
  }

  /** Moves the focus there, as somebody without a pointer does. */
  private async reach(target: Locator): Promise<void> {
    const isThere = () =>
      target.evaluate((element) =>
        (element as unknown) === (globalThis as unknown as Window).document.activeElement
      );
    if (await target.getAttribute("role") === "tab") {
      // Of tabs the open one is reached, and the others from there.
      const open = target.locator("xpath=../*[@aria-selected='true']");
      await this.focus(open);
      for (let n = 0; n < FAR && !await isThere(); n++) await this.page.keyboard.press("ArrowRight");
      return;
    }
    await this.focus(target);
  }
}
