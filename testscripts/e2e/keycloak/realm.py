"""Sets up a realm with Keycloak's administration API, as the administrator of a grid site
would: capabilities as client scopes, which add the audience of the compute element; a few
clients; two users.

    realm.py URL CAFILE DIR

DIR receives the header of the administrator (admin), the secret of each
confidential client (CLIENT.secret) and the users' password (password).
"""

import json
import os
import secrets
import ssl
import sys
import urllib.parse
import urllib.request

ADMIN = ("admin", "admin")  # created by testscripts/e2e/install
REALM = "grid"
# In a token exchange, Keycloak accepts only clients as audiences, so the compute element
# is a client.
AUDIENCE = "ce.example.org:9619"
CAPABILITIES = ["compute.read", "compute.modify", "compute.cancel", "compute.create"]
# All characters that percent-encoding and forms change.
AWKWARD = "/+ %&=%2F?#\"'\\:;"


def mapper(kind, config):
    return {
        "name": kind, "protocol": "openid-connect", "protocolMapper": kind,
        "config": config | {"access.token.claim": "true"},
    }


def audience(client):
    return mapper("oidc-audience-mapper", {"included.client.audience": client})


WLCG = mapper("oidc-hardcoded-claim-mapper", {"claim.name": "wlcg\\.ver", "claim.value": "1.0", "jsonType.label": "String"})
SCOPES = {name: [WLCG, audience(AUDIENCE)] for name in CAPABILITIES} | {
    "read:/": [],  # without an audience
    "exchangeable": [audience("exchanger")],
}
OPTIONAL = CAPABILITIES + ["read:/"]

PUBLIC = {"publicClient": True}
CLIENTS = {
    AUDIENCE: {"attributes": {}},
    # at+jwt, because scitokens-cpp before 1.0.0 requires nbf in all other tokens, and
    # Keycloak does not write it.
    "public": PUBLIC | {"attributes": {"access.token.header.type.rfc9068": "true"}},
    "confidential": {},
    # Keycloak's "Proof Key for Code Exchange Code Challenge Method".
    "pkce": PUBLIC | {"attributes": {"pkce.code.challenge.method": "S256"}},
    "doomed": PUBLIC,
    # Another application, for a login in the same browser.
    "portal": PUBLIC | {"standardFlowEnabled": True, "redirectUris": ["*"]},
    "robot": {"serviceAccountsEnabled": True, "defaultClientScopes": ["basic", "exchangeable"]},
    "exchanger": {"attributes": {"standard.token.exchange.enabled": "true"}},
}


class Admin:
    def __init__(self, base, cafile):
        self.base, self.context, self.token = base, ssl.create_default_context(cafile=cafile), ""

    def open(self, method, path, body=None, **headers):
        request = urllib.request.Request(self.base + path, body, headers, method=method)
        with urllib.request.urlopen(request, context=self.context, timeout=60) as r:
            text = r.read()
        return json.loads(text) if text else None

    def login(self, username, password):
        form = {"grant_type": "password", "client_id": "admin-cli", "username": username, "password": password}
        answer = self.open("POST", "/realms/master/protocol/openid-connect/token", urllib.parse.urlencode(form).encode())
        self.token = answer["access_token"]

    def __call__(self, method, path, body=None):
        return self.open(
            method, "/admin/realms" + path, None if body is None else json.dumps(body).encode(),
            **{"Authorization": "Bearer " + self.token, "Content-Type": "application/json"},
        )


def main(base, cafile, directory):
    os.umask(0o077)

    def keep(name, text):
        with open(os.path.join(directory, name), "w", encoding="ascii") as f:
            f.write(text + "\n")

    admin = Admin(base, cafile)
    admin.login(*ADMIN)
    # The default of a minute is too short for the whole part.
    admin("PUT", "/master", {"accessTokenLifespan": 3600})
    admin.login(*ADMIN)
    keep("admin", "Authorization: Bearer " + admin.token)

    realm = f"/{REALM}"
    admin("POST", "", {
        "realm": REALM, "enabled": True, "accessTokenLifespan": 3600,
        "eventsEnabled": True, "enabledEventTypes": ["REFRESH_TOKEN", "REFRESH_TOKEN_ERROR", "OAUTH2_DEVICE_AUTH_ERROR"],
        "attributes": {"oauth2DevicePollingInterval": "1"},
    })
    for name, mappers in SCOPES.items():
        admin("POST", realm + "/client-scopes", {
            "name": name, "protocol": "openid-connect", "protocolMappers": mappers,
            "attributes": {"include.in.token.scope": "true"},
        })
    # Keycloak's policies allow a client that registers itself to have the realm's default
    # scopes.
    ids = {s["name"]: s["id"] for s in admin("GET", realm + "/client-scopes")}
    for name in OPTIONAL:
        admin("PUT", f"{realm}/default-optional-client-scopes/{ids[name]}")

    for name, settings in CLIENTS.items():
        client = {
            "clientId": name, "standardFlowEnabled": False, "directAccessGrantsEnabled": False,
            "defaultClientScopes": ["basic"], "optionalClientScopes": OPTIONAL + ["offline_access"],
        } | settings
        client["attributes"] = {"oauth2.device.authorization.grant.enabled": "true"} | settings.get("attributes", {})
        if not client.get("publicClient"):
            client["secret"] = secrets.token_urlsafe(16) + (AWKWARD if name == "robot" else "")
            if name != AUDIENCE:
                keep(name + ".secret", client["secret"])
        admin("POST", realm + "/clients", client)

    password = secrets.token_urlsafe(16)
    keep("password", password)
    for name in ["alice", "bob"]:
        # Keycloak asks a user without a name or an address for them at the first login.
        admin("POST", realm + "/users", {
            "username": name, "enabled": True, "emailVerified": True, "email": name + "@example.org",
            "firstName": name, "lastName": "Tester", "credentials": [{"type": "password", "value": password}],
        })
    # Without the realm's default role bob cannot get offline tokens.
    bob = f"{realm}/users/{admin('GET', realm + '/users?username=bob')[0]['id']}/role-mappings/realm"
    admin("DELETE", bob, admin("GET", bob))


if __name__ == "__main__":
    main(*sys.argv[1:])
