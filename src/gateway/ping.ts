const encoder = new TextEncoder();

/** The smallest request that proves that a model answers. */
export function pingBody(model: string, isStream: boolean): Uint8Array {
  const body = { model, messages: [{ role: 'user', content: 'ping' }], max_tokens: 1, stream: isStream };
  return encoder.encode(JSON.stringify(body));
}
