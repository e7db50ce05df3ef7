/** Ends a switch over a union: adding a variant makes `tsc` list every switch that must learn it. */
export function assertNever(value: never): never {
  throw new Error(`unexpected variant: ${JSON.stringify(value)}`);
}
