# SPDX-License-Identifier: Apache-2.0
"""The table of handlers: one plain function an operation."""

HANDLERS = {}
OWN_PAGES = set()       # operations that page by themselves
GENERIC = {}            # service -> handler for operations not in the table


def op(service, *names, pages=False):
    """Register a handler(ctx, params) -> result dictionary."""
    def deco(f):
        for n in names:
            HANDLERS[(service, n)] = f
            if pages:
                OWN_PAGES.add((service, n))
        return f
    return deco


def generic(service):
    def deco(f):
        GENERIC[service] = f
        return f
    return deco


class Ctx:
    """What a handler sees of its call."""
    __slots__ = ("world", "account", "region", "state", "principal", "svc",
                 "op", "request_id", "req", "now")

    def ec2(self, kind):
        return self.state.all(kind)

    def arn(self, service, rest, region=None, account=None):
        return "arn:aws:%s:%s:%s:%s" % (
            service, self.region if region is None else region,
            self.account.number if account is None else account, rest)
