# SPDX-License-Identifier: Apache-2.0
"""The services that watch: GuardDuty, Security Hub, Macie, Config, Access
Analyzer, alarms and log groups; the account's public access block.

They are switched on in the home region only, and the attacker was there."""
from .errors import AwsError
from .registry import op
from .world import stable

HOME = "us-east-1"


def off(code, text, status):
    return AwsError(code, text, status)


def detector(ctx, p=None):
    d = "%032x" % (stable("detector", ctx.account.number) * 0x10001 +
                   stable("detector"))
    d = d[-32:]
    if p is not None and (ctx.region != HOME or p["DetectorId"] != d):
        raise AwsError("BadRequestException", "The request is rejected "
                       "because the input detectorId is not owned by the "
                       "current account.", 400)
    return d


FILTER = {"Name": "quiet-ssh", "Description": "known scanner", "Action":
          "ARCHIVE", "Rank": 1, "FindingCriteria": {"Criterion": {
              "type": {"Eq": ["UnauthorizedAccess:IAMUser/"
                              "InstanceCredentialExfiltration."
                              "OutsideAWS"]}}}, "Tags": {}}


def finding(ctx):
    t = ctx.world.reference.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    fid = ("%032x" % (stable("finding") * stable("more")))[:32]
    return {"AccountId": ctx.account.number, "Id": fid, "Region": HOME,
            "Arn": ctx.arn("guardduty", "detector/%s/finding/%s" % (
                detector(ctx), fid)), "Partition": "aws",
            "CreatedAt": t, "UpdatedAt": t, "SchemaVersion": "2.0",
            "Severity": 8.0, "Confidence": 0, "Title": "Credentials of an "
            "instance role were used from outside AWS", "Description":
            "Credentials created for " + ctx.world.names["role"] +
            " were used from 198.51.100.23.",
            "Type": FILTER["FindingCriteria"]["Criterion"]["type"]["Eq"][0],
            "Resource": {"ResourceType": "AccessKey", "AccessKeyDetails": {
                "AccessKeyId": ctx.world.names["stolen_key"],
                "UserName": ctx.world.names["role"], "UserType": "Role"}},
            "Service": {"Archived": True, "Count": 3, "DetectorId":
                        detector(ctx), "ServiceName": "guardduty"}}


@op("guardduty", "ListDetectors")
def detectors(ctx, p):
    return {"DetectorIds": [detector(ctx)] if ctx.region == HOME else []}


@op("guardduty", "GetDetector")
def get_detector(ctx, p):
    detector(ctx, p)
    return {"Status": "ENABLED", "CreatedAt": "2025-01-07T09:00:00.000Z",
            "FindingPublishingFrequency": "SIX_HOURS", "ServiceRole":
            "arn:aws:iam::%s:role/aws-service-role/guardduty.amazonaws.com/"
            "AWSServiceRoleForAmazonGuardDuty" % ctx.account.number,
            "UpdatedAt": "2025-01-07T09:00:00.000Z", "Tags": {}}


@op("guardduty", "ListFilters")
def filters(ctx, p):
    detector(ctx, p)
    return {"FilterNames": [FILTER["Name"]]}


@op("guardduty", "GetFilter")
def get_filter(ctx, p):
    detector(ctx, p)
    if p["FilterName"] != FILTER["Name"]:
        raise AwsError("BadRequestException", "The request is rejected "
                       "because no such filter exists.", 400)
    return dict(FILTER)


@op("guardduty", "ListFindings")
def findings(ctx, p):
    detector(ctx, p)
    return {"FindingIds": [finding(ctx)["Id"]]}


@op("guardduty", "GetFindings")
def get_findings(ctx, p):
    detector(ctx, p)
    f = finding(ctx)
    return {"Findings": [f] if f["Id"] in p["FindingIds"] else []}


@op("macie2", "GetMacieSession")
def macie(ctx, p):
    if ctx.region != HOME:
        raise off("AccessDeniedException", "Macie is not enabled.", 403)
    return {"status": "PAUSED", "findingPublishingFrequency": "SIX_HOURS",
            "createdAt": ctx.now, "updatedAt": ctx.now, "serviceRole":
            "arn:aws:iam::%s:role/aws-service-role/macie.amazonaws.com/"
            "AWSServiceRoleForAmazonMacie" % ctx.account.number}


def hub(ctx):
    if ctx.region != HOME:
        raise off("InvalidAccessException", "Account %s is not subscribed to "
                  "AWS Security Hub" % ctx.account.number, 401)


@op("securityhub", "DescribeHub")
def describe_hub(ctx, p):
    hub(ctx)
    return {"HubArn": ctx.arn("securityhub", "hub/default"),
            "SubscribedAt": "2025-01-07T09:00:00.000Z",
            "AutoEnableControls": False}


@op("securityhub", "GetFindings")
def hub_findings(ctx, p):
    hub(ctx)
    return {"Findings": [{
        "SchemaVersion": "2018-10-08", "Id": ctx.arn(
            "securityhub", "subscription/aws-foundational/CloudTrail.1/"
            "finding/0001"), "ProductArn": "arn:aws:securityhub:%s::product/"
        "aws/securityhub" % ctx.region, "GeneratorId": "CloudTrail.1",
        "AwsAccountId": ctx.account.number, "CreatedAt":
        "2025-02-01T00:00:00.000Z", "UpdatedAt": "2025-02-01T00:00:00.000Z",
        "Severity": {"Label": "HIGH"}, "Title": "CloudTrail should be "
        "enabled in every region", "Description": "A trail was stopped.",
        "Resources": [{"Type": "AwsAccount", "Id": "AWS::::Account:" +
                       ctx.account.number}], "RecordState": "ACTIVE"}]}


@op("config", "DescribeConfigurationRecorders")
def recorders(ctx, p):
    if ctx.region != HOME:
        return {"ConfigurationRecorders": []}
    return {"ConfigurationRecorders": [{
        "name": "default", "roleARN": "arn:aws:iam::%s:role/config" %
        ctx.account.number, "recordingGroup": {
            "allSupported": True, "includeGlobalResourceTypes": True}}]}


@op("config", "DescribeConfigurationRecorderStatus")
def recorder_status(ctx, p):
    if ctx.region != HOME:
        return {"ConfigurationRecordersStatus": []}
    return {"ConfigurationRecordersStatus": [{
        "name": "default", "recording": False, "lastStatus": "SUCCESS"}]}


def analyzer(ctx):
    return ctx.arn("access-analyzer", "analyzer/outside")


@op("accessanalyzer", "ListAnalyzers")
def analyzers(ctx, p):
    if ctx.region != HOME:
        return {"analyzers": []}
    return {"analyzers": [{"arn": analyzer(ctx), "name": "outside", "type":
                           "ACCOUNT", "createdAt": ctx.now, "status":
                           "ACTIVE", "tags": {}}]}


@op("accessanalyzer", "ListFindings")
def access_findings(ctx, p):
    if p["analyzerArn"] != analyzer(ctx) or ctx.region != HOME:
        raise AwsError("ResourceNotFoundException", "No such analyzer.", 404)
    return {"findings": [{
        "id": "0b1f-outside", "principal": {"AWS": "*"}, "action":
        ["s3:GetObject"], "resource": "arn:aws:s3:::northwind-assets",
        "isPublic": True, "resourceType": "AWS::S3::Bucket", "condition": {},
        "createdAt": ctx.now, "analyzedAt": ctx.now, "updatedAt": ctx.now,
        "status": "ACTIVE", "resourceOwnerAccount": ctx.account.number}]}


@op("cloudwatch", "DescribeAlarms")
def alarms(ctx, p):
    if ctx.region != HOME:
        return {"MetricAlarms": [], "CompositeAlarms": []}
    return {"CompositeAlarms": [], "MetricAlarms": [{
        "AlarmName": "root-login", "AlarmArn": ctx.arn(
            "cloudwatch", "alarm:root-login"), "ActionsEnabled": False,
        "AlarmActions": [ctx.arn("sns", "pager")], "StateValue":
        "INSUFFICIENT_DATA", "MetricName": "RootLogin", "Namespace":
        "CloudTrailMetrics", "Statistic": "Sum", "Period": 300,
        "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator":
        "GreaterThanOrEqualToThreshold", "Dimensions": [],
        "OKActions": [], "InsufficientDataActions": []}]}


@op("logs", "DescribeLogGroups")
def log_groups(ctx, p):
    if ctx.region != HOME:
        return {"logGroups": []}
    return {"logGroups": [
        {"logGroupName": n, "creationTime": 1735700000000,
         "retentionInDays": d, "metricFilterCount": 0, "storedBytes": 4096,
         "arn": ctx.arn("logs", "log-group:%s:*" % n)}
        for n, d in (("/aws/lambda/report-export", 1),
                     ("cloudtrail", 90))]}


@op("s3control", "GetPublicAccessBlock")
def account_block(ctx, p):
    block = getattr(ctx.account, "public_block", None)
    if block is None:
        raise AwsError("NoSuchPublicAccessBlockConfiguration", "The public "
                       "access block configuration was not found", 404)
    return {"PublicAccessBlockConfiguration": block}
