# SPDX-License-Identifier: Apache-2.0
"""python -m simaws: the simulated account in the foreground."""
import argparse
import asyncio
import datetime
import json
import os
import signal
import sys

from . import front as front_mod
from . import httpd, identity, imds, incident, wire, world as world_mod
from . import (svc_cloudtrail, svc_ebs, svc_ec2, svc_iam, svc_kms,
               svc_lambda, svc_organizations, svc_s3, svc_ssm, svc_sts,
               svc_watch)
from .faults import Faults

USED = (svc_cloudtrail, svc_ebs, svc_ec2, svc_iam, svc_kms, svc_lambda,
        svc_organizations, svc_s3, svc_ssm, svc_sts, svc_watch)


def arguments():
    a = argparse.ArgumentParser(prog="simaws")
    a.add_argument("--seed", default="1")
    a.add_argument("--now", help="the incident's \"now\", ISO 8601")
    a.add_argument("--state", required=True, help="folder for log and rules")
    a.add_argument("--host", default="127.0.0.1")
    a.add_argument("--port", type=int, default=0)
    a.add_argument("--imds-port", type=int, default=0)
    a.add_argument("--snapshot-delay", type=float, default=20.0)
    a.add_argument("--snapshot-seconds", type=float, default=6.0)
    a.add_argument("--report-seconds", type=float, default=3.0)
    a.add_argument("--event-delay", type=float, default=5.0)
    a.add_argument("--lookup-rate", type=float, default=2.0)
    a.add_argument("--page-cap", type=int, default=1000)
    a.add_argument("--creds-ttl", type=float, default=21600.0)
    a.add_argument("--iam-delay", type=float, default=0.0)
    a.add_argument("--users", type=int, default=24,
                   help="ordinary IAM users beside those of the story")
    a.add_argument("--extra-events", type=int, default=0,
                   help="more events in us-east-1, a second apart")
    return a.parse_args()


async def main():
    args = arguments()
    os.makedirs(args.state, exist_ok=True)
    ref = wire.as_time(args.now) if args.now else datetime.datetime.now(
        world_mod.UTC)
    ref = ref.replace(microsecond=0)
    options = {"state": os.path.abspath(args.state),
               "snapshot_delay": args.snapshot_delay,
               "snapshot_seconds": args.snapshot_seconds,
               "report_seconds": args.report_seconds,
               "event_delay": args.event_delay,
               "lookup_rate": args.lookup_rate,
               "page_cap": args.page_cap, "creds_ttl": args.creds_ttl,
               "iam_delay": args.iam_delay, "user_data": ""}
    world = world_mod.World(args.seed, ref, options)
    incident.seed(world, args.users, args.extra_events)
    faults = Faults(os.path.join(args.state, "faults.json"), args.seed)
    log = os.path.join(args.state, "requests.jsonl")
    front = front_mod.Front(world, faults, log)
    ident = identity.Identity(world)
    meta = imds.Imds(world, front, faults, ident)
    stop = asyncio.Event()
    front.on_quit = stop.set
    srv = await asyncio.start_server(
        httpd.server(front.handle, front.date), args.host, args.port,
        limit=httpd.MAX_HEAD, backlog=512)
    port = srv.sockets[0].getsockname()[1]
    srv2 = await asyncio.start_server(
        httpd.server(meta.handle, front.date), args.host, args.imds_port,
        limit=httpd.MAX_HEAD, backlog=512)
    iport = srv2.sockets[0].getsockname()[1]
    names = world.names
    ca = os.path.join(args.state, "identity-ca.pem")
    with open(ca, "w", encoding="ascii") as f:
        f.write(ident.ca_pem)
    for kind in ("rsa2048", "rsa1024", "dsa"):
        with open(os.path.join(args.state, "identity-%s.pem" % kind), "w",
                  encoding="ascii") as f:
            f.write(ident.cert_pem[kind])
    env = {
        "AWS_ENDPOINT_URL": "http://%s:%d" % (args.host, port),
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://%s:%d/" % (args.host,
                                                                iport),
        "AWS_ACCESS_KEY_ID": names["admin_key"],
        "AWS_SECRET_ACCESS_KEY": names["admin_secret"],
        "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
        "SIM_RESPONDER_ACCESS_KEY_ID": names["responder_key"],
        "SIM_RESPONDER_SECRET_ACCESS_KEY": names["responder_secret"],
        "SIM_PID": str(os.getpid()), "SIM_STATE": os.path.abspath(
            args.state),
        "SIM_LOG": os.path.abspath(log),
        "SIM_FAULTS": os.path.abspath(faults.path),
        "SIM_ACCOUNT_ID": names["account"],
        "SIM_INSTANCE_ID": names["instance"],
        "SIM_ROLE_NAME": names["role"],
        "SIM_STOLEN_ACCESS_KEY_ID": names["stolen_key"],
        "SIM_BACKDOOR_ACCESS_KEY_ID": names["backdoor_key"],
        "SIM_EBS_SNAPSHOT_ID": names["ebs_snapshot"],
        "SIM_BUCKET": names["bucket"],
        "SIM_KMS_KEY_ID": names["kms_key"],
        "SIM_FORENSIC_ACCOUNT_ID": "345678901234",
        "SIM_FORENSIC_KEY_ARN": "arn:aws:kms:eu-west-1:345678901234:key/" +
        names["forensic_key"],
        "SIM_TRANSFER_KEY_ARN": "arn:aws:kms:eu-west-1:123456789012:key/" +
        names["transfer_key"],
        "SIM_KMS_ED25519_KEY_ID": names["kms_ed25519"],
        "SIM_FUNCTION": names["function"],
        "SIM_INCIDENT_START": names["start"],
        "SIM_INCIDENT_END": wire.iso(ref),
        "SIM_IDENTITY_CA": os.path.abspath(ca),
        "SIM_IDENTITY_RSA2048_CERT": os.path.abspath(os.path.join(
            args.state, "identity-rsa2048.pem")),
    }
    front.info = {"account": names["account"], "env": env,
                  "ca_pem": ident.ca_pem}
    tmp = os.path.join(args.state, "env.tmp")
    with open(tmp, "w", encoding="utf-8") as f:
        json.dump(env, f, indent=1)
    os.replace(tmp, os.path.join(args.state, "env.json"))
    print("ready", file=sys.stderr, flush=True)
    loop = asyncio.get_running_loop()
    for s in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(s, stop.set)
    await stop.wait()
    srv.close()
    srv2.close()


if __name__ == "__main__":
    asyncio.run(main())
