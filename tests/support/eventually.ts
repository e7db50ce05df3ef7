/**
 * Waits until something that happens by itself has happened: a lease settled after its client left, a waiter in line.
 * For states that nothing announces; where a promise or a gate exists, a test awaits that.
 */
export async function eventually(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 4_000;
  while (!(await isTrue())) {
    if (performance.now() > giveUpAt) throw new Error(`did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
