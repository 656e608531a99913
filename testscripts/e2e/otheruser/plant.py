"""Creates what another user could plant: sockets that answer, and forged files.

    plant.py socket PATH FILE    sends FILE to whoever connects
    plant.py agent PATH FILE     answers like oidc-agent, with the token in FILE
    plant.py mute PATH           accepts and never answers
    plant.py endless PATH        sends an endless answer
    plant.py tcp PORT LOG        logs each connection
    plant.py forge FILE OLD NEW  replaces text in FILE, also in base64 strings in JSON
    plant.py token FILE TOKEN    replaces every JWT in FILE
"""

import base64
import json
import os
import re
import socket
import sys
import threading


def serve(listener, handle):
    listener.listen(64)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=handle, args=(connection,), daemon=True).start()


def listen(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path + ".new")
    os.chmod(path + ".new", 0o777)
    os.rename(path + ".new", path)
    return listener


def send_file(name):
    def handle(connection):
        with connection, open(name, "rb") as file:
            connection.sendall(file.read())

    return handle


def agent(name):
    with open(name) as file:
        token = file.read().strip()

    def handle(connection):
        with connection:
            request = connection.recv(65536)
            print(request, flush=True)
            answer = {"status": "success", "access_token": token, "issuer": "https://localhost:18462", "expires_at": 4102444800}
            if b"loaded_accounts" in request or b"account_info" in request:
                answer = {"status": "success", "info": ["planted-account"]}
            connection.sendall(json.dumps(answer).encode())

    return handle


def mute(connection):
    while connection.recv(65536):
        pass


def endless(connection):
    try:
        connection.sendall(b'{"status":"success","access_token":"')
        while True:
            connection.sendall(b"x" * 65536)
    except OSError:
        pass


def log_connection(name):
    def handle(connection):
        with connection, open(name, "a") as file:
            file.write("a connection\n")

    return handle


def forged(value, old, new):
    """Return value with old replaced in every string, decoded where it is base64."""
    if isinstance(value, dict):
        return {key: forged(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [forged(item, old, new) for item in value]
    if not isinstance(value, str):
        return value
    try:
        plain = base64.b64decode(value, validate=True).decode()
        if old in plain:
            return base64.b64encode(plain.replace(old, new).encode()).decode()
    except ValueError:
        pass
    return value.replace(old, new)


def rewrite(name, change):
    with open(name) as file:
        before = file.read()
    after = change(before)
    if after == before:
        sys.exit(f"plant.py: nothing to forge in {name}")
    with open(name, "w") as file:
        file.write(after)


def main(command, *args):
    if command == "socket":
        serve(listen(args[0]), send_file(args[1]))
    elif command == "agent":
        serve(listen(args[0]), agent(args[1]))
    elif command == "mute":
        serve(listen(args[0]), mute)
    elif command == "endless":
        serve(listen(args[0]), endless)
    elif command == "tcp":
        listener = socket.create_server(("127.0.0.1", int(args[0])))
        serve(listener, log_connection(args[1]))
    elif command == "forge":
        rewrite(args[0], lambda text: json.dumps(forged(json.loads(text), args[1], args[2])))
    elif command == "token":
        rewrite(args[0], lambda text: re.sub(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", args[1], text))
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
