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

/** Months that are over and open still, or not invoiced whole, oldest first. */
async function periodsToBill(wanted: string | undefined): Promise<string[]> {
  if (wanted !== undefined) return [wanted];
  const over: { id: string; startsAt: string }[] = [];
  for await (const { id, startsAt = "", endsAt } of licentric.billing.listPeriods({ status: "open" })) {
    if (endsAt !== undefined && new Date(endsAt) <= new Date()) over.push({ id, startsAt });
  }
  for await (const { periodId: id, startsAt } of licentric.billing.listUninvoiced({ limit: 100 }))
    over.push({ id, startsAt });
  over.sort((left, right) => left.startsAt.localeCompare(right.startsAt));
  return [...new Set(over.map(({ id }) => id))];
}

/** Every step answers the same when it is repeated, so a run that broke off is simply run again. */
async function bill(periodId: string): Promise<void> {
  const period = await licentric.billing.closePeriod(periodId, { waitForFlush: true });
  console.log(`${day(period.startsAt)} to ${day(period.endsAt)}`);

  const { invoiced, failed } = await licentric.billing.createInvoices(periodId);
  for (const { name, invoice } of invoiced) {
    const { lines = [], total = "", currency = "", status } = invoice;
    console.log(`  ${name}: ${total} ${currency.toUpperCase()} (${status})`);
    for (const { description, quantity, amount } of lines)
      console.log(`    ${description} × ${quantity} = ${amount}`);
    if (invoice.stripeConfigured) console.log(`    ${invoice.hostedInvoiceUrl}`);
  }
  // One payer's trouble holds up no other. Put it right, and the next run bills him.
  for (const { name, error } of failed) console.error(`  ${name}: ${error}`);
  if (failed.length > 0) process.exitCode = 1;

  const { differences } = await licentric.billing.checkPeriod(periodId);
  const untrue = differences.filter(({ customerId }) =>
    failed.every((each) => each.customerId !== customerId),
  );
  for (const { what, expected, found } of untrue) console.error(`  ${what}: ${found} must be ${expected}`);
  if (untrue.length > 0) process.exitCode = 1;
}

function day(time: string | undefined): string {
  return time?.slice(0, 10) ?? "?";
}
