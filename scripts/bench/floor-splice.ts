// The bare forwarder: Bun.serve and fetch with the first "model" of the body replaced, and nothing else. What a gateway
// costs is measured against it. No auth, no pool, no error handling, no accounting.
const upstream = `${process.env['UPSTREAM']}/v1/chat/completions`;
const model = new TextEncoder().encode('"up-model"');

function splice(body: Uint8Array): Uint8Array {
  const at = Buffer.from(body.buffer, body.byteOffset, body.byteLength).indexOf('"model":"');
  if (at < 0) return body;
  const end = body.indexOf(34, at + 9) + 1;
  const out = new Uint8Array(body.length - (end - at - 8) + model.length);
  out.set(body.subarray(0, at + 8), 0);
  out.set(model, at + 8);
  out.set(body.subarray(end), at + 8 + model.length);
  return out;
}

Bun.serve({
  port: Number(process.env['PORT']),
  hostname: '127.0.0.1',
  development: false,
  idleTimeout: 0,
  async fetch(request) {
    return fetch(upstream, {
      method: 'POST',
      headers: { authorization: 'Bearer up-1', 'content-type': 'application/json', 'accept-encoding': 'identity' },
      body: splice(await request.bytes()),
      signal: request.signal,
    });
  },
});
