#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: native-only
"""The program on Linux 3.10: every system call that is younger answers ENOSYS
(a seccomp filter sees to it), and everything still works, to the same result.
"""
import ctypes
import errno
import json
import os
import struct
import subprocess
import sys

CART = os.environ["CRASHCART"]
# the first number that Linux 3.10 did not know: sched_setattr
MACHINES = {"x86_64": (0xC000003E, 314), "aarch64": (0xC00000B7, 274)}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, JEQ, JGE, RET = 0x20, 0x15, 0x35, 0x06
libc = ctypes.CDLL(None, use_errno=True)


def old_kernel():
    """Between fork and exec: from here on this is an old kernel."""
    arch, first = MACHINES[os.uname().machine]
    program = b"".join(struct.pack("=HBBI", *line) for line in (
        (LOAD, 0, 0, 4),
        (JEQ, 0, 3, arch),
        (LOAD, 0, 0, 0),
        (JGE, 0, 1, first),
        (RET, 0, 0, ERRNO | errno.ENOSYS),
        (RET, 0, 0, ALLOW)))
    lines = ctypes.create_string_buffer(program)
    prog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(lines))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or \
            libc.prctl(PR_SET_SECCOMP, FILTER, prog, 0, 0) != 0:
        os.write(2, b"no seccomp filter: errno %d\n" % ctypes.get_errno())
        os._exit(99)


def run(words, old, want):
    p = subprocess.run(words, preexec_fn=old_kernel if old else None,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, check=False)
    print("+ %s%s: %d" % ("old: " if old else "", " ".join(words),
                          p.returncode), flush=True)
    if p.returncode != want:
        sys.exit("status %d, not %d\n%s\n%s" % (
            p.returncode, want, p.stdout[-3000:], p.stderr[-3000:]))
    return p.stdout


def main():
    # the filter filters: getrandom and statx are younger than 3.10
    probe = ("import os\n"
             "try:\n os.getrandom(1)\nexcept OSError as e:\n"
             " print(e.errno)\n")
    got = run([sys.executable, "-c", probe], True, 0).strip()
    if got != str(errno.ENOSYS):
        sys.exit("getrandom answers %r under the filter" % got)

    os.makedirs("tree/deep/er")
    for i in range(300):
        with open("tree/deep/f%d" % i, "wb") as f:
            f.write(b"evidence %d\n" % i * (i * 7))
    os.symlink("deep", "tree/link")
    os.link("tree/deep/f7", "tree/hard")
    with open("tree/large", "wb") as f:
        f.write(os.urandom(20 << 20))
    with open("m.json", "w") as f:
        json.dump({"crashcart": 1, "name": "m", "title": "m", "steps": [
            {"id": "system", "do": "host.system"},
            {"id": "files", "do": "host.files",
             "with": {"paths": [os.getcwd() + "/tree/**"]}}]}, f)

    run([CART, "--version"], True, 0)
    run([CART, "keygen", "-W", "k"], True, 0)
    trees = {}
    for old in (False, True):
        name = "old" if old else "new"
        # not all of /proc can be read everywhere: 0, or sealed with gaps
        p = subprocess.run([CART, "collect", "./m.json", "--case", name,
                            "--key", "k.key", "--json"],
                           preexec_fn=old_kernel if old else None,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, check=False)
        if p.returncode not in (0, 3):
            sys.exit("collect %s: %d\n%s" % (name, p.returncode, p.stderr))
        trees[name] = json.loads(p.stdout.splitlines()[-1])["exit"]
    if trees["old"] != trees["new"]:
        sys.exit("the old kernel leaves other gaps: %r" % trees)
    for made in ("old", "new"):
        bundle = made + "-b01.tar"
        for old in (False, True):
            run([CART, "verify", bundle, "-P", "k.pub"], old, 0)
            run([CART, "list", bundle, "-P", "k.pub", "--json"], old, 0)
            out = "x-%s-%s" % (made, old)
            run([CART, "extract", bundle, "-P", "k.pub", "--out", out], old, 0)
            where = subprocess.run(["find", out, "-path", "*/tree/deep",
                                    "-type", "d"], stdout=subprocess.PIPE,
                                   text=True, check=True).stdout.split()
            if len(where) != 1:
                sys.exit("%s: %r" % (out, where))
            subprocess.run(["diff", "-r", "--no-dereference",
                            os.path.join(os.path.dirname(where[0]), "deep"),
                            "tree/deep"], check=True)
            subprocess.run(["cmp", os.path.join(os.path.dirname(where[0]),
                                                "large"), "tree/large"],
                           check=True)
            run([CART, "report", bundle, "-P", "k.pub", "--out",
                 "r-%s-%s.html" % (made, old)], old, 0)
    run([CART, "custody", "release", "old-b01.tar", "--by", "A", "--to", "B",
         "--key", "k.key", "-P", "k.pub"], True, 0)
    run([CART, "custody", "receive", "old-b01.tar", "--by", "B", "--from", "A",
         "--key", "k.key", "-P", "k.pub"], True, 0)
    shown = run([CART, "custody", "show", "old-b01.tar", "-P", "k.pub",
                 "--json"], True, 0)
    if json.loads(shown.splitlines()[-1])["entries"] != 2:
        sys.exit("the old kernel shows %s" % shown)
    # the next number that is free
    p = subprocess.run([CART, "collect", "./m.json", "--case", "old", "--key",
                        "k.key", "--json"], preexec_fn=old_kernel,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, check=False)
    if p.returncode not in (0, 3) or not os.path.exists("old-b02.tar"):
        sys.exit("no second bundle: %d\n%s" % (p.returncode, p.stderr))
    print("every command works without the calls that are younger than 3.10")


main()
