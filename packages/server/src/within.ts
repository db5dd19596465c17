/**
 * Waits for work, `limit` milliseconds at most.
 *
 * @param late is called when they are over; what it answers or throws is the outcome then. The work goes on.
 */
export async function within<Result, Late>(
  limit: number,
  work: Promise<Result>,
  late: () => Late,
): Promise<Result | Late> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limit);
  });
  try {
    return await Promise.race([work, over.then(late)]);
  } finally {
    clearTimeout(timer);
  }
}
