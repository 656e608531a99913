#!/usr/bin/env python3
"""A substitute for the part of Vault's HTTP API that htgettoken calls with a vault token:
read an access token with fewer scopes and audiences.

    vault.py PORT CERTIFICATE KEY VAULT_TOKEN

Vault keeps a refresh token; this server uses the login of the helpers."""
import http.server
import json
import ssl
import subprocess
import sys
import urllib.parse

port, cert, key, vault_token = sys.argv[1:]


class Vault(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        if self.headers.get("X-Vault-Token") != vault_token:
            return self.answer(403, {"errors": ["permission denied"]})
        if url.path != "/v1/secret/oauth/sts/e2e/user:default":
            return self.answer(404, {"errors": []})
        command = ["condor-token-helper", "--no-prompt", "--min-lifetime", query["minimum_seconds"][0]]
        for scope in query["scopes"][0].split(","):
            command += ["--scope", scope]
        for audience in query["audiences"][0].split(","):
            command += ["--aud", audience]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if run.returncode:
            return self.answer(400, {"errors": ["no token"]})
        self.answer(200, {"data": {"access_token": run.stdout.strip()}})

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Vault)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
