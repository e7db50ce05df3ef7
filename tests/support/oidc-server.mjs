import Provider from 'oidc-provider';

const CLIENT_ID = 'rotator-test';
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

export async function startOidcServer({ accessTokenSeconds = 3600, deviceCodeSeconds = 120, scopes = [] } = {}) {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const provider = await quietly(() => new Provider(issuer, settings(accessTokenSeconds, deviceCodeSeconds, scopes)));
  const grants = [];
  provider.use(async (context, next) => {
    await next();
    const grant = context.path === '/token' ? context.oidc?.params?.grant_type : undefined;
    if (grant) grants.push(grant);
  });
  const server = await new Promise((resolve) => {
    const listening = provider.listen(port, '127.0.0.1', () => resolve(listening));
  });
  const close = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    issuer,
    authorizeUrl: `${issuer}/auth`,
    tokenUrl: `${issuer}/token`,
    deviceUrl: `${issuer}/device/auth`,
    clientId: CLIENT_ID,
    grants,
    async revoke(token) {
      await fetch(`${issuer}/token/revocation`, {
        method: 'POST',
        body: new URLSearchParams({ token, client_id: CLIENT_ID }),
      });
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

const page = (form) => `<html>${form}</html>`;

const settings = (accessTokenSeconds, deviceCodeSeconds, scopes) => ({
  clients: [
    {
      client_id: CLIENT_ID,
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token', DEVICE_GRANT],
      response_types: ['code'],
      // Any port of the loopback interface is allowed to a native application (RFC 8252 7.3).
      redirect_uris: ['/oauth2callback', '/oauth-callback', '/auth/callback', '/callback'].map(
        (path) => `http://localhost${path}`,
      ),
    },
  ],
  features: {
    deviceFlow: {
      enabled: true,
      userCodeInputSource(context, form) {
        context.body = page(form);
      },
      userCodeConfirmSource(context, form) {
        context.body = page(form);
      },
      successSource(context) {
        context.body = 'done';
      },
    },
    devInteractions: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: { enabled: false },
  },
  pkce: { required: (context) => context.oidc.params.grant_type === undefined && context.path === '/auth' },
  scopes: ['openid', 'offline_access', 'profile', 'email', ...scopes],
  claims: { openid: ['sub'], email: ['email'] },
  conformIdTokenClaims: false,
  ttl: {
    AccessToken: () => accessTokenSeconds,
    RefreshToken: () => 86_400,
    DeviceCode: () => deviceCodeSeconds,
    IdToken: () => 3600,
    Grant: () => 86_400,
    Session: () => 86_400,
    Interaction: () => 3600,
  },
  rotateRefreshToken: true,
  issueRefreshToken: async () => true,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@people.test` }) }),
});

/** It warns of a runtime and of development features that are meant to be here. */
async function quietly(make) {
  const { info, warn } = console;
  console.info = console.warn = () => {};
  try {
    return await make();
  } finally {
    Object.assign(console, { info, warn });
  }
}

async function freePort() {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
