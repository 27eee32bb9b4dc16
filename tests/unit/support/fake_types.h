/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAKE_TYPES_H
#define FAKE_TYPES_H

#include "engine/private.h"

/*
 * A small world for tests of the engine: step types that need neither host
 * nor network, and operations whose names say what they do (svc:GetX reads,
 * svc:PutX changes, glob:* is a service with one endpoint).
 *
 *   aws.call     as the real one; every page is one call
 *   fake.evidence  changes "evidence"; keeps "ids"; asks ops->intent
 *   fake.keep    regional, keeps "ids" with what `with.ids` says
 *   fake.may     may change "evidence"
 *   host.disk    volatility 5
 *   host.mem     volatility 1
 */
extern const struct cart_oracle fake_oracle;

/* What run() of host.* and fake.* calls first, if set: 0 goes on. */
extern int (*fake_hook)(struct cart_step_ctx *c, struct cart_err *err);

#endif
