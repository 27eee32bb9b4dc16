/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASHCART_FILTER_H
#define CRASHCART_FILTER_H

#include <crashcart/err.h>
#include <crashcart/json.h>

/*
 * The bounded subset of jq that manifests use: paths .a ."a b" .["a"] [] [n]
 * ?, |, select(PATH op LITERAL) with == != < > and or not, length.  What a
 * filter means, it means in jq 1.6 and later.
 */
struct cart_filter;

/* text: the filter.  NULL + err with column and what was meant. */
struct cart_filter *cart_filter_parse(const char *text, size_t len,
				      struct cart_err *err);
void cart_filter_free(struct cart_filter *f);
/* Runs it; each output is given to emit (borrowed).  emit returns 0, or -1
 * to stop.  0; -1 with err where jq would have an error (the outputs before it
 * were given), when emit stopped, or when more than max_steps were needed. */
int cart_filter_run(const struct cart_filter *f, const struct cart_json *input,
		    int (*emit)(void *arg, const struct cart_json *value),
		    void *arg, struct cart_err *err);

#endif
