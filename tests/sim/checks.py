# SPDX-License-Identifier: Apache-2.0
"""What the tests of the simulated account share: a tally of checks, and the
account's control interface (README.md)."""
import json
import os
import threading
import urllib.request

_lock = threading.Lock()
_tally = {True: 0, False: 0}


def check(what, good, more=""):
    """One thing that must hold; `more` is what to look at if it does not."""
    with _lock:
        _tally[bool(good)] += 1
        if not good:
            print("FAIL %s: %s" % (what, str(more)[:900]), flush=True)
    return good


def sim(path, body=None):
    """GET, or POST with a body, of /_sim/PATH."""
    data = None if body is None else json.dumps(body).encode()
    url = os.environ["AWS_ENDPOINT_URL"] + "/_sim/" + path
    with urllib.request.urlopen(url, data, 60) as reply:
        return json.load(reply)


def ended():
    """Prints the tally; the exit status of the test."""
    print("%d passed, %d failed" % (_tally[True], _tally[False]))
    return 1 if _tally[False] or not _tally[True] else 0
