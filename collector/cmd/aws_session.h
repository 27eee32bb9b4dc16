/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_AWS_SESSION_H
#define CMD_AWS_SESSION_H

#include "command.h"
#include "crashcart/aws.h"
#include "crashcart/bundle.h"

/* The options of every command that talks to AWS. */
#define CMD_AWS_OPTIONS \
	{ "profile", 0, "NAME", false, \
	  "Profile of ~/.aws/config and ~/.aws/credentials." }, \
	{ "region", 'r', "REGION", false, \
	  "Region, where the manifest or input names none." }, \
	{ "endpoint-url", 0, "URL", false, \
	  "Send every AWS call there (VPC endpoint, rehearsal)." }, \
	{ "proxy", 0, "URL", false, "HTTP proxy for https calls." }, \
	{ "ca-bundle", 0, "FILE", false, \
	  "CA roots (PEM) instead of the built-in ones." }, \
	{ "ca-add", 0, "FILE", true, \
	  "CA roots (PEM) beside the built-in ones." }, \
	{ "mfa-code", 0, "CODE", false, \
	  "Code for a profile with mfa_serial; otherwise asked for." }, \
	{ "mfa-fd", 0, "N", false, "Read MFA codes from this descriptor." }, \
	{ "trust-environment", 0, NULL, false, \
	  "Let environment and config files change endpoints, proxy and CA " \
	  "even where the manifest reads a suspect host." }

/*
 * Everything that AWS calls need, made from the command line.  What it finds
 * out (endpoints, credential source, clock) becomes log lines once a bundle
 * is there; before that it is kept.
 */
struct cmd_aws;

/* env: taken at start (cart_env_take), borrowed.  host_steps: the manifest
 * reads a suspect host, so the environment is not trusted.  NULL + err. */
struct cmd_aws *cart_cmd_aws_new(const struct cart_args *a, struct cart_env *env,
			    bool host_steps, struct cart_err *err);
/* As above, for what seals the bundle, by the profile of --key-profile: a stop
 * by the operator does not end its calls. */
struct cmd_aws *cart_cmd_aws_new_sealing(const struct cart_args *a,
					 struct cart_env *env, bool host_steps,
					 struct cart_err *err);
/* As the last, by the profile of --upload-profile. */
struct cmd_aws *cart_cmd_aws_new_upload(const struct cart_args *a,
					struct cart_env *env, bool host_steps,
					struct cart_err *err);
void cart_cmd_aws_free(struct cmd_aws *s);
/* Ends the calls under way; arg is a struct cmd_aws. */
void cart_cmd_aws_cancel(void *arg);
struct cart_aws *cart_cmd_aws_client(struct cmd_aws *s);
/* Which account is to own a bucket: that of --OPTION, none for ANY (out is
 * ""), else that of the credentials (sts:GetCallerIdentity).  0 or -1. */
int cart_cmd_aws_owner(struct cmd_aws *s, const struct cart_args *a,
		       const char *option, char out[16], struct cart_err *err);
struct cart_net *cart_cmd_aws_net(struct cmd_aws *s);
struct cart_imds *cart_cmd_aws_imds(struct cmd_aws *s);
/* From now on (and for what was kept) facts go into b's log. */
void cart_cmd_aws_log_to(struct cmd_aws *s, struct cart_bundle *b);

#endif
