/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEP_CHANGE_H
#define STEP_CHANGE_H

#include "crashcart/step.h"

/*
 * One call that changes something and whose effect can be looked up: intent,
 * adoption of what an interrupted run asked for, else the call; and a look
 * when the answer is lost.
 */
#define CART_STEP_MADE_SIZE 160

struct cart_step_change {
	const char *call;		/* "ec2:CopySnapshot" */
	const char *region;		/* NULL: the instance's */
	/* The input, with the change's UUID where it can be found again; "" for
	 * the intent line.  Its caller owns it. */
	struct cart_json *(*input)(void *arg, const char *uuid);
	/* Looks for what the call with this UUID made.  1: ret_made is its id;
	 * 0: not there; -1: err. */
	int (*find)(void *arg, const char *uuid,
		    char ret_made[CART_STEP_MADE_SIZE], struct cart_err *err);
	/* Takes the id out of the call's reply. */
	void (*take)(const struct cart_json *view,
		     char ret_made[CART_STEP_MADE_SIZE]);
	void *arg;
	unsigned visible_ms;		/* after which "not there" is believed */
	bool already;			/* it is so: ended, but not asked for */
};

/* 0 with the id of what was made or adopted, or -1 with err. */
int cart_step_make(struct cart_step_ctx *c, const struct cart_step_change *s,
		   char ret_made[CART_STEP_MADE_SIZE], struct cart_err *err);

/* An array that holds one text. */
struct cart_json *cart_step_one(const char *text);
/* Tags of what a change makes, as TagSpecifications has them. */
void cart_step_tags(struct cart_json *input, const struct cart_step_ctx *c,
		    const char *resource_type, const char *uuid);
#define CART_TAG_CHANGE "crashcart:change"

#endif
