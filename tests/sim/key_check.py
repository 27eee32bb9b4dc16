#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is a summary.md of report.key true, and is it all?

usage: key_check.py SUMMARY EVENTS KEY ACCOUNT

Written from CloudTrail's documentation and the summary's own words, with SQL
over the raw events alone (EVENTS: JSON lines, {"account", "region", "record"}):
it shares nothing with the program, and does not know what was planted.  Every
statement that the summary makes about events must follow from them, and every
one that follows must be there.  A statement that is not understood is wrong."""
import json
import re
import sqlite3
import sys

import key_logs_check

# What counts as made: the summary's words, source, name, ids, details.  Ids
# and details are SQL over q (requestParameters) and r (responseElements).
Q, R = "json_extract(q,'$.%s')", "json_extract(r,'$.%s')"
INSTANCE = "json_extract(j.value,'$.instanceId')"
INSTANCES = ", json_each(ev.r,'$.instancesSet.items') j"


def q(path):
    return Q % path


def r(path):
    return R % path


SHARES = """(SELECT group_concat(x, ', ') FROM (SELECT
 coalesce(json_extract(value,'$.userId'), json_extract(value,'$.group')) AS x
 FROM json_each(q,'$.%s.add.items')))"""
OPENINGS = """(SELECT group_concat(json_extract(p.value,'$.ipProtocol') || ' ' ||
 json_extract(p.value,'$.fromPort') || '-' || json_extract(p.value,'$.toPort')
 || ' from ' || (SELECT group_concat(json_extract(value,'$.cidrIp'), ', ')
 FROM json_each(p.value,'$.ipRanges.items')), ', ')
 FROM json_each(q,'$.ipPermissions.items') p)"""
MADE = [
    ("opened a session of role", "sts", "AssumeRole",
     r("credentials.accessKeyId"), q("roleArn")),
    ("opened a session", "sts", "GetSessionToken",
     r("credentials.accessKeyId"), "''"),
    ("created IAM user", "iam", "CreateUser", q("userName"), "''"),
    ("created access key", "iam", "CreateAccessKey",
     r("accessKey.accessKeyId"), r("accessKey.userName")),
    ("attached a policy to user", "iam", "AttachUserPolicy", q("userName"),
     q("policyArn")),
    ("created IAM role", "iam", "CreateRole", q("roleName"), "''"),
    ("created policy", "iam", "CreatePolicy", r("policy.arn"), "''"),
    ("changed the console password of user", "iam", "UpdateLoginProfile",
     q("userName"), "''"),
    ("started instance", "ec2", "RunInstances", INSTANCE, q("instanceType")),
    ("opened security group", "ec2", "AuthorizeSecurityGroupIngress",
     q("groupId"), OPENINGS),
    ("created key pair", "ec2", "CreateKeyPair", q("keyName"), "''"),
    ("created snapshot", "ec2", "CreateSnapshot", r("snapshotId"),
     q("volumeId")),
    ("shared snapshot", "ec2", "ModifySnapshotAttribute", q("snapshotId"),
     SHARES % "createVolumePermission"),
    ("shared image", "ec2", "ModifyImageAttribute", q("imageId"),
     SHARES % "launchPermission"),
    ("changed launch template", "ec2", "CreateLaunchTemplateVersion",
     q("CreateLaunchTemplateVersionRequest.LaunchTemplateId"), "''"),
    ("created function", "lambda", "CreateFunction20150331",
     q("functionName"), q("role")),
    ("replaced the code of function", "lambda",
     "UpdateFunctionCode20150331v2", q("functionName"), "''"),
    ("stopped trail", "cloudtrail", "StopLogging", q("name"), "''"),
    ("deleted GuardDuty detector", "guardduty", "DeleteDetector",
     q("detectorId"), "''"),
    ("changed the policy of bucket", "s3", "PutBucketPolicy",
     q("bucketName"), "''"),
    ("read parameter", "ssm", "GetParameter", q("name"),
     "CASE " + q("withDecryption") + " WHEN 1 THEN '' END"),
    ("read secret", "secretsmanager", "GetSecretValue", q("secretId"), "''"),
]


class Raw:
    """The raw events of an account."""

    def __init__(self, lines, account):
        """lines: JSON, {"account", "region", "record"}"""
        self.db = sqlite3.connect(":memory:")
        self.truths = {}
        self.db.execute(
            "CREATE TABLE ev(id TEXT PRIMARY KEY, t, name, source, region,"
            "key, type, user, arn, ip, agent, err, q, r, owner)")
        self.db.executemany(
            "INSERT OR IGNORE INTO ev VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            self.rows(lines, account))

    @staticmethod
    def rows(lines, account):
        for line in lines:
            e = json.loads(line)["record"]
            if e["recipientAccountId"] != account:
                continue
            who = e.get("userIdentity", {})
            yield (e["eventID"], e["eventTime"], e["eventName"],
                   e["eventSource"].split(".")[0], e["awsRegion"],
                   who.get("accessKeyId", ""), who.get("type", ""),
                   who.get("userName", ""), who.get("arn", ""),
                   e.get("sourceIPAddress", ""), e.get("userAgent", ""),
                   e.get("errorCode", ""),
                   json.dumps(e.get("requestParameters")),
                   json.dumps(e.get("responseElements")),
                   who.get("accountId", ""))

    def truth(self, *of):
        """Of the key, from, to; it is the same each time."""
        if of not in self.truths:
            db = sqlite3.connect(":memory:")
            self.db.commit()
            self.db.backup(db)
            self.truths[of] = Truth(db, *of)
        return self.truths[of]


class Objects:
    """What lies in the bucket: read() gives (bucket, key, bytes, metadata)
    again each time."""

    def __init__(self, read):
        self.read = read
        self.known = {}         # key_logs_check.Delivered by accounts


def once(f):
    """A method of what does not change."""
    def known(self, *args):
        k = (f.__name__,) + args
        if k not in self.known:
            self.known[k] = f(self, *args)
        return self.known[k]
    return known


class Truth:
    """What follows from the events."""

    def __init__(self, db, key, begin, end):
        self.db, self.key, self.begin, self.end = db, key, begin, end
        self.known = {}
        db.execute("DELETE FROM ev WHERE t < ? OR t > ?", (begin, end))
        db.execute("CREATE INDEX ev_key ON ev(key)")
        db.execute("CREATE INDEX ev_user ON ev(user)")
        db.execute("CREATE INDEX ev_name ON ev(source, name)")
        db.execute("CREATE TABLE mine(id PRIMARY KEY, gen, by_)")
        db.execute("CREATE TABLE who(kind, id, gen, by_, since, event, role,"
                   "account, UNIQUE(kind, id))")
        db.execute("INSERT INTO who VALUES('access key',?,0,'','','','','')",
                   (key,))
        while self.grow():
            pass

    def grow(self):
        """One round: the events of whom we know, and whom those made."""
        db = self.db
        before = db.execute("SELECT (SELECT count(*) FROM mine) + "
                            "(SELECT count(*) FROM who)").fetchone()
        for gen in (0, 1):
            db.execute("INSERT OR IGNORE INTO mine SELECT ev.id, gen, w.id "
                       "FROM ev JOIN who w ON ev.key = w.id WHERE w.kind IN "
                       "('access key','session') AND gen = ?", (gen,))
        for kind, what in (
                ("= 'user'", "ev.user = w.id AND ev.type = 'IAMUser'"),
                ("= 'console of user'", "ev.user = w.id AND ev.type = 'IAMUser' "
                 "AND ev.key NOT LIKE 'AKIA%'"),
                ("IN ('instance','function')", "ev.type = 'AssumedRole' AND "
                 "ev.arn LIKE '%/' || w.id"),
                ("= 'role'", "ev.source = 'sts' AND ev.name LIKE 'AssumeRole%' "
                 "AND json_extract(ev.q,'$.roleArn') LIKE '%:role%/' || w.id")):
            db.execute("INSERT OR IGNORE INTO mine SELECT ev.id, gen, w.id "
                       "FROM ev JOIN who w ON ev.t >= w.since AND %s WHERE "
                       "w.kind %s" % (what, kind))
        made = """SELECT '%s', %s, mine.gen + %d, by_, %s, ev.id,
            %s FROM ev JOIN mine USING(id)%s WHERE err = '' AND source='%s'
            AND name %s AND mine.gen + %d < 2 ORDER BY ev.t, ev.id"""
        none = "'', ''"
        arn = q("roleArn")
        role = ("coalesce(replace(%s, rtrim(%s, replace(%s, '/', '')), ''),"
                "''), coalesce(substr(%s, 14, 12), '')" % ((arn,) * 4))
        for kind, ident, step, since, extra, source, name in (
                ("session", r("credentials.accessKeyId"), 0, "''", role, "sts",
                 "IN ('AssumeRole','GetSessionToken','GetFederationToken')"),
                ("access key", r("accessKey.accessKeyId"), 1, "''", none,
                 "iam", "= 'CreateAccessKey'"),
                ("user", q("userName"), 1, "t", none, "iam",
                 "= 'CreateUser'"),
                ("role", q("roleName"), 1, "t", none, "iam",
                 "IN ('CreateRole', 'UpdateAssumeRolePolicy')"),
                ("instance", INSTANCE, 1, "t", none, "ec2", "= 'RunInstances'"),
                ("function", q("functionName"), 1, "t", none, "lambda",
                 "IN ('CreateFunction20150331',"
                 "'UpdateFunctionCode20150331v2')"),
                ("console of user", q("userName"), 1, "t", none, "iam",
                 "IN ('CreateLoginProfile','UpdateLoginProfile') AND NOT "
                 "EXISTS (SELECT 1 FROM who WHERE kind = 'user' AND id = " +
                 q("userName") + ")")):
            # the earliest event that made it is the one to name
            db.execute("INSERT OR IGNORE INTO who " + made % (
                kind, ident, step, since, extra,
                INSTANCES if ident == INSTANCE else "", source, name, step))
            db.execute("DELETE FROM who WHERE id IS NULL")
        return before != db.execute("SELECT (SELECT count(*) FROM mine) + "
                                    "(SELECT count(*) FROM who)").fetchone()

    @once
    def tally(self, where):
        rows = self.db.execute("SELECT t, ev.id, err FROM ev JOIN mine "
                               "USING(id) WHERE %s ORDER BY t, ev.id" %
                               where).fetchall()
        return {"events": len(rows), "failed": sum(e != "" for _, _, e in
                                                   rows),
                "first": rows[0][:2] if rows else None,
                "last": rows[-1][:2] if rows else None}

    @once
    def groups(self, what, where="1"):
        """{value: (events, failed, first, last, first's event)}"""
        out = {}
        for value, t, ident, err in self.db.execute(
                "SELECT %s, t, ev.id, err FROM ev JOIN mine USING(id) WHERE "
                "gen = 0 AND %s ORDER BY t, ev.id" % (what, where)):
            o = out.setdefault(value or "-", [0, 0, t, t, ident])
            o[0] += 1
            o[1] += err != ""
            o[3] = t
        return {k: tuple(v) for k, v in out.items()}

    @once
    def made(self):
        out = set()
        for what, source, name, ident, detail in MADE:
            sql = ("SELECT %s, %s, region, t, by_, gen, ev.id FROM ev JOIN "
                   "mine USING(id)%s WHERE err='' AND source=? AND name=?" % (
                       ident, detail, INSTANCES if ident == INSTANCE else ""))
            for row in self.db.execute(sql, (source, name)):
                if row[0] is None or (what.startswith("shared") and
                                      not row[1]):
                    continue
                out.add((what, str(row[0]), row[1] or "") + row[2:])
        return out

    @once
    def followed(self):
        out = set()
        for kind, ident, gen, by, event, role, account in self.db.execute(
                "SELECT kind, id, gen, by_, event, role, account FROM who "
                "WHERE event != ''").fetchall():
            n, failed = self.db.execute(
                "SELECT count(*), coalesce(sum(err != ''), 0) FROM ev JOIN "
                "mine USING(id) WHERE by_ = ? AND gen = ?",
                (ident, gen)).fetchone()
            out.add((kind, ident, role, account, by, gen, n, failed, event))
        return out


CODE = r"`((?:[^`])*)`"
SOURCE = r" \[event " + CODE + r", exhibit `e\d+`\]"
COUNT = re.compile(r"- (\w+) " + CODE + r": (\d+) events, (\d+) failed, " +
                   CODE + " to " + CODE + SOURCE)
MADE_LINE = re.compile(r"- ([A-Za-z ]+?) " + CODE + r"(?: \(" + CODE +
                       r"\))? in " + CODE + " at " + CODE + " by " + CODE +
                       r", generation (\d)" + SOURCE)
FOLLOWED = re.compile(r"- ([a-z ]+?) " + CODE + r"(?: of role " + CODE +
                      " in account " + CODE + r")? by " + CODE +
                      r", generation (\d): (\d+) events, (\d+) failed"
                      r"(?:, " + CODE + " to " + CODE + ")?" + SOURCE)
TALLY = re.compile(r"- (key and sessions|the key itself|its sessions): "
                   r"(\d+) events, (\d+) of them failed")
MOMENT = re.compile(r"- (key and sessions|the key itself|its sessions), "
                    r"(first|last): " + CODE + SOURCE)
MORE = re.compile(r"- and (\d+) more: see timeline.ndjson")
SHORT = re.compile(r"- `(\w[\w ]{8}) (.*)`")


def sections(text):
    out, name = {}, ""
    for line in text.split("\n"):
        if line.startswith("## ") or line.startswith("### "):
            name = line.lstrip("# ")
            assert name not in out, "twice: " + name
        elif line.strip():
            out.setdefault(name, []).append(line)
    return out


class Wrong(Exception):
    pass


def same(what, said, true):
    if said != true:
        raise Wrong("%s: said %s, true %s" % (
            what, [x for x in said if x not in true] if isinstance(
                said, (set, dict)) else said,
            [x for x in true if x not in said] if isinstance(
                true, (set, dict)) else true))


def parse(rx, line):
    m = rx.fullmatch(line)
    if not m:
        raise Wrong("not understood: " + line)
    return m.groups()


def check_counts(lines, label, true):
    said, more = {}, 0
    for line in lines:
        if line == "- none":
            continue
        if MORE.fullmatch(line):
            more = int(parse(MORE, line)[0])
            continue
        what, value, n, failed, first, last, event = parse(COUNT, line)
        if what != label or value in said:
            raise Wrong("not so: " + line)
        said[value] = (int(n), int(failed), first, last, event)
    if more:
        true = {k: v for k, v in true.items() if k in said or
                len(true) != len(said) + more}
    same(label, said, true)


def check(text, raw, key, account, delivered=None, keys=None):
    """Raises Wrong.  delivered: Objects of the trail's bucket, keys: the
    public keys by region; None: only that something is said of them."""
    s = sections(text)
    head = " ".join(s.get("Access key `%s`" % key, s.get("", [])))
    m = re.search(r"of (\d+) regions, `([^`]+)` to `([^`]+)`", text)
    if not m or "# Access key `%s`\n" % key not in text:
        raise Wrong("no head: " + head[:80])
    t = raw.truth(key, m.group(2), m.group(3))
    where = {"key and sessions": "gen = 0", "the key itself":
             "gen = 0 AND by_ = '%s'" % key, "its sessions":
             "gen = 0 AND by_ != '%s'" % key}
    said = {}
    for line in s.get("What it did", []):
        if TALLY.fullmatch(line):
            what, n, failed = parse(TALLY, line)
            said[what] = dict(said.get(what, {}), events=int(n),
                              failed=int(failed))
        else:
            what, which, time, event = parse(MOMENT, line)
            said[what] = dict(said.get(what, {}), **{which: (time, event)})
    for what, sql in where.items():
        true = {k: v for k, v in t.tally(sql).items() if v is not None}
        same(what, said.get(what), true)
    made = set()
    for line in s.get("What it made and changed", [])[1:]:
        if line == "- nothing that this report knows of":
            continue
        what, ident, detail, region, time, by, gen, event = parse(MADE_LINE,
                                                                  line)
        one = (what, ident, detail or "", region, time, by, int(gen), event)
        if one in made:
            raise Wrong("twice: " + line)
        made.add(one)
    same("made", made, t.made())
    followed = set()
    for line in s.get("Sessions, and what was made, followed", []):
        if line == "- nothing to follow":
            continue
        (kind, ident, role, acct, by, gen, n, failed, _, _,
         event) = parse(FOLLOWED, line)
        followed.add((kind, ident, role or "", acct or "", by, int(gen),
                      int(n), int(failed), event))
    same("followed", followed, t.followed())
    for title, label, sql, cond in (
            ("Addresses", "address", "ip", "1"),
            ("Programs", "agent", "agent", "1"),
            ("Regions", "region", "region", "1"),
            ("Calls", "call", "source || ':' || name", "1"),
            ("Errors", "error", "err", "err != ''"),
            ("Identities", "identity", "arn", "1")):
        check_counts(s.get(title, []), label, t.groups(sql, cond))
    short = check_short(s.get("In short", []), t, key, account, made)
    try:
        key_logs_check.check(s, t, account, followed, short["logs"], delivered,
                             keys)
    except key_logs_check.Wrong as e:
        raise Wrong(str(e)) from None
    # sessions in other accounts are named as what was not seen
    unseen = set(re.findall(r"^- what session `([^`]+)` did in account "
                            r"`([^`]+)`", text, re.M))
    same("not seen", unseen, {(f[1], f[3]) for f in followed
                              if f[3] not in ("", account)})
    return t


def check_short(lines, t, key, account, made):
    said = {}
    for line in lines:
        m = SHORT.fullmatch(line)
        if not m:
            raise Wrong("not understood: " + line)
        said[m.group(1).strip()] = m.group(2)
    same("ten lines", sorted(said), sorted(
        ["key", "owner", "did", "made", "from", "when", "sessions",
         "active", "logs", "not seen"]))
    if key not in said["key"]:
        raise Wrong("key: " + said["key"])
    n = t.tally("gen = 0")
    if not said["did"].startswith("%d events, %d failed" % (n["events"],
                                                           n["failed"])):
        raise Wrong("did: " + said["did"])
    o = t.tally("gen = 0 AND by_ != '%s'" % key)
    opened = sum(f[0] == "session" and f[5] == 0 for f in t.followed())
    same("sessions", said["sessions"], "%d opened by it; %d events, %d failed"
         % (opened, o["events"], o["failed"]))
    if n["first"] and not said["when"].startswith("%s to %s" % (
            n["first"][0], n["last"][0])):
        raise Wrong("when: " + said["when"])
    for what, k in re.findall(r"([A-Za-z ]+?) (\d+)(?:, |$)",
                              said["made"].replace(", others ", ", Others ")):
        if what != "Others" and k != str(sum(m[0] == what for m in made)):
            raise Wrong("made: %s %s" % (what, k))
    for value, k in re.findall(r"([\w.:]+) \((\d+)\)", said["from"]):
        if t.groups("ip").get(value, (0,))[0] != int(k):
            raise Wrong("from: %s %s" % (value, k))
    return said


def main():
    summary, events, key, account = sys.argv[1:]
    with open(events) as f:
        raw = Raw(f, account)
    with open(summary) as f:
        text = f.read()
    try:
        t = check(text, raw, key, account)
    except Wrong as e:
        sys.exit("WRONG: %s" % e)
    print("true: %d statements of %d events" % (
        text.count("\n- "), t.tally("1")["events"]))


if __name__ == "__main__":
    main()
