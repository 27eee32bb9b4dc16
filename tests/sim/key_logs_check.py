# SPDX-License-Identifier: Apache-2.0
"""What a summary.md says of the logs that trails delivered, judged from the
objects in the bucket alone: SQL over the events in them, and digests checked
by tests/interop/attest_bundle.py.  Shares nothing with the program."""
import gzip
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "interop"))
import attest_bundle as peer  # noqa: E402
from simaws.world import ENABLED  # noqa: E402

CODE = r"`([^`]*)`"
READ = re.compile(r"- read: (\d+) objects, (\d+) bytes, (\d+) not to be had; " +
                  CODE + " to " + CODE + ", asked at " + CODE + r"\. Of other "
                  r"times: collect again with `-p logs_start=-90d`")
NUMBERS = (
    re.compile(r"- by the key, its sessions and the keys that it made: (\d+) "
               r"events in the logs"),
    re.compile(r"- not in the event history: (\d+) data events, (\d+) of other "
               r"accounts, (\d+) others"),
    re.compile(r"- in the event history and not in the logs: (\d+); and (\d+) "
               r"of the last hour, which may come"))
APART = re.compile(
    r"- apart, (\d+) logs with (\d+) more events by them, that (?:(are not yet "
    r"named): the digest of that hour comes later|no valid digest names as they "
    r"are: nothing proves that CloudTrail wrote them so)")
WHERE = ("the logs alone", "logs not yet named", "logs that no digest proves")
ONLY = re.compile("- in (" + "|".join(WHERE) + r"), (data event|another account's|other): "
                  r"call " + CODE + r": (\d+) events, " + CODE + " to " + CODE +
                  r" \[event " + CODE + r", exhibit `e\d+`\]")
ALONE = re.compile(r"- in the event history alone: `(\S+) (\S+) (\S+) (\S+)`")
CHAIN = re.compile(
    "- account " + CODE + " region " + CODE + " trail " + CODE + r": ([A-Za-z "
    r"]+?)(?: from " + CODE + " to " + CODE + ")?" + "".join(
        r"; %s (\d+) valid, (\d+) invalid, (\d+) cannot tell" % k
        for k in ("digests", "logs")) + r"; (\d+) gaps, (\d+) s(?:; not yet "
    "provable after " + CODE + ")?")
NONE = re.compile("- account " + CODE + " region " + CODE + "(?: trail " + CODE
                  + ")?: no digests, nothing is proven")
GAP = re.compile("- - gap of account " + CODE + " region " + CODE + ": " + CODE
                 + " to " + CODE + r", (\d+) s: " + CODE)
KINDS = {"data": "data event", "elsewhere": "another account's",
         "other": "other"}
SHORT = re.compile(
    r"proven uncut in (\d+) of (\d+) regions of accounts, (\S+) to ([^, ;]+)"
    r"(?:, not yet provable after ([^ ;]+))?(?:; no digests in (\d+): ([^;]+?)"
    r"( and more)?)?; (\d+) invalid, (\d+) gaps, (\d+) s(?:; UNPROVEN (\d+) "
    r"events, in logs that no digest proves)?(?:; (\d+) in logs not yet named)?"
    r"; in them alone (\d+) data events, (\d+) others; in the history alone "
    r"(\d+)")


class Wrong(Exception):
    pass


def same(what, said, true):
    if said != true:
        raise Wrong("%s: said %s, true %s" % (what, said, true))


def iso(seconds):
    return (peer.EPOCH + peer.datetime.timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%SZ")


class Delivered:
    def __init__(self, objects, keys, accounts):
        """objects: (bucket, key, bytes, metadata); keys: {region: the list
        of ListPublicKeys}"""
        self.logs, self.digests, self.known = {}, {}, {}
        self.keys = peer.Keys()
        for region, one in keys.items():
            self.keys.add(region, json.dumps({"PublicKeyList": one}))
        for bucket, key, data, meta in objects:
            name = key.rsplit("/", 1)[-1]
            found = peer.DIGEST_NAME.fullmatch(name)
            if found and found.group(1) in accounts:
                account, region, trail = found.groups()[:3]
                self.digests.setdefault((account, region, trail), []).append(
                    (found.group(5), bucket, key, data, meta))
            elif "_CloudTrail_" in name and name[:12] in accounts:
                self.logs[bucket, key] = data

    def in_time(self, start, end):
        """Those whose names say that they came then (5 minutes before to 2
        hours after)."""
        out = {}
        for (bucket, key), data in self.logs.items():
            t = key.rsplit("/", 1)[-1].split("_")[3]
            t = peer.seconds("%s-%s-%sT%s:%s:00Z" % (
                t[:4], t[4:6], t[6:8], t[9:11], t[11:13]))
            if peer.seconds(start) - 300 <= t <= peer.seconds(end) + 7200:
                out[bucket, key] = data
        return out

    def amount(self, start, end):
        """[logs of the time, their bytes]"""
        if (start, end) not in self.known:
            took = self.in_time(start, end)
            self.known[start, end] = [len(took), sum(map(len, took.values()))]
        return self.known[start, end]

    def load(self, db, window):
        """Each event as of the best log that has it: 0, a valid digest names
        it; 1, not yet; 2, none does."""
        db.execute("DROP TABLE IF EXISTS logged")
        db.execute("CREATE TABLE logged(id, t, account, key, call, data, state,"
                   "log)")
        if window not in self.known:
            start, end = window[:2]
            named, pending = set(), {}
            for c in self.digests:
                x = self.chain(*c, tuple(peer.seconds(w) for w in window))
                named |= x["named"]
                if x["pending"]:
                    pending[c[:2]] = re.sub(r"[-:]", "", x["pending"])[:13]
            self.known[window] = [
                (e["eventID"], e["eventTime"], e["recipientAccountId"],
                 e["userIdentity"].get("accessKeyId", ""),
                 e["eventSource"].split(".")[0] + ":" + e["eventName"],
                 e.get("managementEvent") is False,
                 self.state(place, named, pending), place[1])
                for place, data in self.in_time(start, end).items()
                for e in json.loads(gzip.decompress(data))["Records"]
                if start <= e["eventTime"] <= end]
        db.executemany("INSERT INTO logged VALUES(?,?,?,?,?,?,?,?)",
                       self.known[window])
        db.execute("CREATE INDEX logged_key ON logged(key)")

    @staticmethod
    def state(place, named, pending):
        account, _, region, t = place[1].rsplit("/", 1)[-1].split("_")[:4]
        if place in named:
            return 0
        since = pending.get((account, region))
        return 1 if since and t[:13] >= since else 2

    def chain(self, *args):
        """What there is to say of one: account, region, trail, window."""
        if args not in self.known:
            self.known[args] = self.look(*args)
        return self.known[args]

    def look(self, account, region, trail, window):
        start, stop, now = window
        chosen = sorted((d for d in self.digests[account, region, trail]
                         if start - 60 <= self.when(d[0]) <= stop + 3600),
                        reverse=True)
        c = peer.Chain(region, False, window, self.keys, {}, set())
        digests, logs = [0, 0, 0], [0, 0, 0]
        spans, named = [], set()
        for _, bucket, key, data, meta in chosen:
            d = peer.Digest({"origin": {"bucket": bucket, "key": key,
                                        "metadata": meta}, "exhibit": ""}, data)
            before = len(c.findings)
            c.digest(d)
            bad = [f.verdict for f in c.findings[before:]
                   if f.object == "digest"]
            if bad:
                digests[1 + (bad[0] == peer.UNKNOWN)] += 1
                try:
                    entries = json.loads(gzip.decompress(data))["logFiles"]
                except (ValueError, OSError, KeyError):
                    entries = []
                logs[2] += len(entries)
                continue
            digests[0] += 1
            spans.append((d.start, d.end))
            for e in d.logs:
                logs[self.log(e)] += 1
                if self.log(e) == 0:
                    named.add((e["s3Bucket"], e["s3Object"]))
        c.finish()
        digests[2] += sum(f.object == "missing-digest" for f in c.findings)
        gaps = [f.seconds for f in c.findings if f.object == "gap"]
        pending = [f for f in c.findings if f.object == "pending"]
        return {"named": named, "digests": digests, "logs": logs,
                "spans": spans, "gaps": sorted(gaps),
                "from": iso(max(spans[-1][0], start)) if spans else None,
                "to": iso(min(spans[0][1], stop)) if spans else None,
                "pending": iso(stop - pending[0].seconds) if pending else None}

    @staticmethod
    def when(text):
        return peer.seconds("%s-%s-%sT%s:%s:%sZ" % (
            text[:4], text[4:6], text[6:8], text[9:11], text[11:13],
            text[13:15]))

    def log(self, entry):
        data = self.logs.get((entry["s3Bucket"], entry["s3Object"]))
        if data is None:
            return 2
        try:
            raw = peer.inflate(data)
        except peer.Bad:
            return 1
        return int(peer.hashlib.sha256(raw).hexdigest() != entry["hashValue"])


def verdict(c):
    if c["digests"][1] or c["logs"][1]:
        return "CHANGED"
    if not c["digests"][0]:
        return "nothing is proven"
    if c["digests"][2] or c["logs"][2]:
        return "not all is proven"
    return "uncut but for gaps" if c["gaps"] else "uncut"


def check_events(lines, t, account, sessions, delivered, keys):
    """The section about events; t: key_check.Truth, whose table ev is the
    event history.  (window as said, what was true)"""
    m = READ.fullmatch(lines[0])
    if not m:
        raise Wrong("not understood: " + lines[0])
    start, end, asked = m.groups()[3:]
    if None in [peer.seconds(x) for x in (start, end, asked)]:
        raise Wrong("not understood: " + lines[0])
    accounts = re.findall(r"^- of account `(\d+)`$", "\n".join(lines), re.M)
    same("accounts", set(accounts), {account} | sessions)
    of = tuple(sorted(accounts))
    d = delivered.known.get(of)
    if d is None:
        d = delivered.known[of] = Delivered(delivered.read(), keys, accounts)
    same("objects", [int(x) for x in m.groups()[:3]],
         d.amount(start, end) + [0])
    first, last = t.db.execute("SELECT min(t), max(t) FROM ev JOIN mine "
                               "USING(id)").fetchone()
    last = iso(peer.seconds(last) + 7200)
    same("window", (start, end), (first, min(last, t.end)))
    of = "logs", id(d), account, start, end, asked
    if of not in t.known:
        t.known[of] = compare(t, d, account, start, end, asked)
    only, n, apart, numbers, missing = t.known[of]
    said, alone, counts, told = {}, [], [], {}
    for line in lines[1 + len(accounts):]:
        m = next((rx.fullmatch(line) for rx in NUMBERS if rx.fullmatch(line)),
                 None)
        if m:
            counts.append([int(x) for x in m.groups()])
        elif ONLY.fullmatch(line):
            *call, k, a, b, ident = ONLY.fullmatch(line).groups()
            if tuple(call) in said:
                raise Wrong("twice: " + line)
            said[tuple(call)] = [int(k), a, b, ident]
        elif APART.fullmatch(line):
            m = APART.fullmatch(line)
            state = 1 if m.group(3) else 2
            if state in told:
                raise Wrong("twice: " + line)
            told[state] = [int(m.group(1)), int(m.group(2))]
        elif ALONE.fullmatch(line):
            alone.append(ALONE.fullmatch(line).groups())
        else:
            raise Wrong("not understood: " + line)
    same("numbers", counts, numbers)
    same("in the logs alone", said, only)
    same("in the history alone", sorted(alone), sorted(missing[:20]))
    same("apart", told, apart)
    return d, (start, end, asked), numbers, [
        str(apart[x][1]) if apart.get(x, [0, 0])[1] else None for x in (2, 1)]


def compare(t, d, account, start, end, asked):
    """Of the history and the logs: in the logs alone, how many of each kind,
    apart, the numbers of the summary, in the history alone."""
    d.load(t.db, (start, end, asked))
    mine = ("(SELECT id FROM who WHERE kind IN ('access key', 'session'))")
    rows = t.db.execute("SELECT id, t, account, call, data, min(state) FROM "
                        "logged WHERE key IN %s GROUP BY id ORDER BY t, id" %
                        mine).fetchall()
    history = {x for x, in t.db.execute("SELECT id FROM ev")}
    only, n = {}, {"data": 0, "elsewhere": 0, "other": 0}
    for ident, when, where, call, data, state in rows:
        if ident in history:
            continue
        kind = "elsewhere" if where != account else "data" if data else "other"
        n[kind] += state == 0
        o = only.setdefault((WHERE[state], KINDS[kind], call),
                            [0, when, when, ident])
        o[0] += 1
        o[2] = when
    apart = {}
    for state in (1, 2):
        logs, = t.db.execute("SELECT count(DISTINCT log) FROM logged WHERE "
                             "state = ? AND key IN " + mine, (state,)).fetchone()
        if logs:
            apart[state] = [logs, sum(x[5] == state for x in rows)]
    due = iso(peer.seconds(asked) - 3600)
    gone = t.db.execute(
        "SELECT t, region, id, name FROM ev WHERE key IN %s AND t >= ? AND t <= "
        "? AND id NOT IN (SELECT id FROM logged WHERE state < 2) ORDER BY t, id" % mine,
        (start, end)).fetchall()
    missing = [x for x in gone if x[0] <= due]
    numbers = [[sum(x[5] == 0 for x in rows)], [n["data"], n["elsewhere"], n["other"]],
               [len(missing), len(gone) - len(missing)]]
    return only, n, apart, numbers, missing


def check_chains(lines, d, window, account, accounts):
    window = tuple(peer.seconds(x) for x in window)
    said, gaps, none = {}, {}, []
    for line in lines[1:]:
        if GAP.fullmatch(line):
            a, r, x, y, s, _ = GAP.fullmatch(line).groups()
            x, y = peer.seconds(x), peer.seconds(y)
            if x is None or y is None:
                raise Wrong("not understood: " + line)
            same("a gap", int(s), int(y - x))
            gaps.setdefault((a, r), []).append((x, y))
            continue
        if NONE.fullmatch(line):
            none.append(NONE.fullmatch(line).groups())
            continue
        m = CHAIN.fullmatch(line)
        if not m or m.groups()[:3] in said:
            raise Wrong("not understood: " + line)
        said[m.groups()[:3]] = m.groups()[3:]
    same("chains", set(said), set(d.digests))
    absent = {(a, r) for a in accounts for r in ENABLED} - {
        c[:2] for c in d.digests}
    # the trail of this account is known by name
    same("no digests", sorted(x[:2] + (x[2] or "",) for x in none), sorted(
        x + ("management" if x[0] == account else "",) for x in absent))
    same("of whom gaps are", set(gaps) - {c[:2] for c in said}, set())
    total = {"whole": 0, "regions": len(accounts) * len(ENABLED),
             "invalid": 0, "gaps": 0, "s": 0, "absent": absent,
             "to": None, "pending": None}
    for chain, text in said.items():
        true = d.chain(*chain, window)
        x = [int(k) for k in text[3:11]]
        each = gaps.get(chain[:2], [])
        for a, b in each:
            if a < window[0] or b > window[1] or any(
                    s < b and e > a for s, e in true["spans"]):
                raise Wrong("no gap: %s %s" % (iso(a), iso(b)))
        same("%s %s" % chain[:2], {
            "verdict": text[0], "from": text[1], "to": text[2],
            "digests": x[:3], "logs": x[3:6], "gaps": x[6], "s": x[7],
            "pending": text[11], "each": sorted(int(b - a) for a, b in each)},
            {"verdict": verdict(true), "from": true["from"], "to": true["to"],
             "digests": true["digests"], "logs": true["logs"],
             "gaps": len(true["gaps"]), "s": sum(true["gaps"]),
             "pending": true["pending"], "each": true["gaps"]})
        total["whole"] += text[0] == "uncut"
        for key, one in (("to", true["to"] if text[0] == "uncut" else None),
                         ("pending", true["pending"])):
            if one:
                total[key] = min(one, total[key] or one)
        total["invalid"] += true["digests"][1] + true["logs"][1]
        total["gaps"] += len(true["gaps"])
        total["s"] += sum(true["gaps"])
    return total


def check(sections, t, account, followed, short, delivered, keys):
    """sections: of the summary; short: its line "logs".  Raises Wrong."""
    if delivered is None:
        for title in ("The logs that trails delivered",
                      "Whether these logs are whole"):
            if len(sections.get(title, [])) < 2:
                raise Wrong("nothing is said: " + title)
        return
    owners = {f[3] for f in followed if f[3]} | {
        x for x, in t.db.execute(
            "SELECT owner FROM ev WHERE key = ? ORDER BY t DESC, id DESC "
            "LIMIT 1", (t.key,)) if x}
    d, window, n, apart = check_events(
        sections.get("The logs that trails delivered", [""]), t, account,
        owners, delivered, keys)
    total = check_chains(sections.get("Whether these logs are whole", [""]), d,
                         window, account, owners | {account})
    m = SHORT.fullmatch(short)
    if not m:
        raise Wrong("not understood: " + short)
    said = list(m.groups())
    absent, more = said.pop(6), said.pop(6)
    absent = absent.split(", ") if absent else []
    same("without digests", (len(set(absent)), bool(more)), (
        min(3, len(total["absent"])), len(total["absent"]) > 3))
    same("without digests", {tuple(x.split()) for x in absent} -
         total["absent"], set())
    same("logs", said, [x if x is None else str(x) for x in (
        total["whole"], total["regions"], window[0], total["to"],
        total["pending"], len(total["absent"]) or None, total["invalid"],
        total["gaps"], total["s"], apart[0], apart[1], n[1][0],
        n[1][1] + n[1][2], n[2][0])])
