"""Tokens for Python programs, from the token helpers.

    import token_helper, urllib.request
    url = "https://x.example.org:1094/store/file"
    request = urllib.request.Request(url, headers=token_helper.header("xrd-token-helper", "--read", "--server", url))
    with urllib.request.urlopen(request) as response:
        ...

Call header before each request: the helper answers from its cache within milliseconds, and
gets a new token when the old one expires.
"""

import json
import subprocess


def token(helper, *flags):
    """Returns the token, its scopes and when it expires (RFC 3339), as a dictionary.

    Raises subprocess.CalledProcessError if there is no token: its returncode is the
    helper's exit code, such as 3 for "log in first", and its stderr says what to do.
    """
    run = subprocess.run([helper, "--no-prompt", "--output", "json", *flags], check=True, capture_output=True, text=True)
    return json.loads(run.stdout)


def header(helper, *flags):
    """Returns the Authorization header of a request, as a dictionary."""
    return {"Authorization": "Bearer " + token(helper, *flags)["token"]}
