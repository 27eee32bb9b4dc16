# SPDX-License-Identifier: Apache-2.0
"""For test_kill.py and test_kill_s3.py: a simulated account, a signed manifest,
moments to kill at, and judges that are not the program: the lines of a bundle
by walking tar headers (age opens what is encrypted), the changes by the request
log of the account.

A moment is drawn in equal parts from the writes, fsyncs, changes of names and
sends of a whole run (CLASSES), before or after the call."""
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import time

TOP = os.environ["TOP"]
CART = TOP + "/build/crashcart"     # the program that is shipped
FAULTY = os.environ["CRASHCART"]    # one that dies at a call (tests/torture)
CLASSES = ["write", "fsync", "name", "net"]
LIMIT = 240     # seconds that a run may take
SEED = int(os.environ.get("SEED") or time.time_ns() % 10**9)
tally, began = {}, time.time()
LANES = int(os.environ.get("KILL_LANES", "12"))


def start_account(name, *options):
    """Environment of a simulated account of our own."""
    state = os.path.join(os.environ["TMPDIR"], name)
    text = subprocess.run([TOP + "/tests/sim/start", "--state", state,
                           *options], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    env = dict(os.environ)
    for key, value in re.findall(r"^(?:export )?(\w+)='?([^'\n;]*)'?", text,
                                 re.M):
        env[key] = value
    return env


def stop_account(env):
    subprocess.run([TOP + "/tests/sim/stop"], env=env,
                   stdout=subprocess.DEVNULL)


def make_manifest(steps):
    """kill.json, signed by kill.key; returns the age recipient of age.age."""
    with open("kill.json", "w") as f:
        json.dump({"crashcart": 1, "name": "kill", "title": "To be killed",
                   "params": {"instance_id": {"type": "string",
                                              "required": True}},
                   "steps": steps}, f, indent=1)
    subprocess.run([CART, "keygen", "-W", "kill"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["minisign", "-Sm", "kill.json", "-s", "kill.key"],
                   check=True, stdout=subprocess.DEVNULL,
                   stdin=subprocess.DEVNULL)
    text = subprocess.run([CART, "keygen", "--age", "age"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    return re.search(r"age1\w+", text).group()


def collect(env, case, *options):
    return ["collect", "./kill.json", "--case", case, "-p", "instance_id=" +
            env["SIM_INSTANCE_ID"], "--allow", "evidence", "--manifest-key",
            "kill.pub", "--trust-environment", "--quiet", *options]


def run(argv, env, log, after=None):
    """Exit status; None when it was killed, by us or by itself."""
    with open(log, "ab") as out:
        p = subprocess.Popen(argv, env=env, stdout=out, stderr=out,
                             stdin=subprocess.DEVNULL)
        try:
            status = p.wait(timeout=after if after else LIMIT)
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            p.wait()
            if after is None:
                raise AssertionError("no end in %d s" % LIMIT) from None
            return None
    return None if status in (-9, 137) else status


def run_to(moment, argv, env, log):
    """Runs the program, to be killed at a moment that was drawn, after seconds,
    or not at all (None)."""
    if isinstance(moment, tuple):
        return run([FAULTY] + argv,
                   dict(env, CRASHCART_FAULT="%s@%s:%d" % moment), log)
    return run([CART] + argv, env, log, moment)


def count_calls(argv, env):
    """Calls of each class in a whole run, and the seconds that it takes."""
    began = time.time()
    status = run([FAULTY] + argv, dict(env, CRASHCART_FAULT_COUNT="counts"),
                 "whole.txt")
    seconds = time.time() - began
    with open("whole.txt") as f:
        assert status in (0, 3), "an undisturbed run exits %s: %s" % (
            status, f.read())
    with open("counts") as f:
        counts = dict(line.split() for line in f)
    counts = {c: int(counts[c]) for c in CLASSES}
    assert all(counts.values()), counts
    print("an undisturbed run: %s, %.1f s" % (counts, seconds))
    return counts, seconds


def draw(rng, counts, index):
    """A moment; the class by turns, so that each has its part."""
    name = CLASSES[index % len(CLASSES)]
    return rng.choice(["kill", "killed"]), name, rng.randint(1, counts[name])


def draw_again(rng, counts, index, seconds):
    """When the first resume is killed, too: None, seconds or a moment."""
    if rng.random() > 0.3:
        return None
    if rng.random() < 0.5:
        return rng.uniform(0.01, seconds)
    when, name, n = draw(rng, counts, index)
    return when, name, 1 + n // 2


def requests(env, word, operation):
    """Requests that the account carried out."""
    found = []
    with open(env["SIM_LOG"]) as f:
        for line in f:
            if '"%s"' % operation in line and word in line:
                r = json.loads(line)
                if r["status"] == 200:
                    found.append(r)
    return found


def snapshots(env, case):
    return len(requests(env, '"%s"' % case, "CreateSnapshots"))


def age_open(data):
    return subprocess.run(["age", "-d", "-i", "age.age"], input=data,
                          check=True, stdout=subprocess.PIPE).stdout


def log_lines(data, name):
    """Lines of the whole log parts of a stream, found by walking headers."""
    lines, at = [], 0
    while at + 512 <= len(data) and data[at] != 0:
        path = data[at:at + 100].split(b"\0")[0].decode()
        size = int(data[at + 124:at + 135], 8)
        end = at + 512 + size
        if end + (-size % 512) > len(data):
            break
        if path.startswith(name + "/log/"):
            part = data[at + 512:end]
            # a part whose head was not written whole was not durable
            if not part.endswith(b"\n") or b'"type":"head"' not in \
                    part.splitlines()[-1]:
                break
            lines += part.splitlines()
        at = end + (-size % 512)
    return lines


def still_there(kept, now):
    """Are all lines that were durable still there?  A run that dies between
    its last log part and its seal has only its `end` and head taken back."""
    if len(kept) > 1 and b'"type":"end"' in kept[-2] and now[:len(kept)] != kept:
        kept = kept[:-2]
    return now[:len(kept)] == kept


def changes(lines):
    """Events of the changes of a log."""
    return [x["event"] for x in map(json.loads, lines)
            if x["type"] == "change"]


def verify(where, env, identity):
    """A bundle is intact, by what it says."""
    v = subprocess.run([CART, "verify", where, "--json", "--trust-environment"]
                       + (["-i", "age.age"] if identity else []), env=env,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert v.returncode in (0, 5), (v.returncode, v.stdout, v.stderr)
    assert json.loads(v.stdout)["bytes_intact"], v.stdout


def run_jobs(kill_one, jobs, lanes):
    """Calls kill_one with the keywords of each job: it returns what was done,
    which is counted.  Returns how many failed, and (job, what) of each."""
    failed, results = 0, []
    with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
        futures = {pool.submit(kill_one, **j): j for j in jobs}
        for f in concurrent.futures.as_completed(futures):
            j = futures[f]
            kind = "encrypted" if j["identity"] else "plain"
            m = j["moment"]
            at = ", again at ".join(
                "%s %s %d" % x if isinstance(x, tuple) else "%.3f s" % x
                for x in (m, j["again"]) if x)
            try:
                what = f.result()
            except Exception as e:      # pylint: disable=broad-except
                failed += 1
                what = "FAILED"
                print("K%03d: %s" % (j["index"], e))
                with open("K%03d.txt" % j["index"], errors="replace") as log:
                    print(log.read()[-2000:])
            print("%3d %s, killed at %s: %s" % (j["index"], kind, at, what),
                  flush=True)
            results.append((j, what))
            word = m[1] if isinstance(m, tuple) else "time"
            for row in (what, "drawn over " + word):
                tally[kind, row] = tally.get((kind, row), 0) + 1
    return failed, results


def tell():
    """What run_jobs did, in numbers."""
    for key in sorted(tally):
        print("%5d %-9s %s" % (tally[key], *key))
    print("seed %d, %.0f s" % (SEED, time.time() - began))
