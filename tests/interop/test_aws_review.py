#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The review of operations, collector/aws/readonly.txt, against botocore.

Prints how many operations of each service have which class, and fails when
there is one that neither a line nor a rule names: a newer botocore brings
those.  Tested itself with names that lie and with names that nobody made.
"""
import collections
import os
import sys

import botocore.loaders

TOP = os.environ.get('TOP') or os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__))))
LIARS = '''
    sts:GetSessionToken sts:GetFederationToken sts:GetWebIdentityToken
    sts:GetDelegatedAccessToken ssm:GetAccessToken ssm:StartSession
    ssm:GetDeployablePatchSnapshotForInstance kms:GetParametersForImport
    kms:Decrypt kms:Verify kms:GenerateRandom ec2:GetConsoleScreenshot
    ec2:ExportTransitGatewayRoutes ec2:ExportImage ec2:ReportInstanceStatus
    iam:GenerateCredentialReport iam:GetHumanReadableSummary iam:AcquireRole
    iam:GenerateServiceLastAccessedDetails iam:ListNothing
    s3:SelectObjectContent s3:CreateSession cloudtrail:GenerateQuery
    cloudtrail:StartQuery sqs:ReceiveMessage athena:StartQueryExecution
    ecr:GetAuthorizationToken ecr:GetDownloadUrlForLayer
    ecr-public:GetAuthorizationToken codeartifact:GetAuthorizationToken
    cognito-identity:GetId cognito-identity:GetOpenIdToken
    cognito-identity:GetCredentialsForIdentity sso:GetRoleCredentials
    cognito-idp:GetUserAttributeVerificationCode redshift:GetClusterCredentials
    redshift:GetClusterCredentialsWithIAM redshift-serverless:GetCredentials
    lakeformation:GetTemporaryGlueTableCredentials s3control:GetDataAccess
    lightsail:GetInstanceAccessDetails lightsail:DownloadDefaultKeyPair
    emr:GetClusterSessionCredentials gamelift:GetInstanceAccess
    gamelift:GetComputeAccess codepipeline:GetJobDetails
    codepipeline:PollForJobs stepfunctions:GetActivityTask
    swf:PollForActivityTask swf:PollForDecisionTask xray:GetSamplingTargets
    ce:GetCostAndUsage quicksight:GetDashboardEmbedUrl
    auditmanager:GetEvidenceFileUploadUrl amplify:GetArtifactUrl
    connect:GetFederationToken datazone:GetEnvironmentCredentials
    macie2:GetSensitiveDataOccurrences inspector:GetAssessmentReport
    appconfigdata:GetLatestConfiguration taxsettings:GetTaxRegistrationDocument
    waf:GetChangeToken timestream-query:Query logs:StartQuery
    accessanalyzer:CheckNoPublicAccess rekognition:SearchFacesByImage
'''.split()
SECRETS = '''
    secretsmanager:GetSecretValue secretsmanager:BatchGetSecretValue
    ssm:GetParameter ec2:GetPasswordData lambda:GetFunction
    ecs:DescribeTaskDefinition codebuild:BatchGetProjects
    apigateway:GetApiKey dynamodb:Scan autoscaling:DescribeLaunchConfigurations
    glue:GetConnection directconnect:DescribeVirtualInterfaces
    cognito-idp:DescribeUserPoolClient acm:ExportCertificate
    dms:DescribeEndpoints cloudcontrol:GetResource
'''.split()
READS = '''
    ec2:DescribeInstances iam:GetUser guardduty:GetFindings
    securityhub:GetFindings logs:FilterLogEvents config:SelectResourceConfig
    macie2:ListFindings accessanalyzer:ListFindings sns:ListTopics
    route53:ListHostedZones rds:DescribeDBInstances eks:DescribeCluster
'''.split()
INVENTED = '''
    ec2:GetEverything ec2:DescribeTheFuture iam:ListSecretsOfUsers
    iam:GetGold s3:GetBucketContents s3:ListAndDelete kms:ListAndDecrypt
    sts:DescribeSession lambda:GetInvocation ssm:DescribeAndRun
    nosuch:GetThing nosuch:ListThings ec2:Describe ec2:Get
    logs:GetAndForget sqs:ListAndPurge sns:SearchAndPublish
    organizations:LookupAndLeave ebs:HeadSnapshot cloudtrail:GetStopped
'''.split()


def main():
    # the generator's own reading of the file, without running it
    path = os.path.join(TOP, 'scripts', 'gen-aws-model')
    with open(path, encoding='utf-8') as f:
        code = f.read().rsplit('main(sys.argv[1:])', 1)[0]
    gen = {'__name__': 'gen', '__file__': path}
    exec(compile(code, path, 'exec'), gen)      # pylint: disable=exec-used
    classes = gen['read_classes'](os.path.join(TOP, 'collector', 'aws',
                                               'readonly.txt'))

    def of(call):
        return gen['class_of'](classes, *call.split(':'))

    loader = botocore.loaders.Loader()
    bad = []
    seen = set()
    total = collections.Counter()
    for name in loader.list_available_services('service-2'):
        model = loader.load_service_model(name, 'service-2')
        count = collections.Counter()
        for op in model['operations']:
            c = of(f'{name}:{op}')
            count[c] += 1
            seen.add(f'{name}:{op}')
            if c == 'unreviewed':
                bad.append(f'nobody reviewed {name}:{op}: add a line to '
                           'collector/aws/readonly.txt')
        total += count
        print(name + ': ' + ' '.join(f'{c} {count[c]}' for c in gen['CLASSES']
                                     if count[c]))
    print('all: ' + ' '.join(f'{c} {total[c]}' for c in gen['CLASSES']))
    for name, ops in classes.items():
        if name != '*':
            bad += [f'{name}:{op} is reviewed and does not exist'
                    for op in ops if f'{name}:{op}' not in seen]
    bad += [f'{c} lies: it is {of(c)}' for c in LIARS
            if of(c) in ('read', 'secret')]
    bad += [f'{c} is {of(c)}, want secret' for c in SECRETS
            if of(c) != 'secret']
    bad += [f'{c} is {of(c)}, want read' for c in READS if of(c) != 'read']
    bad += [f'{c} was invented, and is {of(c)}' for c in INVENTED
            if of(c) in ('read', 'secret')]
    print(f'{len(LIARS)} liars, {len(SECRETS)} with secrets, '
          f'{len(INVENTED)} invented')
    for line in bad[:50]:
        print('FAIL ' + line)
    sys.exit(1 if bad else 0)


main()
