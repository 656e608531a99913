// A certified OpenID provider (npm's oidc-provider), configured like INDIGO IAM: device flow,
// open registration, rotating refresh tokens, and JWT access tokens with the requested
// audience.
//
//	node provider.mjs PORT CERTIFICATE KEY
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { Provider } from 'oidc-provider';

const [port, cert, key] = process.argv.slice(2);
const issuer = `https://localhost:${port}`;
// Every access token is for this internal resource, which makes it a JWT; its aud comes from the
// request. The audience cannot be used as an RFC 8707 resource: those are absolute URIs, and
// limit what a refresh can request.
const resource = 'urn:test:grid';
const scopes = [
  'compute.read', 'compute.modify', 'compute.create', 'compute.cancel',
  'read:/', 'write:/', 'storage.read:/', 'storage.modify:/', 'wlcg',
];

const provider = new Provider(issuer, {
  scopes: ['openid', 'offline_access', ...scopes],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
  routes: {
    device_authorization: '/devicecode', code_verification: '/device', token: '/token', authorization: '/authorize',
    jwks: '/jwk', revocation: '/revoke', registration: '/iam/api/client-registration',
  },
  features: {
    deviceFlow: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
    revocation: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: scopes.join(' '), accessTokenFormat: 'jwt', accessTokenTTL: 3600, jwt: { sign: { alg: 'RS256' } } }),
    },
  },
  extraParams: ['audience'],
  rotateRefreshToken: true,
  expiresWithSession: async () => false,
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  ttl: { AccessToken: 3600, DeviceCode: 600, RefreshToken: 30 * 86400, Grant: 30 * 86400, Session: 86400, Interaction: 600 },
  formats: {
    customizers: {
      jwt(ctx, _token, jwt) {
        const audience = String(ctx.oidc?.body?.audience ?? ctx.req.body?.audience ?? '').split(' ').filter(Boolean);
        jwt.payload.aud = audience.length > 1 ? audience : audience[0] ?? 'https://wlcg.cern.ch/jwt/v1/any';
        jwt.payload.nbf = jwt.payload.iat - 60;
        jwt.payload['wlcg.ver'] = '1.0';
      },
    },
  },
});

async function text(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

// As in IAM, the first of resource, aud and audience is the audience, and any client may have a
// redirect URI with a custom scheme, as oidc-gen registers.
provider.use(async (ctx, next) => {
  if (ctx.method === 'POST' && ctx.is('application/x-www-form-urlencoded')) {
    const form = Object.fromEntries(new URLSearchParams(await text(ctx.req)));
    const audience = form.resource || form.aud || form.audience;
    delete form.resource;
    delete form.aud;
    if (audience) form.audience = audience;
    ctx.req.body = form;
  } else if (ctx.method === 'POST' && ctx.is('application/json')) {
    const client = JSON.parse(await text(ctx.req));
    if (client.redirect_uris?.length) client.application_type = 'native';
    ctx.req.body = client;
  }
  await next();
});
for (const event of ['server_error', 'grant.error', 'device_authorization.error', 'registration_create.error']) {
  provider.on(event, (_ctx, err) => console.error(event, err.message, err.error_description ?? '', err.error_detail ?? ''));
}

createServer({ cert: readFileSync(cert), key: readFileSync(key) }, provider.callback())
  .listen(port, '127.0.0.1', () => console.log(`ready ${issuer}`));
