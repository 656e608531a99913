"""Acts like a person in a browser: opens a page of Keycloak, fills in the forms one after
the other, and reads the last page.

    person.py CAFILE COOKIES URL EXPECTED FIELD=VALUE...

A FIELD is an input of a form, or the button to press. The last page must contain
EXPECTED. COOKIES is the file with the browser's cookies; if it is empty, the browser is
new.
"""

import html.parser
import http.cookiejar
import os
import re
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

ENOUGH = 6  # pages; four are the maximum


class Form(html.parser.HTMLParser):
    """The first form of a page: where it is sent, its inputs and its buttons."""

    def __init__(self, page):
        super().__init__()
        self.action, self.inputs, self.buttons, self._inside = None, {}, [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "form" and self.action is None:
            self.action, self._inside = a.get("action", ""), True
        elif self._inside and tag in ("input", "button") and a.get("name"):
            if a.get("type") == "submit":
                self.buttons.append(a["name"])
            else:
                self.inputs[a["name"]] = a.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "form":
            self._inside = False


def browse(cafile, jar, url, expected, typed):
    """Returns the problem, or None."""
    browser = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=cafile)),
        urllib.request.HTTPCookieProcessor(jar),
    )
    # Without this header, Keycloak answers with JSON at the same address.
    browser.addheaders = [("Accept", "text/html,*/*;q=0.8")]
    data = None
    for _ in range(ENOUGH):
        try:
            with browser.open(url, data, timeout=60) as r:
                url, page = r.url, r.read().decode()
        except urllib.error.HTTPError as e:
            return f"{e.code} at {e.url}: {words(e.read().decode())}"
        form = Form(page)
        if form.action is None:
            return None if expected in page else words(page)
        fields = {name: typed.get(name, value) for name, value in form.inputs.items()}
        fields |= {name: typed[name] for name in form.buttons if name in typed}
        url = urllib.parse.urljoin(url, form.action)
        data = urllib.parse.urlencode(fields).encode()
    return "still shows a form: " + words(page)


def words(page):
    """Returns the text of a page, for messages."""
    return " ".join(re.sub(r"(?s)<(style|script).*?</\1>|<[^>]+>", " ", page).split())[:500]


def main(cafile, cookies, url, expected, *fields):
    jar = http.cookiejar.LWPCookieJar()
    if cookies and os.path.exists(cookies):
        jar.load(cookies, ignore_discard=True)
    problem = browse(cafile, jar, url, expected, dict(f.split("=", 1) for f in fields))
    if cookies:
        jar.save(cookies, ignore_discard=True)
    if problem:
        sys.exit("person.py: " + problem)


if __name__ == "__main__":
    main(*sys.argv[1:])
