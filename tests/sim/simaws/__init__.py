# SPDX-License-Identifier: Apache-2.0
"""A simulated AWS account with a seeded incident, for tests and rehearsal."""
