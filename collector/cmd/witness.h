/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_WITNESS_H
#define CMD_WITNESS_H

#include "aws_session.h"
#include "command.h"
#include "crashcart/bundle.h"

/*
 * --witness: while the collection runs, the head of its log is carried away every
 * few minutes.  s3://BUCKET/PREFIX: to PREFIX/NAME/SIZE.checkpoint, never over
 * another.  A time stamping authority's URL, kms:ARN: they sign it, and that
 * goes beside it (.tsr, .minisig) or, without a bucket, all goes to the
 * terminal.  Whoever rewrites earlier lines later, or kills the host, cannot
 * take that back.  What became of each is in the log.
 */
struct cmd_witness;

/* Is there such an option, and can it be meant?  0, or -1 (USAGE). */
int cart_witness_check(const struct cart_args *a, struct cart_err *err);
/* NULL without err: not asked for.  aws and b are borrowed until stop. */
struct cmd_witness *cart_witness_start(const struct cart_args *a,
				       struct cmd_aws *aws,
				       struct cart_bundle *b, const char *name,
				       struct cart_err *err);
/* One last head, then no more: before the bundle is sealed.  Accepts NULL. */
void cart_witness_stop(struct cmd_witness *w);

#endif
