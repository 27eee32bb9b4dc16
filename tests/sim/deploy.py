# SPDX-License-Identifier: Apache-2.0
"""scripts/deploy in use (see deploy.sh, which makes the namespaces).

The judges are not ours: cfn-lint, statelint, MiniStack (CloudFormation, Step
Functions with JSONata, S3 with Object Lock, KMS, IAM) and Amazon's matcher of
event patterns.  The account with the incident is the simulated one, where the
roles hold what the template gave them.
"""
import base64
import concurrent.futures
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import botocore.session
from botocore.exceptions import ClientError
from event_ruler import event_ruler

import deploy_net
from checks import check, ended, sim

ENV = os.environ
TOP, CART = ENV["TOP"], ENV["CRASHCART"]
ACCOUNT = ENV["SIM_ACCOUNT_ID"]
MEMBER = "210987654321"
TEMPLATE = TOP + "/scripts/deploy/crashcart.json"
SUBNET = ["ip", "netns", "exec", ENV["DEPLOY_SUBNET"]]
LAB = ["ip", "netns", "exec", ENV["DEPLOY_LAB"]]
MANIFESTS = {
    "account-sweep": {},
    "compromised-key": {"access_key_id": ENV["SIM_BACKDOOR_ACCESS_KEY_ID"]},
    "instance-compromise": {"instance_id": ENV["SIM_INSTANCE_ID"]},
    "preserve-snapshot": {
        "snapshot_id": ENV["SIM_EBS_SNAPSHOT_ID"], "region": "us-east-1",
        "to_region": "eu-west-1", "transfer_key": ENV["SIM_TRANSFER_KEY_ARN"],
        "forensic_account": ENV["SIM_FORENSIC_ACCOUNT_ID"],
        "forensic_key": ENV["SIM_FORENSIC_KEY_ARN"]}}
MACIE = {
    "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602",
    "detail-type": "Macie Finding", "source": "aws.macie",
    "account": ACCOUNT, "time": "2026-11-24T00:00:00Z", "region": "us-east-1",
    "resources": [], "detail": {
        "schemaVersion": "1.0", "id": "64b917aa-3843-014c-91d8-937ffe69fc2f",
        "accountId": ACCOUNT, "region": "us-east-1", "archived": False,
        "category": "CLASSIFICATION", "count": 1,
        "type": "SensitiveData:S3Object/Credentials",
        "severity": {"score": 3, "description": "High"},
        "resourcesAffected": {"s3Bucket": {"name": "northwind-exports"}}}}


def run(*args, **more):
    return subprocess.run(args, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=120, **more)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- the template by itself -----------------------------------------------------

def static():
    r = run(sys.executable, "-B", TOP + "/scripts/deploy/make-template", CART)
    with open(TEMPLATE, encoding="utf-8") as f:
        text = f.read()
    check("the template is what make-template writes", r.stdout == text,
          r.stderr or "run make schema")
    r = run("cfn-lint", TEMPLATE)
    check("cfn-lint", r.returncode == 0, r.stdout)
    t = json.loads(text)
    machine = t["Resources"]["Machine"]["Properties"]["DefinitionString"]
    with open("machine.json", "w", encoding="utf-8") as f:
        # the language has JSONata there, and AWS fields of its own, which
        # statelint does not know
        f.write(re.sub(
            '"Seconds":"{%[^"]*"', '"Seconds":30', re.sub(
                '"ReaderConfig":{[^}]*},|"WriterConfig":{[^}]*},', "",
                machine["Fn::Sub"].replace("${AtOnce}", "10"))))
    r = run("statelint", "machine.json")
    check("statelint", r.returncode == 0 and "error" not in r.stdout,
          r.stdout)
    names = {n[:-5] for n in os.listdir(TOP + "/manifests") if n.endswith(
        ".json")} - {"schema", "host-triage", "release-key"}
    check("each manifest that a cart can start has a role", names ==
          set(MANIFESTS), names)
    actions = set(re.findall('"([a-z0-9-]+:[A-Z][A-Za-z]+)"', text))
    check("no role, no endpoint lets anyone contain", not [
        a for a in actions if re.match("iam:(Put|Update|Delete|Create)", a)],
        actions)
    cart = [st for st in t["Resources"]["CartRole"]["Properties"]["Policies"][
        0]["PolicyDocument"]["Statement"] if "s3:PutObject" in st["Action"]]
    check("a cart adds bundles, and reads none", len(cart) == 1 and cart[0][
        "Action"] == ["s3:PutObject", "s3:PutObjectRetention"] and
        cart[0]["Resource"]["Fn::Sub"].endswith("-*/bundles/*") and not [
            a for r in t["Resources"]["EndpointS3"]["Properties"][
                "PolicyDocument"]["Statement"] if "s3:PutObject" in r["Action"]
            for a in r["Action"] if a not in cart[0]["Action"]], cart)
    for r, what in (("BucketPolicy", "PolicyDocument"),
                    ("EncryptKey", "KeyPolicy"), ("SignKey", "KeyPolicy")):
        st = t["Resources"][r]["Properties"][what]["Statement"][-1]
        check("one role may change the policy: " + r, st["Effect"] == "Deny"
              and any(re.match("(s3|kms):Put.*Policy", a)
                      for a in st["Action"]) and st["Condition"] == {
                  "ArnNotLike": {"aws:PrincipalArn": {"Ref": "BreakGlass"}}},
              st)
    return t


def events(e, pattern):
    """What starts a cart, and what does not, by two matchers: the second knows
    neither "$or" nor numbers."""
    client = e.client("events")
    sides = json.loads(pattern)["$or"]
    for side in sides:
        if side["source"] == ["aws.guardduty"]:
            del side["detail"]["severity"]

    def hit(event):
        event = dict(MACIE, **event)
        yes = client.test_event_pattern(EventPattern=pattern, Event=json.dumps(
            event))["Result"]
        if event["source"] != "aws.guardduty" or yes:
            check("both matchers agree", yes == any(
                event_ruler.test_event_pattern(json.dumps(event), json.dumps(
                    side)) for side in sides), event)
        return yes

    def changed(**more):
        return dict(MACIE, detail=dict(MACIE["detail"], **more))
    hub = {"source": "aws.securityhub",
           "detail-type": "Security Hub Findings - Imported",
           "detail": {"findings": [{
               "ProductName": "Acme", "RecordState": "ACTIVE",
               "Severity": {"Label": "CRITICAL"},
               "Workflow": {"Status": "NEW"}}]}}
    duty = {"source": "aws.guardduty", "detail-type": "GuardDuty Finding",
            "detail": {"severity": 8.9, "service": {"archived": False}}}
    check("a Macie finding starts a cart", hit(MACIE))
    check("one of GuardDuty", hit(duty))
    check("one of Security Hub", hit(hub))
    check("a mild one does not", not hit(changed(severity={
        "score": 1, "description": "Low"})))
    check("an archived one does not", not hit(changed(archived=True)))
    duty["detail"]["severity"] = 5
    check("GuardDuty, medium", not hit(duty))
    hub["detail"]["findings"][0]["ProductName"] = "Macie"
    check("what Macie sent to Security Hub does not start a second", not hit(
        hub))


# ---- deployed ----------------------------------------------------------------------

class Emulator:
    def __init__(self):
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-B", TOP + "/tests/sim/deploy_emulator.py"],
            stdout=open("emulator.log", "wb"), stderr=subprocess.STDOUT,
            env=dict(ENV, BIND_HOST="127.0.0.1", GATEWAY_PORT=str(self.port),
                     SFN_WAIT_SCALE="0.02", MINISTACK_ACCOUNT_ID=ACCOUNT,
                     AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test"))
        self.session = self.of("test")
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.1)

    @staticmethod
    def of(account):
        """The emulator takes an access key of 12 digits as the account's."""
        session = botocore.session.Session()
        session.set_credentials(account, "test")
        return session

    def client(self, name, session=None):
        return (session or self.session).create_client(
            name, region_name="us-east-1",
            endpoint_url="http://127.0.0.1:%d" % self.port)


def stack_of(cf):
    for _ in range(200):
        stack = cf.describe_stacks(StackName="crashcart")["Stacks"][0]
        if "PROGRESS" not in stack["StackStatus"]:
            break
        time.sleep(0.1)
    return stack


def deploy(e, t):
    """The stack's outputs."""
    s3, cf = e.client("s3"), e.client("cloudformation")
    s3.create_bucket(Bucket="templates")
    for last in (False, True):
        s3.put_object(Bucket="templates", Key="t", Body=json.dumps(t))
        try:
            cf.create_stack(
                StackName="crashcart", Capabilities=["CAPABILITY_NAMED_IAM"],
                TemplateURL="http://127.0.0.1:%d/templates/t" % e.port,
                Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v
                            in (("Image", "ami-0123456789abcdef0"),
                                ("TransferKey", ENV["SIM_TRANSFER_KEY_ARN"]),
                                ("PreserveAccount",
                                 ENV["SIM_FORENSIC_ACCOUNT_ID"]),
                                ("ForensicKey", ENV["SIM_FORENSIC_KEY_ARN"]))])
            break
        except ClientError as error:
            lacks = re.findall(r"AWS::\w+::\w+", str(error))
            print("the emulator does not have " + " ".join(lacks), flush=True)
            if last or not lacks or any("Route53Resolver" not in x
                                        for x in lacks):
                raise
            t = dict(t, Resources={k: v for k, v in t["Resources"].items()
                                   if v["Type"] not in lacks})
    stack = stack_of(cf)
    check("the stack is complete", stack["StackStatus"] == "CREATE_COMPLETE",
          stack)
    out = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    made = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in
            cf.describe_stack_resources(StackName="crashcart")[
                "StackResources"]}
    check("every resource was made", set(made) >= set(t["Resources"]) - {
        "EndpointOrganizations"}, set(t["Resources"]) - set(made))
    ec2 = e.client("ec2")
    vpc = [{"Name": "vpc-id", "Values": [made["Vpc"]]}]
    table = [r for r in ec2.describe_route_tables(Filters=vpc)["RouteTables"]
             if r["RouteTableId"] == made["Routes"]][0]
    check("no route leads out", not [
        r for r in table["Routes"] if r.get("GatewayId", "local") != "local"
        and not r["GatewayId"].startswith("vpce-")] and not any(
            r.get("DestinationCidrBlock") == "0.0.0.0/0"
            for r in table["Routes"]), table["Routes"])
    check("no internet gateway", not [
        g for g in ec2.describe_internet_gateways()["InternetGateways"]
        if any(a["VpcId"] == made["Vpc"] for a in g["Attachments"])])
    data = ec2.describe_launch_template_versions(
        LaunchTemplateId=made["LaunchTemplate"])["LaunchTemplateVersions"][
            0]["LaunchTemplateData"]
    check("IMDSv2, one hop, no key pair, in the subnet, gone when it powers "
          "off", data["NetworkInterfaces"][0]["SubnetId"] == made["Subnet"] and
          data["IamInstanceProfile"]["Name"] == "crashcart-cart" and
          data["MetadataOptions"]["HttpTokens"] == "required" and
          data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1 and
          "KeyName" not in data and
          data["InstanceInitiatedShutdownBehavior"] == "terminate", data)
    complete(s3, out["Bucket"], t["Resources"]["Bucket"]["Properties"], made,
             "GOVERNANCE")
    lock = s3.get_object_lock_configuration(Bucket=out["Bucket"])
    check("the bucket locks", lock["ObjectLockConfiguration"]["Rule"][
        "DefaultRetention"]["Mode"] == "GOVERNANCE", lock)
    return out, made


def member(e, t):
    """There are the roles for the account of the evidence, and no more."""
    session = e.of(MEMBER)
    s3, cf = (e.client(n, session) for n in ("s3", "cloudformation"))
    s3.create_bucket(Bucket="of-member")
    s3.put_object(Bucket="of-member", Key="t", Body=json.dumps(dict(
        t, Resources={k: v for k, v in t["Resources"].items()
                      if "Route53Resolver" not in v["Type"]})))
    cf.create_stack(
        StackName="crashcart", Capabilities=["CAPABILITY_NAMED_IAM"],
        TemplateURL="http://127.0.0.1:%d/of-member/t" % e.port, Parameters=[
            {"ParameterKey": "ForensicAccount", "ParameterValue": ACCOUNT}])
    stack = stack_of(cf)
    check("the stack of a member, without an image", stack[
        "StackStatus"] == "CREATE_COMPLETE", stack)
    made = cf.describe_stack_resources(StackName="crashcart")["StackResources"]
    check("makes roles and policies only", made and {
        r["ResourceType"] for r in made} == {
            "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"}, made)
    trusted = e.client("iam", session).get_role(
        RoleName="crashcart-collect-instance-compromise")["Role"][
            "AssumeRolePolicyDocument"]["Statement"][0]
    check("which the cart's role may take on, from there alone", trusted[
        "Principal"] == {"AWS": "arn:aws:iam::%s:root" % ACCOUNT} and
        trusted["Condition"] == {"ArnEquals": {
            "aws:PrincipalArn": "arn:aws:iam::%s:role/crashcart-cart" %
            ACCOUNT}}, trusted)


def forever(e, t):
    """The lock that nobody lifts, in an account of its own."""
    session = e.of("333344445555")
    s3, cf, sfn = (e.client(n, session) for n in (
        "s3", "cloudformation", "stepfunctions"))
    s3.create_bucket(Bucket="for-ever")
    t = dict(t, Resources={k: v for k, v in t["Resources"].items()
                           if "Route53Resolver" not in v["Type"]})
    s3.put_object(Bucket="for-ever", Key="t", Body=json.dumps(t))
    cf.create_stack(
        StackName="crashcart", Capabilities=["CAPABILITY_NAMED_IAM"],
        TemplateURL="http://127.0.0.1:%d/for-ever/t" % e.port, Parameters=[
            {"ParameterKey": k, "ParameterValue": v} for k, v in (
                ("Image", "ami-0123456789abcdef0"),
                ("LockMode", "COMPLIANCE"), ("RetainDays", "7"))])
    stack = stack_of(cf)
    check("a stack that locks for good", stack["StackStatus"] ==
          "CREATE_COMPLETE", stack)
    out = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    complete(s3, out["Bucket"], t["Resources"]["Bucket"]["Properties"], {
        r["LogicalResourceId"]: r["PhysicalResourceId"] for r in
        cf.describe_stack_resources(StackName="crashcart")[
            "StackResources"]}, "COMPLIANCE")
    lock = s3.get_object_lock_configuration(Bucket=out["Bucket"])[
        "ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    check("by default", lock["Mode"] == "COMPLIANCE", lock)
    machine = sfn.describe_state_machine(stateMachineArn=out["Machine"])
    check("and each cart is told so", "$lowercase('COMPLIANCE') & ':7'" in
          machine["definition"] and "'COMPLIANCE' = 'COMPLIANCE' ? "
          "'irreversible'" in machine["definition"], machine)


def complete(s3, bucket, p, made, mode):
    """By the API what the emulator's CloudFormation leaves out of a bucket, as
    the template has it."""
    lock = dict(p["ObjectLockConfiguration"], Rule={"DefaultRetention": {
        "Mode": mode, "Days": 365}})
    rule = p["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    rule = {"ApplyServerSideEncryptionByDefault": dict(
        rule["ServerSideEncryptionByDefault"],
        KMSMasterKeyID=made["EncryptKey"])}
    for what, get, put in (
            ("Object Lock", s3.get_object_lock_configuration,
             lambda: s3.put_object_lock_configuration(
                 Bucket=bucket, ObjectLockConfiguration=lock)),
            ("encryption", s3.get_bucket_encryption,
             lambda: s3.put_bucket_encryption(
                 Bucket=bucket, ServerSideEncryptionConfiguration={
                     "Rules": [rule]}))):
        try:
            get(Bucket=bucket)
        except ClientError:
            print("the emulator's CloudFormation leaves out " + what)
            put()


def roles(e, t):
    """The deployed roles, with their policies, in the incident's account; a
    session of the cart's own role there, and in the emulator."""
    got = e.client("sts").assume_role(
        RoleArn="arn:aws:iam::%s:role/crashcart-cart" % ACCOUNT,
        RoleSessionName="i-cart")["Credentials"]
    key = {"id": got["AccessKeyId"], "secret": got["SecretAccessKey"],
           "token": got["SessionToken"]}
    theirs = [m for m in MANIFESTS if m != "preserve-snapshot"]
    for account, session, names in (
            (ACCOUNT, None, ["cart"] + ["collect-" + m for m in MANIFESTS]),
            (MEMBER, e.of(MEMBER), ["collect-" + m for m in theirs])):
        held(e.client("iam", session), account, names, key)
    return key


def held(iam, account, names, key):
    """What the template gave them, in the simulated account too."""
    for name in ["crashcart-" + n for n in names]:
        docs = {}
        for p in iam.list_attached_role_policies(RoleName=name)[
                "AttachedPolicies"]:
            doc = iam.get_policy_version(PolicyArn=p["PolicyArn"],
                                         VersionId="v1")
            docs[p["PolicyName"]] = doc["PolicyVersion"]["Document"]
            text = json.dumps(docs[p["PolicyName"]], separators=(",", ":"))
            check("IAM holds " + p["PolicyName"], len(text) <= 6144,
                  len(text))
        for p in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            docs[p] = iam.get_role_policy(RoleName=name, PolicyName=p)[
                "PolicyDocument"]
        if name != "crashcart-cart":
            same_policy(name[len("crashcart-collect-"):], docs)
        sim("role", {"name": name, "policies": docs, "trust": iam.get_role(
            RoleName=name)["Role"]["AssumeRolePolicyDocument"],
            "key": key if name == "crashcart-cart" else None,
            "account": account})


def given(name):
    return [x for k, v in MANIFESTS[name].items() for x in (
        "-p", "%s=%s" % (k, v if isinstance(v, str) else json.dumps(v)))]


def same_policy(name, docs):
    """Together they say what plan --policy prints, for any instance."""
    def flat(documents):
        return sorted((a, r, json.dumps(s.get("Condition")))
                      for d in documents for s in d["Statement"]
                      for a in s["Action"] for r in s["Resource"])
    r = run(CART, "plan", name, *given(name), "--policy")
    want = r.stdout
    # a cart is not allowed to contain: what changes is in no role
    if name == "compromised-key":
        want = json.loads(want)
        want = json.dumps(dict(want, Statement=[
            s for s in want["Statement"] if s["Sid"].startswith("Read")]))
    for k in ("instance_id", "snapshot_id"):
        if k in MANIFESTS[name]:
            want = want.replace(MANIFESTS[name][k], "*")
    check("the role of %s holds what is printed" % name, flat(docs.values()) ==
          flat([json.loads(want)]), r.stderr)


# ---- the way of a finding ---------------------------------------------------------------

def certificate(names):
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem",
            "-days", "3", "-subj", "/CN=endpoints", "-addext",
            "basicConstraints=critical,CA:TRUE", "-addext",
            "keyUsage=critical,keyCertSign")
    with open("ext", "w", encoding="ascii") as f:
        f.write("subjectAltName=" + ",".join("DNS:" + n for n in names))
    openssl("req", *curve, "-keyout", "e.key", "-out", "e.csr", "-subj",
            "/CN=x")
    openssl("x509", "-req", "-in", "e.csr", "-CA", "ca.pem", "-CAkey",
            "ca.key", "-CAcreateserial", "-out", "e.pem", "-days", "3",
            "-extfile", "ext")


def names_of(t):
    """The names that the template's firewall lets through, here."""
    out = []
    for r in ("NamesHere", "NamesSweep"):
        for n in t["Resources"][r]["Properties"]["Domains"]:
            n = n if isinstance(n, str) else n["Fn::Sub"]
            out.append(n.replace("${AWS::Region}", "us-east-1"))
    return out


def boot(user_data, key):
    """The instance, until it powers off: nothing but its metadata is given."""
    deploy_net.Metadata.tree = {
        "user-data": user_data,
        "meta-data/iam/security-credentials/": "crashcart-cart",
        "meta-data/iam/security-credentials/crashcart-cart": json.dumps({
            "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": key["id"],
            "SecretAccessKey": key["secret"], "Token": key["token"],
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(
                time.time() + 3000))}),
        "meta-data/placement/region": "us-east-1",
        "meta-data/instance-id": "i-0c0ffee0c0ffee000",
        "dynamic/instance-identity/document": json.dumps({
            "region": "us-east-1", "accountId": ACCOUNT})}
    os.makedirs("work", exist_ok=True)
    return run(*SUBNET, "env", "-i", "AWS_CA_BUNDLE=" + os.path.abspath(
        "ca.pem"), CART, "boot", "--work", "work", "--json")


def started(e, machine, event):
    """Starts the machine as the rule does; (execution, instance, what was asked)"""
    sfn, ec2 = e.client("stepfunctions"), e.client("ec2")
    before = {i["InstanceId"] for i in instances(ec2)}
    arn = sfn.start_execution(stateMachineArn=machine,
                              input=json.dumps(event))["executionArn"]
    for _ in range(200):
        new = [i for i in instances(ec2) if i["InstanceId"] not in before]
        if new or sfn.describe_execution(executionArn=arn)[
                "status"] != "RUNNING":
            break
        time.sleep(0.1)
    if not new:
        return arn, None, None
    return arn, new[0], launched()[-1]


def launched():
    with open("launched.json", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def instances(ec2):
    return [i for r in ec2.describe_instances()["Reservations"]
            for i in r["Instances"]]


def finished(e, arn):
    sfn = e.client("stepfunctions")
    for _ in range(300):
        d = sfn.describe_execution(executionArn=arn)
        if d["status"] != "RUNNING":
            break
        time.sleep(0.1)
    check("the execution succeeds", d["status"] == "SUCCEEDED", d)
    return json.loads(d.get("output") or "{}")


def automation(e, out, made, key):
    arn, box, asked = started(e, out["Machine"], MACIE)
    if not check("the finding launches an instance", box, finished(
            e, arn) if not box else ""):
        return
    check("by the launch template, and nothing of it is overruled", asked[
        "LaunchTemplate.LaunchTemplateId"] == made["LaunchTemplate"] and not
        set(asked) & {"SubnetId", "KeyName", "IamInstanceProfile.Name",
                      "ImageId", "SecurityGroupId.1"}, asked)
    data = base64.b64decode(asked["UserData"]).decode()
    watch = subprocess.Popen(
        [*SUBNET, sys.executable, "-B", TOP + "/tests/sim/deploy_net.py",
         "capture", "eth0", "capture.json"], stdout=subprocess.PIPE)
    watch.stdout.readline()
    r = boot(data, key)
    watch.send_signal(signal.SIGTERM)
    watch.wait(30)
    if not check("the cart collects", r.returncode in (0, 3),
                 r.stdout[-600:] + r.stderr[-1500:]):
        return
    check("and says which regions are left out", "--only-region: " in r.stderr,
          r.stderr)
    last = json.loads(r.stdout.strip().split("\n")[-1])
    e.client("ec2").terminate_instances(InstanceIds=[box["InstanceId"]])
    index = finished(e, arn)
    target = index["targets"][0]
    check("the index names the bundle", target["state"] == "sealed" and
          target["bundles"] == [last["location"][:-len(".tar")]],
          (index, last))
    s3 = e.client("s3")
    kept = s3.get_object(Bucket=out["Bucket"], Key=index["index"].split(
        "/", 3)[3])["Body"].read()
    check("and lies in the bucket", json.loads(kept)["targets"] ==
          index["targets"], kept)
    bundle(e, out, last, "back")
    again, box, _ = started(e, out["Machine"], MACIE)
    check("the same finding launches no other", box is None)
    check("and is told so", finished(e, again)["targets"][0]["state"] ==
          "collected before")
    traffic()


def bundle(e, out, last, back):
    s3 = e.client("s3")
    os.makedirs(back, exist_ok=True)
    prefix = last["location"].split("/", 3)[3].rsplit("/", 1)[0] + "/"
    versions = s3.list_object_versions(Bucket=out["Bucket"],
                                       Prefix=prefix)["Versions"]
    for v in versions:
        with open(back + "/" + v["Key"].rsplit("/", 1)[1], "wb") as f:
            f.write(s3.get_object(Bucket=out["Bucket"], Key=v["Key"])[
                "Body"].read())
    spki = e.client("kms").get_public_key(KeyId=out["SealKey"])["PublicKey"]
    # by the very commands of the instructions
    with open(TOP + "/scripts/deploy/README.md", encoding="utf-8") as f:
        way = re.search(r"base64 -d \| tail.*\n.*seal\.pub\n", f.read())[0]
    subprocess.run(["sh", "-ec", way], input=base64.b64encode(spki),
                   check=True)
    with open("seal.pub", encoding="ascii") as f:
        pub = f.read()
    r = run(*LAB, CART, "verify", back, "--pubkey", pub)
    check("it verifies in the lab, sealed by the key in KMS",
          r.returncode == 0, r.stdout + r.stderr)
    r = run(*LAB, CART, "report", back, "--out", "-",
            "--pubkey", pub)
    check("the report says which regions were left out", re.search(
        r"By its options: --only-region: \d+ enabled regions are left out",
        r.stdout), r.stderr + r.stdout[:200])
    names = {v["Key"].rsplit(".", 1)[1] for v in versions}
    check("tar, seal and signature", {"tar", "seal", "minisig"} <= names,
          versions)
    for v in versions:
        if not v["Key"].endswith((".tar", ".seal", ".minisig")):
            continue
        where = {"Bucket": out["Bucket"], "Key": v["Key"]}
        same = dict(where, VersionId=v["VersionId"])
        head = s3.head_object(**same)
        check("locked and encrypted: " + v["Key"], head.get(
            "ObjectLockMode") == "GOVERNANCE" and head.get(
                "ServerSideEncryption") == "aws:kms", head)
        for what, call, more in (
                ("deleting", s3.delete_object, same),
                ("unlocking", s3.put_object_retention, dict(
                    same, Retention={"Mode": "GOVERNANCE", "RetainUntilDate":
                                     time.time() + 60})),
                ("overwriting", s3.put_object, dict(
                    where, Body=b"other", IfNoneMatch="*"))):
            try:
                call(**more)
                check("%s %s is refused" % (what, v["Key"]), False)
            except ClientError as error:
                check("%s %s is refused" % (what, v["Key"]), error.response[
                    "Error"]["Code"] in ("AccessDenied",
                                         "PreconditionFailed"), error)
        before = s3.get_object(**same)["ETag"]
        s3.put_object(Body=b"other", **where)
        check("what is put over it leaves it: " + v["Key"], s3.get_object(
            **same)["ETag"] == before)


def traffic():
    with open("capture.json", encoding="utf-8") as f:
        c = json.load(f)
    check("no frame was lost", c["drops"] == 0, c["drops"])
    may = {deploy_net.RESOLVER + " 17 53", deploy_net.METADATA + " 6 80",
           deploy_net.CLOCK + " 17 123", deploy_net.ENDPOINT + " 6 443",
           deploy_net.GATEWAY + " 6 443"}
    talk = {w for w in c["seen"] if w != "0806" and
            not re.fullmatch("ipv6 58 8[5-8f]|ipv6 0 .*", w)}
    print("capture: %s; names: %s" % (c["seen"], " ".join(c["names"])),
          flush=True)
    check("nothing else is talked to", talk <= may, talk - may)
    # the clock only where the machine says that it is an instance
    may.remove(deploy_net.CLOCK + " 17 123")
    check("and these are", talk >= may, may - talk)
    check("no name outside the endpoints'", c["names"] and all(any(
        n == k or (k[:2] == "*." and n.endswith(k[1:]))
        for k in deploy_net.Resolver.names) for n in c["names"]), c["names"])


# ---- what becomes of each kind of finding, and of a fleet ---------------------------

BOX, KEY = "i-0123456789abcdef0", "AKIAIOSFODNN7EXAMPLE"
SWEEP = ("account-sweep", None)


def event(source, kind, detail):
    return dict(MACIE, source=source, detail=detail, **{"detail-type": kind})


def guardduty(kind, resource, **more):
    return event("aws.guardduty", "GuardDuty Finding", {
        "schemaVersion": "2.0", "accountId": MEMBER, "region": "us-east-1",
        "partition": "aws", "id": hashlib.md5(kind.encode()).hexdigest(),
        "arn": "arn:aws:guardduty:us-east-1:%s:detector/d/finding/f" % MEMBER,
        "type": kind, "severity": 8, "title": kind, "resource": resource,
        "service": dict({"serviceName": "guardduty", "archived": False,
                         "count": 1, "resourceRole": "TARGET"}, **more)})


def securityhub(kind, *resources, **more):
    return event("aws.securityhub", "Security Hub Findings - Imported", {
        "findings": [dict({
            "SchemaVersion": "2018-10-08", "Id": kind, "ProductName": "Acme",
            "ProductArn": "arn:aws:securityhub:us-east-1::product/acme/acme",
            "GeneratorId": "acme", "AwsAccountId": MEMBER, "Types": [kind],
            "Region": "us-east-1", "RecordState": "ACTIVE", "Title": kind,
            "Severity": {"Label": "CRITICAL", "Normalized": 90},
            "Workflow": {"Status": "NEW"}, "WorkflowState": "NEW",
            "Resources": list(resources)}, **more)]})


def asff(kind, ident, **more):
    return dict({"Type": kind, "Id": ident, "Partition": "aws",
                 "Region": "us-east-1"}, **more)


def kinds():
    """name -> (event, [(manifest, parameter or reason)])"""
    box = {"instanceId": BOX, "instanceType": "t3.large", "imageId": "ami-1"}
    key = {"accessKeyId": KEY, "principalId": "AIDAIOSFODNN7EXAMPLE",
           "userName": "build", "userType": "IAMUser"}
    session = dict(key, accessKeyId="ASIAIOSFODNN7EXAMPLE",
                   userType="AssumedRole")
    i, k = ("instance-compromise", BOX), ("compromised-key", KEY)
    s = ("compromised-key", session["accessKeyId"])
    arn = "arn:aws:ec2:us-east-1:%s:instance/" % MEMBER + BOX
    none = "a check of configuration or software, not an incident"
    return {
        "an instance": (guardduty("CryptoCurrency:EC2/BitcoinTool.B", {
            "resourceType": "Instance", "instanceDetails": box}), [i]),
        "a key": (guardduty("Exfiltration:IAMUser/AnomalousBehavior", {
            "resourceType": "AccessKey", "accessKeyDetails": key}), [k]),
        "an instance's credentials elsewhere": (guardduty(
            "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration."
            "OutsideAWS", {"resourceType": "AccessKey", "instanceDetails": box,
                           "accessKeyDetails": session}), [i, s]),
        "a bucket": (guardduty("Exfiltration:S3/MaliciousIPCaller", {
            "resourceType": "S3Bucket", "s3BucketDetails": [{"name": "b"}],
            "accessKeyDetails": {"userType": "AWSAccount"}}), [SWEEP]),
        "a cluster": (guardduty("PrivilegeEscalation:Kubernetes/"
                           "PrivilegedContainer", {
            "resourceType": "EKSCluster", "eksClusterDetails": {
                "name": "c"}}), [SWEEP]),
        "a sample": (guardduty("Backdoor:EC2/C&CActivity.B", {
            "resourceType": "Instance", "instanceDetails": dict(
                box, instanceId="i-99999999")}, additionalInfo={
                    "sample": True}), [("", "a sample finding")]),
        "a sample of Macie": (dict(MACIE, detail=dict(
            MACIE["detail"], id="sample", sample=True)),
            [("", "a sample finding")]),
        "Macie, another bucket": (dict(MACIE, detail=dict(
            MACIE["detail"], id="other")), [SWEEP]),
        "two instances and a key": (securityhub(
            "TTPs/Command and Control", asff("AwsEc2Instance", arn), asff(
                "AwsEc2Instance", arn[:-1] + "1"), asff(
                    "AwsIamAccessKey", "AWS::IAM::AccessKey:" + KEY)),
            [i, (i[0], BOX[:-1] + "1"), k]),
        "a key in its details": (securityhub(
            "Unusual Behaviors/User", asff(
                "AwsIamAccessKey", "arn:aws:iam::%s:user/build" % MEMBER,
                Details={"AwsIamAccessKey": {"AccessKeyId": KEY,
                                             "Status": "Active"}})), [k]),
        "a function": (securityhub("Effects/Data Exfiltration", asff(
            "AwsLambdaFunction", "arn:aws:lambda:us-east-1:%s:function:f" %
            MEMBER)), [SWEEP]),
        "a vulnerability": (securityhub(
            "Software and Configuration Checks/Vulnerabilities/CVE", asff(
                "AwsEc2Instance", arn), ProductName="Inspector"), [("", none)]),
        "a control": (securityhub("Effects", asff(
            "AwsEc2Instance", arn), Compliance={"Status": "FAILED"}),
            [("", none)]),
    }


def targets(e, out, pattern):
    """A fleet, and a finding of each kind, all at once; each instance ends
    soon, but one."""
    sfn, ec2, s3 = (e.client(n) for n in ("stepfunctions", "ec2", "s3"))
    whole = sfn.describe_state_machine(stateMachineArn=out["Machine"])
    text = whole["definition"]

    def changed(name, change):
        d = json.loads(re.sub(r"(60 \* |floor\()720\b", r"\g<1>10", text))
        change(d["States"]["Collect"])
        change(d["States"]["Fleet"])
        return sfn.create_state_machine(
            name=name, roleArn=whole["roleArn"], definition=json.dumps(d))[
                "stateMachineArn"]

    def fleet_of(c):
        check("as many at once as AtOnce says", c["MaxConcurrency"] == 10, c)
        c["MaxConcurrency"] = 2

    def broken(c):
        for name in ("Reachable", "ReachableListed"):
            if name in c["ItemProcessor"]["States"]:
                c["ItemProcessor"]["States"][name] = {"Type": "Fail"}

    def start(machine, given):
        return sfn.start_execution(stateMachineArn=machine, input=json.dumps(
            given))["executionArn"]

    def target(case, **more):
        return dict({"manifest": "instance-compromise", "account": ACCOUNT,
                     "params": {"instance_id": BOX}, "case": case}, **more)
    fleet = [target("F-stuck"), target("F-1"), target("F-member",
                                                      account=MEMBER),
             target("F-full"), target("F-dead"), target("F-afar",
                                                        region="eu-west-3"),
             target("F-what", manifest="host-triage"), target("F-5"),
             target("F/6"), target("F-7", account=7), "F-8"]
    bad, lists = changed("broken", broken), lists_of(e, out, whole["roleArn"],
                                                     target)
    runs = {"fleet": start(changed("fleet", fleet_of), {"targets": fleet}),
            "broken": start(bad, {"targets": fleet[:2]}),
            "list": start(out["Machine"], {"list": "long.json"}),
            "bad list": start(bad, {"list": "short.json"}),
            "no list": start(out["Machine"], {"list": "other.json"})}
    many = start(out["Machine"], {"targets": [fleet[-1]] * 251})
    wanted = kinds()
    for name, (finding, _) in wanted.items():
        check("the rule takes " + name, e.client("events").test_event_pattern(
            EventPattern=pattern, Event=json.dumps(finding))["Result"])
        runs[name] = start(out["Machine"], finding)
    most, over = 0, time.time() + 240
    while time.time() < over and any(sfn.describe_execution(executionArn=a)[
            "status"] == "RUNNING" for a in runs.values()):
        now = {t["Value"]: i["InstanceId"] for i in instances(ec2)
               if i["State"]["Name"] in ("pending", "running")
               for t in i.get("Tags", []) if t["Key"] == "crashcart"}
        most = max(most, len([c for c in now if c[0] == "F"]))
        for case, box in now.items():
            if case in ("F-stuck", "L-runs"):
                continue
            if case != "F-dead":
                s3.put_object(Bucket=out["Bucket"], Body=b"seal",
                              Key="bundles/%s/x.seal" % case)
            ec2.terminate_instances(InstanceIds=[box])
        time.sleep(0.2)
    check("two at once, never more", most == 2, most)
    for name, (_, want) in wanted.items():
        got = index_of(e, out, runs[name])
        have = [(t["manifest"], t.get("why") or (list(t["params"].values())
                                                 or [""])[0]) for t in got]
        check("%s becomes %s" % (name, want), have == [
            (m, p if p else h[1]) for (m, p), h in zip(want, have)] and
            len(have) == len(want) and all(
                t["state"] == ("sealed" if t["manifest"] else
                               "no manifest: " + t["why"]) and
                t["account"] == (ACCOUNT if "Macie" in name else MEMBER)
                for t in got), got)
    many = sfn.describe_execution(executionArn=many)
    check("more targets than an index holds are refused", many["status"] ==
          "FAILED" and many.get("error") == "TooManyTargets", many)
    of_fleet(index_of(e, out, runs["fleet"]), out, ec2, fleet)
    of_lists(e, out, runs, lists)
    got = index_of(e, out, start(out["Machine"], {"targets": [fleet[3]]}))
    check("what was not launched may be tried again", got[0][
        "state"].startswith("not launched: "), got)
    got = index_of(e, out, runs["broken"])
    check("of a map that failed, an entry for each target too", [
        t["case"] for t in got] == ["F-stuck", "F-1"] and all(
            t["state"].startswith("failed: ") for t in got), got)


def lists_of(e, out, role, target):
    """A list of more targets than an input holds, and claims that are there
    already: of executions that were stopped, and of one that goes on."""
    sfn, s3 = e.client("stepfunctions"), e.client("s3")
    idle = sfn.create_state_machine(name="idle", roleArn=role, definition=(
        '{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9000, '
        '"End": true}}}'))["stateMachineArn"]
    busy, dead = (sfn.start_execution(stateMachineArn=idle)["executionArn"]
                  for _ in range(2))
    sfn.stop_execution(executionArn=dead)
    for case, who in (("aborted", dead), ("sent", dead), ("runs", dead),
                      ("busy", busy)):
        s3.put_object(Bucket=out["Bucket"], Key="claims/L-%s.json" % case,
                      Body=json.dumps({"case": "L-" + case,
                                       "execution": who}))
    s3.put_object(Bucket=out["Bucket"], Key="bundles/L-sent/x.tar", Body=b"x")
    e.client("ec2").run_instances(
        MinCount=1, MaxCount=1, ImageId="ami-1", UserData='{"case": ""}',
        TagSpecifications=[{"ResourceType": "instance", "Tags": [
            {"Key": "crashcart", "Value": "L-runs"}]}])
    items = [target("L-%d" % n, manifest="none") for n in range(
        int(ENV.get("DEPLOY_TARGETS", "300")))]
    items[7:7] = [target("L-" + c) for c in (
        "one", "lost", "aborted", "sent", "runs", "busy")]
    for key, value in (("long", items), ("short", items[:2])):
        s3.put_object(Bucket=out["Lists"], Key=key + ".json",
                      Body=json.dumps(value))
    return items, {"L-sent": dead, "L-runs": dead, "L-busy": busy}


def of_lists(e, out, runs, lists):
    """One index, whatever the number; a claim is taken over where nothing
    came of it, and nowhere else."""
    items, others = lists
    s3 = e.client("s3")

    def head_of(name):
        d = finished(e, runs[name])
        kept = json.load(s3.get_object(Bucket=out["Bucket"], Key=d[
            "index"].split("/", 3)[3])["Body"])
        check("the index of %s lies in the bucket" % name, kept == {
            k: v for k, v in d.items() if k != "index"}, (kept, d))
        return kept
    head = head_of("list")
    count = len(items)
    check("a list of %d is worked off whole" % count, head["state"] ==
          "complete" and head["targets"] == {
              "asked": count, "have an entry": count, "failed": 0} and
          head["failed"] == [], head)
    where = head["entries"].split("/", 3)
    got = {}
    if check("its entries are beside it", where[2:3] == [out["Bucket"]], head):
        got = [json.loads(line) for line in s3.get_object(
            Bucket=where[2], Key=where[3])["Body"].read().splitlines()]
        check("one for each target, in one index", [t["case"] for t in got] ==
              [t["case"] for t in items], len(got))
        got = {t["case"]: t["state"] for t in got}
    for case in ("L-one", "L-lost", "L-aborted"):
        check("%s is collected" % case, got.get(case) == "sealed",
              got.get(case))
    for case, who in others.items():
        check("%s is left to whose it is" % case, got.get(case) ==
              "not sealed: claimed by " + who, got.get(case))
    check("the others too have their reason", got.get("L-9") ==
          "no manifest: a crash cart starts none named none", got.get("L-9"))
    head = head_of("bad list")
    check("what failed is told", head["state"].startswith("some have no") and
          head["entries"] == "" and len(head["failed"]) == 1 and
          head["targets"] == {"asked": 2, "have an entry": 0, "failed": 2},
          head)
    head = head_of("no list")
    check("a list that is not there too", re.match(
        "failed: States.ItemReaderFailed", head["state"]), head)


def index_of(e, out, arn):
    d = finished(e, arn)
    if "index" not in d:
        return []
    kept = json.load(e.client("s3").get_object(
        Bucket=out["Bucket"], Key=d["index"].split("/", 3)[3])["Body"])
    check("its index lies in the bucket", kept["targets"] == d["targets"] and
          kept["execution"] == arn, kept)
    return kept["targets"]


def of_fleet(got, out, ec2, fleet):
    states = {t["case"]: t for t in got}
    check("an entry for each target", len(got) == len(fleet), got)
    for case, state in (
            ("F-1", "sealed"), ("F-member", "sealed"), ("F-5", "sealed"),
            ("F-full", "not launched: .*InsufficientInstanceCapacity.*"),
            ("F-dead", "not sealed: terminated"),
            ("F-stuck", "not sealed: out of time"),
            ("F-afar", "no crash cart in that region"),
            ("F-what", "no manifest: .* host-triage"),
            ("F/6", "not launched: case .*"), ("F-7", "not launched: acc.*"),
            ("", "no manifest: not an object")):
        t = states.get(case, {})
        check("%s: %s" % (case, state), re.fullmatch(state, t.get(
            "state", "")), t)
    for case in ("F-dead", "F-stuck"):
        t = states[case]
        check("what to do for " + case, t["instance"].startswith("i-") and
              t["do"].startswith("crashcart salvage s3://%s/bundles/%s/ " % (
                  out["Bucket"], case)), t)
    check("what hangs is terminated", [
        i["State"]["Name"] for i in instances(ec2)
        if i["InstanceId"] == states["F-stuck"]["instance"]][0] in (
            "terminated", "shutting-down"))
    data = [json.loads(base64.b64decode(x["UserData"])) for x in launched()
            if "UserData" in x]
    member = [d for d in data if d["case"] == "F-member"]
    check("a member account is reached by its role, and nothing else",
          len(member) == 1 and member[0]["role"] ==
          "arn:aws:iam::%s:role/crashcart-collect-instance-compromise" %
          MEMBER and member[0]["options"]["expect-account"] == MEMBER and
          member[0]["options"]["bucket-owner"] == ACCOUNT, member)
    check("a cart is told to end before it is ended", member[0]["options"][
        "max-time"] == "9m", member)


def denied(first):
    """What the account with the incident refused since, but that Macie is
    not switched on."""
    return [x for x in sim("log?since=%d" % first) if x["error"] in (
        "UnauthorizedOperation", "AccessDenied", "AccessDeniedException")
        and not (x["service"] == "macie2" and "not enabled" in
                 x.get("message", ""))]


def of_member(e, out, key):
    """A finding about an instance of another account: the cart's role takes
    on the member's, and what it collects there comes here."""
    box = sim("mirror", {"account": MEMBER})["instance"]
    arn, launch, asked = started(e, out["Machine"], guardduty(
        "Backdoor:EC2/C&CActivity.B!DNS", {
            "resourceType": "Instance", "instanceDetails": {
                "instanceId": box}}))
    if not check("a member's finding launches an instance", launch):
        return
    first = sim("state")["requests"]
    r = boot(base64.b64decode(asked["UserData"]).decode(), key)
    if not check("the cart collects in the member's account", r.returncode in
                 (0, 3) and not denied(first), (r.returncode, denied(first)[
                     :2], r.stderr[-900:])):
        return
    e.client("ec2").terminate_instances(InstanceIds=[launch["InstanceId"]])
    last = json.loads(r.stdout.strip().split("\n")[-1])
    index = finished(e, arn)["targets"][0]
    check("and its bundle is in the index", index["account"] == MEMBER and
          index["state"] == "sealed" and index["bundles"] == [
              last["location"][:-len(".tar")]], (index, last))
    calls = [x for x in sim("log?since=%d" % first) if x["service"] != "imds"]
    by = {x["principal"].split("/")[1] for x in calls if x["account"] ==
          MEMBER}
    check("by that account's role alone", by == {
        "crashcart-collect-instance-compromise"}, by)
    taken = {x["operation"] for x in calls if x["account"] != MEMBER}
    check("the cart's own did nothing but take it on", taken <= {
        "AssumeRole", "GetCallerIdentity"} and "AssumeRole" in taken, taken)
    check("snapshots were taken there", [
        x for x in calls if x["account"] == MEMBER and x["status"] == 200 and
        x["operation"].startswith("CreateSnapshot")], sorted({
            x["operation"] for x in calls}))
    bundle(e, out, last, "member")
    r = run(CART, "list", "member", "--json")
    check("it is about that instance", box in r.stdout, r.stdout[:300])


def every_manifest(out, key):
    """Each with the user-data that the machine makes, under the roles."""
    for name, params in MANIFESTS.items():
        case = "M-" + name
        hard = name == "compromised-key"
        data = {
            "crashcart-user-data": 1, "manifest": name, "params": params,
            "case": case, "out": "s3://%s/bundles/%s/" % (out["Bucket"], case),
            "allow": ["irreversible"] if hard else ["evidence"],
            "role": "arn:aws:iam::%s:role/crashcart-collect-%s" % (
                ACCOUNT, name),
            "options": {"region": "us-east-1", "only-region": ["us-east-1"],
                        "expect-account": ACCOUNT, "bucket-owner": ACCOUNT,
                        "retain": "compliance:1" if hard else
                        "governance:30"}}
        first = sim("state")["requests"]
        r = boot(json.dumps(data), key)
        refused = denied(first)
        check("%s under its role" % name, r.returncode in (0, 3) and
              not refused, (r.returncode, refused[:2], r.stderr[-900:]))


def no_way_around(e, out):
    """Of what is locked in compliance mode nobody takes anything back; the
    other mode yields to who may bypass it (here nobody is held by policies)."""
    s3 = e.client("s3")
    for case, mode in (("M-compromised-key", "COMPLIANCE"),
                       ("M-instance-compromise", "GOVERNANCE")):
        v = [v for v in s3.list_object_versions(
            Bucket=out["Bucket"], Prefix="bundles/%s/" % case)["Versions"]
            if v["Key"].endswith(".seal")][0]
        where = {"Bucket": out["Bucket"], "Key": v["Key"],
                 "VersionId": v["VersionId"]}
        head = s3.head_object(**where)
        check("%s is locked: %s" % (case, mode), head.get(
            "ObjectLockMode") == mode, head)
        try:
            s3.delete_object(BypassGovernanceRetention=True, **where)
            gone = True
        except ClientError as error:
            gone = error.response["Error"]["Code"] != "AccessDenied"
        check("and bypassed: " + mode, gone == (mode == "GOVERNANCE"))


def main():
    t = static()
    e = Emulator()
    try:
        out, made = deploy(e, t)
        member(e, t)
        forever(e, t)
        rule = e.client("events").list_rules()["Rules"][0]
        events(e, rule["EventPattern"])
        target = e.client("events").list_targets_by_rule(Rule=rule["Name"])[
            "Targets"][0]
        check("what starts nothing is kept in a queue", target[
            "DeadLetterConfig"]["Arn"].endswith(":crashcart-missed"), target)
        key = roles(e, t)
        names = names_of(t)
        certificate(names)
        deploy_net.start(names, {}, key["id"], e.port, int(
            ENV["AWS_ENDPOINT_URL"].rsplit(":", 1)[1]), "e.pem", "e.key")
        automation(e, out, made, key)
        of_member(e, out, key)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            fleet = pool.submit(targets, e, out, rule["EventPattern"])
            every_manifest(out, key)
            no_way_around(e, out)
            fleet.result()
    finally:
        e.process.terminate()
    return ended()


if __name__ == "__main__":
    sys.exit(main())
