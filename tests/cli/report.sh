#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The report: one page without script or outside reference, every text of the
# bundle escaped, the verdict on top, gaps and changes in it.
. "$TOP/tests/lib/cart.sh"
sim_start --snapshot-delay 1 --snapshot-seconds 1
cat > m.json <<'E'
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "events", "do": "cloudtrail.events", "regions": ["us-east-1", "eu-west-1"], "with": { "start": "-2d" } },
  { "id": "nothing", "do": "aws.call", "with": { "call": "ec2:DescribeInstances", "input": { "InstanceIds": ["i-0123456789abcdef0"] } } } ] }
E
expect 3 "$CRASHCART" collect ./m.json --case R --out o --json \
	--operator '<script>alert(1)</script>' --authority "o'brien & \"sons\"" --trust-environment
key=$(last_json .key)
expect 0 "$CRASHCART" report o --out r.html --pubkey "$key"
expect 1 "$CRASHCART" report o --out r.html
python3 - r.html <<'P'
import html.parser, sys
page = open(sys.argv[1], encoding="utf-8").read()
void = {"meta", "br", "link", "img"}

class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.text = [], []
    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "img", "link", "iframe", "a"), tag
        for key, value in attrs:
            assert not key.startswith("on") and key not in ("src", "href"), key
            assert "http" not in (value or "") or key == "content", (key, value)
        if tag not in void:
            self.open.append(tag)
    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
    def handle_data(self, data):
        self.text.append(data)

r = Reader()
r.feed(page)
r.close()
assert r.open == [], r.open
text = "".join(r.text)
for want in ("Valid.", "<script>alert(1)</script>", 'o\'brien & "sons"',
             "What was not collected", "InvalidInstanceID.NotFound",
             "What the collection changed", "us-east-1", "Timeline",
             "default-src 'none'"):
    assert want in text or want in page, want
assert page.index("Valid.") < page.index("What was collected")
assert page.count("<rect") > 3, "no events are drawn"
print(len(page), "bytes")
P
printf X | dd of=o/R-b01.tar bs=1 seek=3000 conv=notrunc status=none
expect 4 "$CRASHCART" report o --out bad.html
grep -q 'Invalid\.' bad.html || die "the page does not say invalid"
expect 4 "$CRASHCART" report o --out - 
prints 'Do not rely'
