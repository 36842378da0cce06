#!/usr/bin/env python3
"""Every ballast under valgrind's memcheck: what VALGRIND=1 changes for the harness (see make valgrind).

    memcheck.py DIRECTORY       what the logs left there by short calls say; ends with `N passed, N failed`

valgrind is the process then, and the program is its guest: /proc/PID/cmdline and exe are valgrind's, so the
title is read where the guest's stack lies.
"""

import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
STACK = range(0x1ffe000000, 0x2000000000)  # where valgrind puts its guest's on 64-bit machines
TOP = 65536
TITLE = re.compile(rb"ballast: [a-z0-9 ]+(?=\0)")
# A child keeps its end of the pair until the very end, its closing tells the master that it is gone; and the log, for
# its last words, whether opened, or handed over by the master (control_next): of each kind there may be one.
INHERITED = "<inherited from parent>"
KEPT = ("control_pair (", "log_open (", "log_replace (", "control_next (")


def wrap(program, build):
    """A path that runs the program under memcheck, for all that want one path to call."""
    path = os.path.abspath(os.path.join(build, "valgrind", "ballast"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    text = "#!/bin/sh\nBUILD='%s' exec sh '%s' '%s' \"$@\"\n" % (
        os.path.abspath(build), os.path.join(HERE, "valgrind.sh"), program)
    with open("%s.%d" % (path, os.getpid()), "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(file.name, 0o755)
    os.rename(file.name, path)  # files of tests run side by side
    return path


def guest_stack(pid):
    with open("/proc/%d/maps" % pid, encoding="ascii", errors="replace") as maps:
        areas = [[int(word, 16) for word in line.split()[0].split("-")] for line in maps]
    return max((area for area in areas if area[0] in STACK), default=(0, 0))  # it grows downwards, in pieces


def title_of(pid):
    try:
        low, high = guest_stack(pid)
        with open("/proc/%d/mem" % pid, "rb") as memory:
            memory.seek(max(low, high - TOP))
            found = TITLE.findall(memory.read(min(high - low, TOP)))
    except OSError:
        return ""
    return found[-1].decode("ascii") if found else ""


def is_fine(block, seen):
    """One process's block; `seen` has the kinds of descriptors it has kept."""
    first = block.split("\n", 1)[0]
    if not first or first.startswith(("FILE DESCRIPTORS", "Warning: invalid file", "WARNING: unhandled")):
        return True
    if not first.startswith("Open "):
        return False
    kinds = [mark for mark in KEPT if mark in block and mark not in seen]
    seen += kinds[:1]
    return INHERITED in block or bool(kinds)


def findings(prefix):
    """What the logs PREFIX.PID complain of."""
    found = []
    for name in sorted(glob.glob(glob.escape(prefix) + ".*")):
        with open(name, encoding="utf-8", errors="replace") as file:
            text = re.sub(r"^[=*-]{2}\d+[=*-]{2} ?", "", file.read(), flags=re.M)
        seen = []
        found += [block for block in re.split(r"\n\s*\n", text.strip()) if not is_fine(block, seen)]
    return "\n\n".join(found)


def main(directory):
    logs = [name for name in os.listdir(directory) if name.startswith("log.")] if os.path.isdir(directory) else []
    found = findings(os.path.join(directory, "log"))
    print(found or "%d short lives under memcheck, nothing found" % len(logs))
    print("%d passed, %d failed" % (not found, bool(found)))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
