# SPDX-License-Identifier: Apache-2.0
"""Bundles that break one rule each: {name: (rule, hooks of Maker)}."""
BREAKS = {}
