# SPDX-License-Identifier: Apache-2.0
"""The one exception that handlers raise to answer an AWS error."""


class AwsError(Exception):
    """An error answer: wire.py gives it the shape of the service's protocol.

    `fields` are members beyond code and message (Reason, Region ...).
    `coral` marks errors that AWS's front gate answers before the service
    sees the call; in JSON protocols these have a prefixed type and a
    capital "Message", which clients must read as well.
    """

    def __init__(self, code, message, status=400, coral=False, headers=None,
                 **fields):
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.coral = coral
        self.headers = headers or []
        self.fields = fields
