# SPDX-License-Identifier: Apache-2.0
"""What the AWS CLI's own `cloudtrail validate-logs` says of sets of objects
given on standard input, one JSON object a line (test_cloudtrail_digests.py,
case()), without any account: run by the Python of the AWS CLI.  One line of
JSON out for each: {key: verdict}."""
import base64
import contextlib
import io
import json
import re
import sys

from awscli.customizations.cloudtrail import validation
from botocore.exceptions import ClientError


class Store:
    """Stands for the S3 and the CloudTrail client."""

    def __init__(self, case):
        self.objects, self.case = {}, case
        for d in case["digests"]:
            meta = {"signature": d.get("signature"),
                    "signature-algorithm": d.get("algorithm"),
                    "backfill-generation-timestamp": d.get("backfill_time")}
            self.objects[(d["bucket"], d["key"])] = (d["object"], {
                k: v for k, v in meta.items() if v is not None})
        for place, data in case["logs"].items():
            self.objects[tuple(place.split("/", 1))] = (data, {})

    def get_client(self, bucket_name):
        return self

    def get_paginator(self, name):
        return self

    def paginate(self, Bucket, Marker, Prefix):
        keys = sorted(k for b, k in self.objects if b == Bucket and
                      k.startswith(Prefix) and k > Marker)
        return self.Pages(keys)

    class Pages:
        def __init__(self, keys):
            self.keys = keys

        def search(self, expression):
            return self.keys

    def get_object(self, Bucket, Key):
        data, meta = self.objects.get((Bucket, Key), (None, {}))
        if data is None:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message":
                                         "not there"}}, "GetObject")
        return {"Body": io.BytesIO(base64.b64decode(data)), "Metadata": meta}

    def list_public_keys(self, StartTime, EndTime):
        return {"PublicKeyList": [k for page in self.case["keys"]
                                  for k in page["PublicKeyList"]]}


class Validate(validation.CloudTrailValidateLogs):
    def __init__(self, case):
        super().__init__(None)
        store = Store(case)
        self.trail_arn = "arn:aws:cloudtrail:us-east-1:123456789012:trail/" \
            "org_trail"
        self.is_verbose = True
        self.start_time = validation.normalize_date(validation.parse_date(
            case["start"]))
        self.end_time = validation.normalize_date(validation.parse_date(
            case["end"]))
        self.s3_bucket, self.s3_prefix = "trail-logs", None
        self.account_id, self._source_region = "123456789012", case["region"]
        self.s3_client_provider = self.cloudtrail_client = store
        self.organization_client = None


def main():
    for line in sys.stdin:
        out, failed = io.StringIO(), None
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                Validate(json.loads(line))._call()
            except RuntimeError as e:
                failed = str(e)
        said = dict((key, verdict) for key, verdict in re.findall(
            r"(?:Digest|Log) file\ts3://[^/]+/(\S+)\t(valid|INVALID: .*)",
            out.getvalue()))
        print(json.dumps({"said": said, "failed": failed, "gaps": re.findall(
            "No log files were delivered.*", out.getvalue())}), flush=True)


main()
