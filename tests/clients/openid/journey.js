// OpenID discovery and two grants with openid-client, and the verification of the tokens with jose, as an integrator would do them.
// Called with the address of the platform, a client id and its secret.
import { strict as assert } from "node:assert";
import { randomUUID } from "node:crypto";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as openid from "openid-client";

const [url, clientId, clientSecret] = process.argv.slice(2);
assert(clientSecret, "usage: journey.js URL CLIENT_ID CLIENT_SECRET");
const insecure = { execute: [openid.allowInsecureRequests] }; // the server under test has no certificate

async function verify(configuration, token) {
  const { issuer, jwks_uri: keys } = configuration.serverMetadata();
  const expected = { issuer, audience: "careslot", typ: "at+jwt", algorithms: ["RS256"] };
  return (await jwtVerify(token, createRemoteJWKSet(new URL(keys)), expected)).payload;
}

async function register() {
  const body = { email: `${randomUUID()}@example.com`, password: `pass phrase ${randomUUID()}`, full_name: "Sam Lee" };
  const response = await fetch(`${url}/auth/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 201);
  return await response.json();
}

const service = await openid.discovery(new URL(url), clientId, undefined, openid.ClientSecretBasic(clientSecret), insecure);
assert.equal(service.serverMetadata().issuer, url);
const granted = await openid.clientCredentialsGrant(service);
const claims = await verify(service, granted.access_token);
assert.equal(claims.sub, clientId);

const registered = await register();
const app = await openid.discovery(new URL(url), "an-app", undefined, openid.None(), insecure);
const refreshed = await openid.refreshTokenGrant(app, registered.refresh_token);
assert.notEqual(refreshed.refresh_token, registered.refresh_token);
assert.equal((await verify(app, refreshed.access_token)).sub, registered.account.id);
await assert.rejects(openid.refreshTokenGrant(app, registered.refresh_token), { error: "invalid_grant" });
console.log(`issuer ${claims.iss}; client credentials and refresh granted, both tokens verified`);
