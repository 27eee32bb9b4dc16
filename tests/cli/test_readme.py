#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: native-only release-only
# run-tests: timeout=900
"""Run every command that the README shows, as it stands there, against the
simulated account.  Only what cannot be the same here is replaced: the key, the
instance, /mnt/usb, and ssh, which stands for another machine's shell."""
import os
import pty
import re
import signal
import subprocess
import sys
import time

TOP = os.environ["TOP"]
CART = os.environ["CRASHCART"]
WORK = os.getcwd()
# blocks that other tests and everybody's first minute run
ELSEWHERE = ("make run", "make test")


def blocks(text):
    return [b.strip("\n") for b in re.findall(r"^```\n(.*?)^```", text,
                                               re.M | re.S)]


def shell(script, env, statuses=(0,)):
    print("+ " + script.replace("\n", "\n  "), flush=True)
    p = subprocess.run(["bash", "-c", script], env=env, cwd=env["WORK"],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, check=False)
    if p.returncode not in statuses:
        sys.exit("exit %d\n%s" % (p.returncode, p.stdout[-3000:]))
    return p.stdout


def with_terminal(words, env, lines):
    """Run something that asks for a password on its terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(WORK)
        os.execvpe(words[0], words, env)
    seen = b""
    for line in lines:
        while not seen.endswith(b": "):
            seen += os.read(fd, 100)
        os.write(fd, line.encode() + b"\n")
        seen = b""
    try:
        while os.read(fd, 1000):
            pass
    except OSError:
        pass
    status = os.waitpid(pid, 0)[1]
    if status != 0:
        sys.exit("%s: status %d" % (words, status))


def interrupt(usb, env):
    """A collection onto the stick that dies half way."""
    for f in os.listdir(usb):
        os.unlink(os.path.join(usb, f))
    for _ in range(4):
        p = subprocess.Popen([CART, "collect", "host-triage", "--case", "IR-8",
                              "--out", usb, "--quiet"], env=env,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        tar, size = os.path.join(usb, "IR-8-b01.tar"), 0
        while p.poll() is None and size <= 100000:      # however slow it is
            time.sleep(0.01)
            size = os.path.getsize(tar) if os.path.exists(tar) else 0
        p.send_signal(signal.SIGKILL)
        p.wait()
        names = os.listdir(usb)
        if size > 100000 and not any(n.endswith(".seal") for n in names):
            return
        for f in names:
            os.unlink(os.path.join(usb, f))
    sys.exit("could not interrupt a collection half way")


def check_key(script, out, env):
    """What the recipe for a found key promises, at the account itself."""
    if "compromised-key" not in script:
        return
    p = subprocess.run([CART, "call", "iam:ListAccessKeys", "--input",
                        '{"UserName": "svc-metrics"}'], env=env, check=True,
                       stdout=subprocess.PIPE, text=True)
    # contained and released, or not touched at all: open either way
    assert '"Status": "Active"' in p.stdout, p.stdout
    if "release-key" in script:
        assert "Inactive" in out and out.count("Active") >= 1, out
    else:
        assert "IAM user: `svc-metrics`" in out, out
        assert "--allow containment was not given" in out, out


class Authority:
    """Stamps, in place of http://tsa.example; its root is tsa/root.pem."""

    def __init__(self):
        self.server = subprocess.Popen([sys.executable, "-B", TOP +
                                        "/tests/lib/tsa.py", "tsa", "port"])

    def url(self):
        for _ in range(200):
            if os.path.exists("port"):
                break
            time.sleep(0.05)
        with open("port", encoding="ascii") as f:
            return "http://127.0.0.1:%s/tsa" % f.read().strip()


def main():
    env = dict(os.environ)
    bin_dir, usb, vault = (os.path.join(WORK, d) for d in
                           ("bin", "usb", "vault"))
    for d in (bin_dir, usb, vault):
        os.mkdir(d)
    os.symlink(CART, os.path.join(bin_dir, "crashcart"))
    with open(os.path.join(bin_dir, "ssh"), "w") as f:
        f.write("#!/bin/sh\ncd '%s' && shift && exec sh -c \"$*\"\n" % vault)
    os.chmod(os.path.join(bin_dir, "ssh"), 0o755)
    cli = subprocess.run([TOP + "/tests/sim/venv",
                          TOP + "/tests/sim/requirements-cli.txt", "cli"],
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    env["PATH"] = "%s:%s:%s/bin" % (bin_dir, env["PATH"], cli.strip())
    env["USER"] = "examiner"
    env["WORK"] = WORK
    state = os.path.join(env["TMPDIR"], "sim")
    text = subprocess.run([TOP + "/tests/sim/start", "--state", state,
                           "--snapshot-delay", "1", "--snapshot-seconds", "1"],
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    for key, value in re.findall(r"^export (\w+)='?([^'\n;]*)'?", text, re.M):
        env[key] = value
    with open(TOP + "/README.md") as f:
        readme = blocks(f.read())
    key, ran, tsa = "", 0, Authority()
    try:
        for block in readme:
            if block.startswith(ELSEWHERE):
                continue
            script = block.replace("/mnt/usb", usb)
            script = script.replace("i-0123456789abcdef0",
                                    env["SIM_INSTANCE_ID"])
            script = script.replace("AKIAIOSFODNN7EXAMPLE",
                                    env["SIM_BACKDOOR_ACCESS_KEY_ID"])
            script = script.replace("RWQ...", key)
            script = script.replace("evidence-bucket", "northwind-evidence")
            # where a host is read, endpoints of the environment do not count
            script = script.replace("--retain ", "--trust-environment --retain ")
            for shown, name in (
                    ("snap-0123456789abcdef0", "SIM_EBS_SNAPSHOT_ID"),
                    ("=444455556666", "SIM_FORENSIC_ACCOUNT_ID")):
                script = script.replace(shown, "=" * shown.startswith("=") +
                                        env[name])
            script = re.sub(r"arn:aws:kms:\S*111122223333:\S+",
                            env["SIM_TRANSFER_KEY_ARN"], script)
            script = re.sub(r"arn:aws:kms:\S*444455556666:\S+",
                            env["SIM_FORENSIC_KEY_ARN"], script)
            script = script.replace("--witness http", "--trust-environment "
                                    "--witness http")
            script = script.replace("http://tsa.example", tsa.url())
            script = script.replace("tsa-root.pem", "tsa/root.pem")
            # the seal of the pipe lies where no other run's does
            script = script.replace("/dev/shm/", WORK + "/shm-")
            if "crashcart resume" in script:
                interrupt(usb, env)
            if "keygen lab-2026" in script:
                assert script == "crashcart keygen lab-2026", script
                with_terminal(script.split(), env, ["horse", "horse"])
                assert os.path.exists("lab-2026.key")
            elif "tests/sim/start" in script:
                out = shell("cd '%s'\nrm -rf build/drill\n%s" % (TOP, script),
                            env, (0, 3))
                assert "Sealed" in out, out
            else:
                # a collection with gaps exits 3, and that is no failure
                script = "set -o pipefail\n" + "\n".join(
                    "{ %s\n} || [ $? = %s ] || exit" % (c, 5 if re.match(
                        "crashcart extract (?!.*--pubkey)|"
                        "crashcart verify .*--no-download", c) else 3) for c in
                    script.replace("\\\n", " ").split("\n"))
                out = shell(script, env)
                check_key(script, out, env)
                found = re.search(r"^Key +(\S+)", out, re.M)
                if found and "instance-compromise" in script:
                    key = found.group(1)
            ran += 1
    finally:
        tsa.server.kill()
        subprocess.run([TOP + "/tests/sim/stop"], env=env, check=False,
                       stdout=subprocess.DEVNULL)
    print("%d of %d blocks ran" % (ran, len(readme)))
    assert ran == len(readme) - 1, "a block was not run"
    return 0


if __name__ == "__main__":
    sys.exit(main())
