# SPDX-License-Identifier: Apache-2.0
"""Objects of a bucket in an unpacked bag, as cloudtrail.logs and .digests keep
them: files of file sets, or exhibits.  From FORMAT.md alone."""
import subprocess


def objects(lines, top):
    """[(line, bytes)] of all that came by GetObject; line["origin"] says
    what it is."""
    parts, out = {}, []
    for x in lines:
        if x["type"] == "part":
            parts[x["exhibit"], x["part"]] = x
    for x in lines:
        if x.get("origin", {}) == {} or x["type"] not in ("exhibit", "file") \
                or x["origin"].get("operation") != "GetObject" or \
                "key" not in x["origin"]:
            continue
        if x["type"] == "exhibit" and "path" in x:
            with open(top + x["path"], "rb") as f:
                out.append((x, f.read()))
            continue
        pieces = [x["part"]] if x["type"] == "file" else \
            range(1, x["parts"] + 1)
        data = b""
        for n in pieces:
            p = parts[x["exhibit"], n]
            if "inflated" not in p:
                p["inflated"] = subprocess.run(
                    ["zstd", "-dcq", top + p["path"]], check=True,
                    stdout=subprocess.PIPE).stdout
            data += p["inflated"]
        if x["type"] == "file":
            data = data[x["offset"]:x["offset"] + x["size"]]
        out.append((x, data))
    return out
