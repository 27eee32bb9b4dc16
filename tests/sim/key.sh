#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# The manifest compromised-key on the account's own story, for a long-lived
# and a temporary key: what the summary says, and its lines on the terminal.
# shellcheck disable=SC2016 # backquotes of Markdown
. "$TOP/tests/lib/cart.sh"
sim_start --lookup-rate 0 --users 3

# key NAME ID [STATUS]: collects, and leaves summary.md and timeline.ndjson in NAME/
key() {
	expect "${3:-0}" "$CRASHCART" collect compromised-key -p access_key_id="$2" \
		--case "$1" --out . --trust-environment
	cp err "$1.err"
	expect 5 "$CRASHCART" extract "$1-b01.tar" --out "$1"
	cp "$1"/e*-summary.md "$1/summary.md"
	cp "$1"/e*-timeline.ndjson "$1/timeline.ndjson"
}

# line FILE TEXT: a line of the file that has the text
line() { grep -qF -- "$2" "$1" || { cat "$1"; die "not said: $2"; } >&2; }

key asia "$SIM_STOLEN_ACCESS_KEY_ID"
line asia/summary.md 'IAM role: `web-frontend-role`'
line asia/summary.md "created access key \`$SIM_BACKDOOR_ACCESS_KEY_ID\` (\`svc-metrics\`)"
line asia/summary.md 'stopped trail'
line asia/summary.md "is there, access key \`$SIM_BACKDOOR_ACCESS_KEY_ID\` \`Active\`"
line asia.err 'of what it made: 1 access keys, 5 instances'
line asia.err 'owner     IAM role web-frontend-role'
key akia "$SIM_BACKDOOR_ACCESS_KEY_ID"
line akia/summary.md 'IAM user: `svc-metrics`'
line akia/summary.md 'opened security group'
line akia.err 'owner     IAM user svc-metrics'
for k in asia akia; do
	[ "$(grep -cE '^crashcart: (key|owner|did|made|from|when|sessions|active|logs|not seen) ' $k.err)" = 10 ] ||
		die "$k: not ten lines"
	# what Timesketch asks for, in the order of time
	jq -es 'length > 10 and all(.[]; has("message") and has("datetime") and
		has("timestamp") and has("timestamp_desc") and has("event_id")
		and (.exhibit | test("^e[0-9]+$"))) and
		([.[].timestamp] | . == sort)' $k/timeline.ndjson > /dev/null ||
		die "$k: timeline"
done
# what to do next, and the same events in a report's picture
line asia/summary.md "access_key_id=$SIM_STOLEN_ACCESS_KEY_ID --allow containment\`"
line asia/summary.md "access_key_id=$SIM_BACKDOOR_ACCESS_KEY_ID\`"
line asia.err 'more      in summary.md'
expect 0 "$CRASHCART" report asia-b01.tar --out asia.html
grep -q "^<p>$(wc -l < asia/timeline.ndjson) events of CloudTrail that others" \
	asia.html || die "the report draws other events"
grep -q 'user/svc-metrics' asia.html || die "not by principal"
# every source that the summary names is an exhibit that holds the event
python3 - asia akia << 'P'
import glob, re, sys
for name in sys.argv[1:]:
    n = 0
    for event, exhibit in re.findall(r"\[event `([^`]+)`, exhibit `(e\d+)`\]",
                                     open(name + "/summary.md").read()):
        page = open(glob.glob("%s/%s-lookup-events*" % (name, exhibit))[0])
        assert event in page.read(), (name, event, exhibit)
        n += 1
    assert n > 20, n
P
# and all of it follows from the raw events, and nothing is left out
python3 - "$AWS_ENDPOINT_URL" > events.ndjson << 'P'
import json, sys, urllib.request
def get(what):
    return json.load(urllib.request.urlopen(sys.argv[1] + "/_sim/" + what))
regions = "us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 " \
    "eu-west-1 eu-west-2 eu-west-3 eu-central-1 eu-north-1 ap-south-1 " \
    "ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-southeast-1 " \
    "ap-southeast-2 eu-south-1"
for r in regions.split():
    for e in get("events?region=" + r):
        print(json.dumps({"record": json.loads(e["CloudTrailEvent"])}))
P
python3 "$TOP/tests/sim/key_check.py" asia/summary.md events.ndjson \
	"$SIM_STOLEN_ACCESS_KEY_ID" "$SIM_ACCOUNT_ID"
python3 "$TOP/tests/sim/key_check.py" akia/summary.md events.ndjson \
	"$SIM_BACKDOOR_ACCESS_KEY_ID" "$SIM_ACCOUNT_ID"

# names made to deceive whoever reads the answer
python3 "$TOP/tests/sim/key_hostile.py" events hostile.ndjson \
	"$(date -u -d '-2 hours' +%Y-%m-%dT%H:%M)"
curl -sf "$AWS_ENDPOINT_URL/_sim/load" -H 'Content-Type: application/json' \
	-d "{\"events\": \"$PWD/hostile.ndjson\"}" > /dev/null
key evil AKIAEEEEEEEEEEEEEEEE 3
python3 "$TOP/tests/sim/key_hostile.py" judge evil/summary.md \
	evil/timeline.ndjson evil.err
