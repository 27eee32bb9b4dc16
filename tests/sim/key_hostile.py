# SPDX-License-Identifier: Apache-2.0
"""usage: key_hostile.py events FILE | judge SUMMARY TIMELINE STDERR

events: what an attacker can put into CloudTrail: names, addresses and agents
full of Markdown, HTML, terminal escapes and line ends.  judge: to a Markdown
reader that is not ours all of it is code; the terminal got no controls."""
import json
import re
import sys
import unicodedata

KEY = "AKIAEEEEEEEEEEEEEEEE"
EVIL = ["` <script>alert(1)</script> `", "[x](http://evil.example)",
        "![x](http://evil.example/i.png)", "\n\n# Not hostile after all\n\n",
        "``` \n**bold** _em_ | a | b |", "\x1b]0;title\x07\x1b[31mred",
        "\u202egnp.exe\u2066", "https://evil.example www.evil.example",
        "- created IAM user `nobody`\r\n- and more", "<!-- ", "&lt;b&gt;",
        "\x9b31m\u0085x", "a" * 5000 + "`", "\\`x\\`", "é`" * 200]


def events(path):
    with open(path, "w") as f:
        for n, bad in enumerate(EVIL):
            for name, q in (("CreateUser", {"userName": bad}),
                            ("AttachUserPolicy", {"userName": bad,
                                                  "policyArn": bad[::-1]}),
                            ("Get" + bad, None)):
                rec = {"eventVersion": "1.11", "userIdentity": {
                    "type": "IAMUser", "principalId": "AIDA" + bad, "arn":
                    "arn:aws:iam::123456789012:user/" + bad, "accountId":
                    "123456789012", "accessKeyId": KEY, "userName": bad},
                    "eventTime": "%s:%02dZ" % (sys.argv[3], n),
                    "eventSource": "iam.amazonaws.com", "eventName": name,
                    "awsRegion": "us-east-1", "sourceIPAddress": bad,
                    "userAgent": bad, "requestParameters": q,
                    "responseElements": None, "requestID": "r", "eventID":
                    "%s%08d-%d" % (bad, n, len(name)), "readOnly": False,
                    "eventType": "AwsApiCall", "managementEvent": True,
                    "recipientAccountId": "123456789012",
                    "eventCategory": "Management"}
                if q is None:
                    rec["errorCode"] = bad
                f.write(json.dumps({"account": "123456789012", "region":
                                    "us-east-1", "record": rec}) + "\n")


def controls(text, but="\n"):
    return sorted({c for c in text if unicodedata.category(c) in (
        "Cc", "Cf", "Zl", "Zp", "Cs") and c not in but})


def judge(summary, timeline, terminal):
    from markdown_it import MarkdownIt
    with open(summary, newline="") as f:
        text = f.read()
    assert not controls(text), controls(text)
    md = MarkdownIt("commonmark", {"html": True, "linkify": True})
    md.enable(["table", "strikethrough", "linkify"])
    kinds, headings, code = set(), [], ""
    for t in md.parse(text):
        kinds.add(t.type)
        if t.type == "inline":
            for c in t.children:
                kinds.add("in " + c.type)
                if c.type == "code_inline":
                    code += c.content
            if headings and headings[-1] is None:
                headings[-1] = t.content
        if t.type == "heading_open":
            headings.append(None)
    allowed = {"heading_open", "heading_close", "paragraph_open",
               "paragraph_close", "bullet_list_open", "bullet_list_close",
               "list_item_open", "list_item_close", "inline", "in text",
               "in code_inline", "in softbreak"}
    assert kinds <= allowed, kinds - allowed
    assert len(headings) == len(set(headings)) and not any(
        "hostile" in h for h in headings), headings
    assert "<script>" in code and "evil.example" in code
    # and nothing of his stands outside of code
    outside = re.sub(r"`[^`]*`", "", text)
    for word in ("evil", "script", "nobody", "bold", "hostile", "red"):
        assert not re.search(r"\b%s\b" % word, outside), word
    with open(timeline) as f:
        for line in f:
            e = json.loads(line)
            assert not controls("".join(str(v) for v in e.values()), "")
            assert "evil" not in e["exhibit"]
    with open(terminal, newline="") as f:
        assert not controls(f.read()), terminal


if sys.argv[1] == "events":
    events(sys.argv[2])
else:
    judge(*sys.argv[2:])
