import type { Locator, Page } from "playwright-core";

/** What is filled in, by the names of the fields: a text, a choice by its words, or whether a box is ticked. */
type Filling = Readonly<Record<string, string | boolean>>;

/** Opens a question by its button. */
export async function openQuestion(page: Page, button: string): Promise<Locator> {
  await page.getByRole("main").getByRole("button", { name: button, exact: true }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  return dialog;
}

/** Fills in what a question asks for. */
export async function fillIn(dialog: Locator, filling: Filling): Promise<void> {
  for (const [label, value] of Object.entries(filling)) {
    const field = dialog.getByLabel(new RegExp(`^${label}( \\(optional\\))?$`));
    if (typeof value === "boolean") {
      await field.setChecked(value);
    } else if ((await field.evaluate(({ tagName }) => tagName)) === "SELECT") {
      await field.locator("option", { hasText: value }).first().waitFor({ state: "attached" });
      const options = await field.locator("option").allTextContents();
      await field.selectOption({ label: options.find((option) => option.startsWith(value)) ?? value });
    } else {
      await field.fill(value);
    }
  }
}

/** Makes a change by its button, and waits until the page says that it is made. */
export async function make(
  page: Page,
  {
    button,
    filling = {},
    confirm,
    done,
  }: { button: string; filling?: Filling; confirm: string; done: string },
): Promise<void> {
  const dialog = await openQuestion(page, button);
  await fillIn(dialog, filling);
  await dialog.getByRole("button", { name: confirm, exact: true }).click();
  await page.getByText(done).first().waitFor();
}

/** Takes the secret that a dialog shows, and closes it. */
export async function takeSecret(page: Page): Promise<string> {
  const dialog = page.getByRole("dialog");
  const secret = await dialog.getByLabel("Shown this one time").inputValue();
  await dialog.getByRole("button", { name: "I have kept it" }).click();
  await dialog.waitFor({ state: "detached" });
  return secret;
}
