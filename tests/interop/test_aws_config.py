#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our reading of AWS's config files and variables against botocore's.

Random ~/.aws/config and ~/.aws/credentials files, profiles and environments
are given to both: credentials, region and endpoint must be the same, and what
one refuses the other must refuse.

usage: test_aws_config.py [COUNT [SEED]]
"""
import json
import os
import random
import subprocess
import sys
import tempfile

for variable in list(os.environ):
    if variable.startswith("AWS_"):
        del os.environ[variable]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

import botocore.exceptions      # noqa: E402
import botocore.session         # noqa: E402

DRIVER = os.path.join(os.environ["DRIVERS"], "aws_call_driver")
NAMES = ["default", "a", "b", "c d"]
REGIONS = ["us-east-1", "eu-west-1", "ap-south-1"]


def value(rng, key, where):
    if key == "region":
        return rng.choice(REGIONS)
    if key == "endpoint_url":
        return f"http://127.0.0.1:{rng.randrange(1000, 9999)}"
    if key == "services":
        return rng.choice(["s1", "s2", "none"])
    if key == "ignore_configured_endpoint_urls":
        return rng.choice(["true", "True", "false"])
    if key == "aws_access_key_id":
        return "AKIA" + where + str(rng.randrange(1000))
    if key == "aws_session_token":
        return rng.choice(["s/+=x", "a:b", "#no"])
    return rng.choice(["s/+=x", "a:b", "x y", "#no", "v;w", "[x]", "é"])


def setting(rng, key, text):
    gap = rng.choice(["=", " = ", ": ", "=\t", " =", " :"])
    name = rng.choice([key, key, key, key.upper()])
    end = rng.choice(["", "", "", " ", "\t", "\r"])
    return name + gap + text + end


def body(rng, where, keys):
    lines = []
    for key in rng.sample(keys, rng.randrange(len(keys) + 1)):
        lines.append(setting(rng, key, value(rng, key, where)))
        if rng.random() < 0.1:
            lines.append(rng.choice(["", "# c", "; c", "  ", "#", "  # c = d"]))
        if rng.random() < 0.1:
            lines += ["s3 =", "  addressing_style = path",
                      "    max_queue_size=3"][:rng.randrange(2, 4)]
    if "aws_secret_access_key" in keys and rng.random() < 0.8:
        have = {line.split("=")[0].split(":")[0].strip().lower()
                for line in lines}
        for key in ("aws_access_key_id", "aws_secret_access_key"):
            if key not in have:
                lines.append(setting(rng, key, value(rng, key, where)))
    return lines


CRED_KEYS = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"]


def config(rng):
    lines = []
    sections = rng.sample(NAMES, rng.randrange(len(NAMES) + 1))
    for name in sections:
        head = f"profile {name}"
        if " " in name or rng.random() < 0.2:
            head = rng.choice([f'profile "{name}"', f"profile '{name}'"])
        if name == "default" and rng.random() < 0.7:
            head = "default"
        lines.append(f"[{head}]")
        if rng.random() < 0.01:
            lines.append(f"[{head}]")       # twice: an error
        keys = ["region", "endpoint_url", "services", "output",
                "ignore_configured_endpoint_urls"]
        if rng.random() < 0.3:
            keys = keys + CRED_KEYS
        lines += body(rng, "C" + name[0], keys)
    for name in rng.sample(["s1", "s2"], rng.randrange(3)):
        lines.append(f"[services {name}]")
        for service in rng.sample(["ec2", "s3", "iam"], rng.randrange(1, 4)):
            lines.append(f"{service} =")
            lines.append("  endpoint_url = " + value(rng, "endpoint_url", ""))
    if rng.random() < 0.1:
        lines += ["[plugins]", "x = y"]
    if rng.random() < 0.04:
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(
            ["nonsense", "[open", "a = b", "region = eu-west-1"]))
    return "\n".join(lines) + rng.choice(["", "\n"])


def credentials(rng):
    lines = []
    for name in rng.sample(NAMES, rng.randrange(len(NAMES) + 1)):
        lines.append(f"[{name}]")
        lines += body(rng, "S" + name[0], CRED_KEYS + ["region"] *
                      (rng.random() < 0.1))
    return "\n".join(lines) + "\n"


def environment(rng):
    env = {"AWS_EC2_METADATA_DISABLED": "true"}
    if rng.random() < 0.25:
        env["AWS_ACCESS_KEY_ID"] = "AKIAENV"
        env["AWS_SECRET_ACCESS_KEY"] = "env/secret"
        if rng.random() < 0.5:
            env["AWS_SESSION_TOKEN"] = "envtoken"
    if rng.random() < 0.3:
        env["AWS_PROFILE"] = rng.choice(NAMES)
    if rng.random() < 0.1:
        env["AWS_DEFAULT_PROFILE"] = rng.choice(NAMES)
    if rng.random() < 0.3:
        env["AWS_DEFAULT_REGION"] = rng.choice(REGIONS)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2",
                 "AWS_ENDPOINT_URL_IAM"):
        if rng.random() < 0.2:
            env[name] = value(rng, "endpoint_url", "")
    if rng.random() < 0.1:
        env["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = rng.choice(
            ["true", "false"])
    return env


def theirs(case):
    """What botocore makes of it, or its error."""
    saved = dict(os.environ)
    os.environ.update(case["env"])
    os.environ["HOME"] = case["home"]
    try:
        session = botocore.session.Session(profile=case.get("profile"))
        session.get_scoped_config()
        out = {"key": None, "secret": None, "token": None}
        try:
            found = session.get_credentials()
        except botocore.exceptions.PartialCredentialsError:
            found = None
        if found:
            out.update(key=found.access_key, secret=found.secret_key,
                       token=found.token or None)
        out["region"] = session.get_config_variable("region")
        client = session.create_client(
            "ec2", region_name=out["region"] or "us-east-1",
            aws_access_key_id="a", aws_secret_access_key="b")
        out["url"] = client.meta.endpoint_url + "/"
        return out
    except botocore.exceptions.BotoCoreError as e:
        return f"error: {e}"
    finally:
        os.environ.clear()
        os.environ.update(saved)


def ours(text):
    if text.startswith("error: "):
        return text
    out = json.loads(text)
    if "url_error" in out:
        return "error: " + out["url_error"]
    out.pop("why")
    return out


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2 ** 32)
    print(f"{count} cases, seed {seed}, botocore {botocore.__version__}")
    rng = random.Random(seed)
    cases = []
    with tempfile.TemporaryDirectory() as top:
        for i in range(count):
            home = os.path.join(top, str(i))
            os.makedirs(os.path.join(home, ".aws"))
            files = {"config": config(rng), "credentials": credentials(rng)}
            for name, text in files.items():
                if rng.random() < 0.95:
                    with open(os.path.join(home, ".aws", name), "w",
                              encoding="utf-8", newline="") as f:
                        f.write(text)
            case = {"home": home, "env": environment(rng)}
            if rng.random() < 0.3:
                case["profile"] = rng.choice(NAMES)
            cases.append((case, files))
        done = subprocess.run(
            [DRIVER, "settings"], check=True, stdout=subprocess.PIPE,
            input="".join(json.dumps(c) + "\n" for c, _ in cases).encode())
        lines = done.stdout.decode().splitlines()
        if len(lines) != count:
            sys.exit(f"{len(lines)} answers to {count} cases")
        bad = errors = found = 0
        for (case, files), line in zip(cases, lines):
            a, b = theirs(case), ours(line)
            refused = [isinstance(x, str) for x in (a, b)]
            errors += all(refused)
            if refused == [True, True] or a == b:
                found += not refused[0] and a["key"] is not None
                continue
            bad += 1
            if bad <= 5:
                print(f"--- {case}\n{files['config']}\n-- credentials\n"
                      f"{files['credentials']}\nbotocore {a}\nours     {line}")
    print(f"{count - bad} of {count} are equal: {found} with credentials, "
          f"{errors} refused by both")
    sys.exit(1 if bad or found < count / 4 or not errors else 0)


if __name__ == "__main__":
    main()
