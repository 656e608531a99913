"""Runs a command on a terminal, and types the input of a person.

    person.py STEP... -- COMMAND [ARG...]

A step "PATTERN->TEXT" waits for the pattern, a regular expression, and types the text. These
steps run in order. A step "PATTERN=>TEXT" types the text each time that the pattern is shown.
Escapes such as \\n and \\t in the text are keys. The terminal's output is printed, and the
number of answers is written to the file in $PROMPTS, if it is set. "PATTERN=>" counts a prompt
without typing anything.
"""

import codecs
import os
import pty
import re
import select
import signal
import sys
import time

PATIENCE = int(os.environ.get("PATIENCE", 60))
COLOURS = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def parse(args):
    split = args.index("--")
    steps, answers = [], []
    for arg in args[:split]:
        once, repeated = arg.find("->"), arg.find("=>")
        where = max(once, repeated)
        rule = (re.compile(arg[:where].encode(), re.S), codecs.decode(arg[where + 2:], "unicode_escape").encode())
        (steps if once >= 0 else answers).append(rule)
    return steps, answers, args[split + 1:]


def main():
    steps, answers, command = parse(sys.argv[1:])
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    shown, fresh, prompts, deadline = b"", b"", 0, time.monotonic() + PATIENCE
    while True:
        if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
            os.kill(pid, signal.SIGKILL)
            print("person: no more output")
            break
        try:
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        shown, fresh = shown + part, COLOURS.sub(b"", fresh + part)
        # The output may contain several prompts.
        while True:
            found = [(m.start(), r) for r in answers + steps[:1] if (m := r[0].search(fresh))]
            if not found:
                break
            rule = min(found, key=lambda f: f[0])[1]
            fresh = fresh[rule[0].search(fresh).end():]
            if steps and rule is steps[0]:
                steps.pop(0)
            else:
                prompts += 1
            if rule[1]:
                os.write(terminal, rule[1])
    sys.stdout.buffer.write(shown)
    sys.stdout.flush()
    if os.environ.get("PROMPTS"):
        with open(os.environ["PROMPTS"], "w") as f:
            f.write(f"{prompts}\n")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if steps:
        print(f"person: {steps[0][0].pattern.decode()} was not shown")
        status = status or 1
    sys.exit(status if status >= 0 else 128 - status)


main()
