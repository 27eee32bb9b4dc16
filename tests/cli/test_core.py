#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only (the address sanitizer handles SIGSEGV itself)
# run-tests: native-only
"""A program that crashes with credentials in its memory leaves no core file,
even where the limit was none; another program does, if cores are files here.
"""
import http.server
import os
import resource
import signal
import subprocess
import sys
import threading

CART = os.environ["CRASHCART"]
SECRET = "not/a/real/secret/0123456789abcdefghijkl"
asked = threading.Event()
done = threading.Event()


class Slow(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked.set()
        done.wait(60)

    def log_message(self, *_):
        pass


def unlimited():
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def limits(pid):
    with open("/proc/%d/limits" % pid, encoding="ascii") as f:
        return [line for line in f if line.startswith("Max core")][0].split()


def crash(name, words, number, wait):
    """Core files, and the limits that the process had."""
    os.mkdir(name)
    p = subprocess.Popen(words, cwd=name, preexec_fn=unlimited, env={
        "PATH": os.environ["PATH"], "HOME": os.getcwd(),
        "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET}, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait(p)
    had = limits(p.pid)
    p.send_signal(number)
    said = p.communicate(timeout=30)[0]
    print("%s: %d, %s" % (name, p.returncode, " ".join(had)), flush=True)
    if p.returncode != -number:
        sys.exit("%s: not killed by signal %d: %r" % (name, number, said))
    return os.listdir(name), had[4:6]


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    cores, _ = crash("control", ["cat"], signal.SIGQUIT,
                     lambda p: (p.stdin.write(b"x"), p.stdin.flush(),
                                p.stdout.read(1)))
    print("another program leaves %r" % cores)
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as f:
        if hard != 0 and f.read() == "core\n" and not cores:
            sys.exit("the control left no core: this test shows nothing")
    # a limit of 0 is raised to 1 only with privileges
    want = (["1", "1"],) if hard != 0 else (["1", "1"], ["0", "0"])
    for number in (signal.SIGQUIT, signal.SIGABRT, signal.SIGSEGV):
        asked.clear()
        left, had = crash("cart-%d" % number, [
            CART, "call", "sts:GetCallerIdentity", "--endpoint-url",
            "http://127.0.0.1:%d" % server.server_port], number,
            lambda p: asked.wait(30) or sys.exit("it asked nothing"))
        if had not in want:
            sys.exit("limits %r" % had)
        if left:
            sys.exit("left: %r" % left)
    done.set()


main()
