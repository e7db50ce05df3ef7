export type WireEvent = { readonly type: string; readonly [field: string]: unknown };

/** One event as its frame. The official SDK drops events whose name does not stand before their data. */
export const frame = (event: WireEvent): string => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
