# SPDX-License-Identifier: Apache-2.0
"""CloudTrail: the event history, and the trails."""
import base64
import datetime
import json
import os

from . import trail
from .errors import AwsError
from .registry import op

FIELDS = {"EventId": "EventId", "EventName": "EventName",
          "ReadOnly": "ReadOnly", "Username": "Username",
          "EventSource": "EventSource", "AccessKeyId": "AccessKeyId"}


@op("cloudtrail", "LookupEvents", pages=True)
def lookup(ctx, p):
    limit = p.get("MaxResults", 50)
    if not 1 <= limit <= 50:
        raise AwsError("InvalidMaxResultsException", "A limit on the number "
                       "of results is between 1 and 50.")
    start, end = p.get("StartTime"), p.get("EndTime")
    if start and end and start > end:
        raise AwsError("InvalidTimeRangeException", "Start time must occur "
                       "before end time.")
    if p.get("EventCategory") not in (None, "insight"):
        raise AwsError("InvalidEventCategoryException", "Event category can "
                       "only be insight")
    if p.get("EventCategory") == "insight":
        return {"Events": []}
    attrs = p.get("LookupAttributes", [])
    if len(attrs) > 1:
        raise AwsError("InvalidLookupAttributesException", "You can only "
                       "specify one lookup attribute")
    for a in attrs:
        if a.get("AttributeKey") not in FIELDS and a.get(
                "AttributeKey") not in ("ResourceType", "ResourceName"):
            raise AwsError("InvalidLookupAttributesException", "Invalid "
                           "attribute key")
    scope = json.dumps([attrs, str(start), str(end), ctx.region,
                        ctx.account.number], sort_keys=True, default=str)
    pos = None
    pages = ctx.world.cursors.setdefault("lookup", {})
    if p.get("NextToken"):
        state = pages.get(p["NextToken"])
        if state is None or state[0] != scope:
            raise AwsError("InvalidNextTokenException", "Invalid NextToken")
        pos = state[1]
    floor = ctx.now - datetime.timedelta(days=90)
    events = ctx.state.events
    if pos is None:
        hits = []
        for e in reversed(events):
            t = e["EventTime"]
            if t < floor or e["_seen"] > ctx.now:
                continue
            if start and t < start.replace(microsecond=0):
                continue
            if end and t > end:
                continue
            if attrs and not matches(e, attrs[0]):
                continue
            hits.append(e)
        hits.sort(key=lambda e: e["EventTime"], reverse=True)
        pos = (hits, 0)
    hits, at = pos
    page = hits[at:at + limit]
    nxt = at + limit
    out = {"Events": [trail.public(e) for e in page]}
    if at and ctx.region == "us-east-1" and len(page) == limit and page:
        # the same event twice, at the seam of two pages, as it happens
        out["Events"] = [trail.public(hits[at - 1])] + out["Events"][:-1]
        nxt -= 1
    if nxt < len(hits):
        r = ctx.world.fresh.r
        token = base64.b64encode(bytes(r.getrandbits(8)
                                       for _ in range(96))).decode()
        if len(pages) > 5000:
            for old in list(pages)[:1000]:
                del pages[old]
        pages[token] = (scope, (hits, nxt))
        out["NextToken"] = token
    return out


def matches(e, a):
    k, v = a["AttributeKey"], a["AttributeValue"]
    if k in FIELDS:
        return e.get(FIELDS[k]) == v
    return any(r[k] == v for r in e["Resources"])


def trails(ctx):
    return ctx.account.regions["us-east-1"].all("trails")


def find(ctx, name):
    for t in trails(ctx).values():
        if name in (t["Name"], t["TrailARN"]):
            return t
    raise AwsError("TrailNotFoundException", "Unknown trail: %s for the "
                   "user: %s" % (name, ctx.account.number), 400)


def shown(t):
    return {k: v for k, v in t.items() if not k.startswith("_")}


@op("cloudtrail", "DescribeTrails")
def describe_trails(ctx, p):
    out = [t for t in trails(ctx).values()
           if t["HomeRegion"] == ctx.region or (
               t["IsMultiRegionTrail"] and
               p.get("includeShadowTrails", True))]
    if p.get("trailNameList"):
        out = [t for t in out if t["Name"] in p["trailNameList"] or
               t["TrailARN"] in p["trailNameList"]]
    return {"trailList": [shown(t) for t in out]}


@op("cloudtrail", "ListTrails")
def list_trails(ctx, p):
    return {"Trails": [{"TrailARN": t["TrailARN"], "Name": t["Name"],
                        "HomeRegion": t["HomeRegion"]}
                       for t in trails(ctx).values()]}


@op("cloudtrail", "GetTrail")
def get_trail(ctx, p):
    return {"Trail": shown(find(ctx, p["Name"]))}


@op("cloudtrail", "GetTrailStatus")
def trail_status(ctx, p):
    return find(ctx, p["Name"])["_status"]


@op("cloudtrail", "GetEventSelectors")
def selectors(ctx, p):
    t = find(ctx, p["TrailName"])
    return {"TrailARN": t["TrailARN"], "EventSelectors": t["_selectors"]}


@op("cloudtrail", "GetInsightSelectors")
def insights(ctx, p):
    raise AwsError("InsightNotEnabledException", "Trail %s does not have "
                   "Insights enabled. Edit the trail settings to enable "
                   "Insights, and then try the operation again." %
                   p.get("TrailName"), 400)


@op("cloudtrail", "ListTags")
def list_tags(ctx, p):
    return {"ResourceTagList": [
        {"ResourceId": a, "TagsList": find(ctx, a)["_tags"]}
        for a in p["ResourceIdList"]]}


@op("cloudtrail", "ListPublicKeys")
def public_keys(ctx, p):
    return {"PublicKeyList": ctx.state.all("trailkeys").get("list", [])}


@op("cloudtrail", "ListEventDataStores")
def stores(ctx, p):
    return {"EventDataStores": list(ctx.state.all("eds").values())}


@op("cloudtrail", "ListChannels")
def channels(ctx, p):
    return {"Channels": []}


@op("cloudtrail", "StartLogging", "StopLogging")
def logging(ctx, p):
    t = find(ctx, p["Name"])
    on = ctx.op.name == "StartLogging"
    t["_status"]["IsLogging"] = on
    t["_status"]["StartLoggingTime" if on else "StopLoggingTime"] = ctx.now
    return {}


def moment(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(
        tzinfo=datetime.timezone.utc)


@op("cloudtrail", "ListPublicKeys", pages=True)
def public_keys(ctx, p):
    """Of the file public-keys.json in the state folder, {region: [keys]}:
    whoever delivers digests into the bucket writes it."""
    start = p.get("StartTime") or ctx.now
    end = p.get("EndTime") or ctx.now
    if start > end:
        raise AwsError("InvalidTimeRangeException", "Start time must occur "
                       "before end time.")
    try:
        with open(os.path.join(ctx.world.options["state"],
                               "public-keys.json"), encoding="ascii") as f:
            keys = json.load(f)
    except FileNotFoundError:
        keys = {}
    out = []
    for k in keys.get(ctx.region, []):
        a, b = moment(k["ValidityStartTime"]), moment(k["ValidityEndTime"])
        if a <= end and b >= start:
            out.append({"Value": base64.b64decode(k["Value"]),
                        "ValidityStartTime": a, "ValidityEndTime": b,
                        "Fingerprint": k["Fingerprint"]})
    return {"PublicKeyList": out}
