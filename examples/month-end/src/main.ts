import { Licentric } from "@licentric/sdk";

// Without an argument: the months that are over and not billed. With one: the period of that id, over or not.
const licentric = new Licentric(); // LICENTRIC_API_KEY, LICENTRIC_BASE_URL

try {
  const periods = await periodsToBill(process.argv[2]);
  if (periods.length === 0) {
    // By its id: run again with it, this closes the same period, and never the one that began after it.
    const { id } = await licentric.billing.getCurrentPeriod();
    console.log(`There is no month to bill. To close the one that is running early, add ${id}.`);
  }
  for (const periodId of periods) await bill(periodId);
} finally {
  await licentric.close();
}

/** Months that are over and not billed yet, oldest first. The API may have closed them already. */
async function periodsToBill(wanted: string | undefined): Promise<string[]> {
  if (wanted !== undefined) return [wanted];
  const over: string[] = [];
  for await (const { id, endsAt } of licentric.billing.listPeriods()) {
    const isOver = endsAt !== undefined && new Date(endsAt) <= new Date();
    if (isOver && !(await isBilled(id))) over.unshift(id);
  }
  return over;
}

/** Whether the last of a period's invoices is there: the one without a customer. */
async function isBilled(periodId: string): Promise<boolean> {
  for await (const { customerId } of licentric.billing.listInvoices({ periodId })) {
    if (customerId === null) return true;
  }
  return false;
}

/** Every step answers the same when it is repeated, so a run that broke off is simply run again. */
async function bill(periodId: string): Promise<void> {
  const period = await licentric.billing.closePeriod(periodId, { waitForFlush: true });
  console.log(`${day(period.startsAt)} to ${day(period.endsAt)}`);

  for await (const customer of licentric.customers.list())
    await invoice(periodId, customer.name, customer.id);
  // Agents that belong to no customer are the account's own. Made last: it says that the month is billed.
  await invoice(periodId, "no customer");
}

async function invoice(periodId: string, payer: string, customerId?: string): Promise<void> {
  const made = await licentric.billing.createInvoice(
    periodId,
    customerId === undefined ? {} : { customerId },
  );
  const { lines = [], total = "", currency = "", status } = made;
  if (lines.length === 0) return;
  console.log(`  ${payer}: ${total} ${currency.toUpperCase()} (${status})`);
  for (const { description, quantity, amount } of lines)
    console.log(`    ${description} × ${quantity} = ${amount}`);
  if (made.stripeConfigured) console.log(`    ${made.hostedInvoiceUrl}`);
}

function day(time: string | undefined): string {
  return time?.slice(0, 10) ?? "?";
}
