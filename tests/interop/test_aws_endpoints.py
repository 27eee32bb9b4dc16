#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our endpoints against botocore's rules: every region that botocore lists,
plain, FIPS and dual-stack, for the services below and for some more by chance.

usage: test_aws_endpoints.py [--seed N] [--all] [--driver PROGRAM] [SERVICE]...
"""
import argparse
import json
import os
import random
import subprocess
import sys

import botocore.session
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError

SERVICES = ['ec2', 'ebs', 'iam', 'sts', 's3', 'cloudtrail', 'kms',
            'organizations', 'lambda', 'ssm', 'route53', 'cloudfront', 'logs',
            'cloudwatch', 'guardduty', 'securityhub', 'config', 'kinesis',
            'dynamodb', 'sqs', 'sns', 'budgets', 'shield', 'waf', 'account']


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--seed', type=int,
                    default=int.from_bytes(os.urandom(4), 'big'))
    ap.add_argument('--driver')
    ap.add_argument('--all', action='store_true')
    ap.add_argument('services', nargs='*')
    args = ap.parse_args()
    print(f'seed {args.seed}')
    session = botocore.session.Session()
    loader = session.get_component('data_loader')
    partitions = loader.load_data('partitions')
    names = loader.list_available_services('endpoint-rule-set-1')
    wanted = args.services or (names if args.all else SERVICES + random.Random(
        args.seed).sample(names, 25))
    regions = sorted(r for p in partitions['partitions'] for r in p['regions']
                     if not r.endswith('-global'))
    driver = subprocess.Popen(
        [args.driver or os.path.join(os.environ['DRIVERS'], 'aws_driver')],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    compared = absent = bad = 0
    for name in wanted:
        model = session.get_service_model(name)
        rules = loader.load_service_model(name, 'endpoint-rule-set-1')
        provider = EndpointProvider(ruleset_data=rules,
                                    partition_data=partitions)
        # the first operation without a host of its own
        op = next(o for o in model.operation_names if not
                  model.operation_model(o).static_context_parameters) \
            if any(not model.operation_model(o).static_context_parameters
                   for o in model.operation_names) else model.operation_names[0]
        context = {p.name: p.value for p in
                   model.operation_model(op).static_context_parameters
                   if p.name != 'RequiresAccountId'}
        for region in regions:
            for flags in range(4):
                params = dict(context, Region=region, UseFIPS=bool(flags & 1),
                              UseDualStack=bool(flags & 2))
                try:
                    e = provider.resolve_endpoint(**params)
                    scheme = next((s for s in e.properties.get(
                        'authSchemes', []) if s['name'] == 'sigv4'), {})
                    want = {'host': e.url.split('://')[1].rstrip('/'),
                            'region': scheme.get('signingRegion') or region,
                            'name': scheme.get('signingName') or
                            model.signing_name}
                except EndpointProviderError:
                    want = None
                driver.stdin.write(json.dumps(
                    {'call': f'{name}:{op}', 'region': region,
                     'flags': flags}).encode() + b'\n')
                driver.stdin.flush()
                got = json.loads(driver.stdout.readline())
                if want is None and 'failed' in got:
                    absent += 1
                    continue
                compared += 1
                if got != want:
                    bad += 1
                    if bad < 30:
                        print(f'FAIL {name}:{op} {region} {flags}\n  '
                              f'botocore  {want}\n  crashcart {got}')
    driver.stdin.close()
    driver.wait()
    print(f'{len(wanted)} services, {compared} endpoints compared, {absent} '
          f'that neither has, {bad} differences')
    sys.exit(1 if bad or driver.returncode else 0)


main()
