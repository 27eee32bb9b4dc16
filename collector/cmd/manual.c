/* SPDX-License-Identifier: Apache-2.0 */
#include "manual.h"

#include <string.h>

#include "command.h"

/* Text for roff: backslashes and a dot or quote at the start of a line. */
static void add_roff(struct cart_buf *b, const char *s)
{
	bool line_start = true;

	for (; *s != '\0'; s++) {
		if (line_start && (*s == '.' || *s == '\''))
			cart_buf_adds(b, "\\&");
		if (*s == '\\')
			cart_buf_adds(b, "\\e");
		else if (*s == '-')
			cart_buf_adds(b, "\\-");
		else
			cart_buf_addc(b, *s);
		line_start = *s == '\n';
	}
}

static void add_options(struct cart_buf *b, const struct cart_option *o)
{
	for (; o->name != NULL; o++) {
		cart_buf_adds(b, ".TP\n.B ");
		if (o->letter != 0)
			cart_buf_addf(b, "\\-%c, ", o->letter);
		cart_buf_adds(b, "\\-\\-");
		add_roff(b, o->name);
		if (o->arg != NULL) {
			cart_buf_adds(b, " \\fI");
			add_roff(b, o->arg);
			cart_buf_adds(b, "\\fR");
		}
		cart_buf_addc(b, '\n');
		add_roff(b, o->help);
		if (o->many)
			cart_buf_adds(b, " May be given more than once.");
		cart_buf_addc(b, '\n');
	}
}

static void add_command(struct cart_buf *b, const struct cart_command *c)
{
	cart_buf_addf(b, ".SS crashcart %s ", c->name);
	add_roff(b, c->usage);
	cart_buf_addc(b, '\n');
	add_roff(b, c->summary);
	cart_buf_addc(b, '\n');
	if (c->about != NULL) {
		cart_buf_adds(b, ".PP\n.nf\n");
		add_roff(b, c->about);
		cart_buf_adds(b, ".fi\n");
	}
	add_options(b, c->options);
}

void cart_manual_roff(struct cart_buf *out)
{
	size_t i;

	cart_buf_adds(out, ".\\\" SPDX-License-Identifier: Apache-2.0\n"
		".\\\" Made by `crashcart show man`: change the command tables "
		"instead.\n"
		".TH CRASHCART 1 \"\" \"crashcart\" \"User commands\"\n"
		".SH NAME\ncrashcart \\- collect evidence from this host and "
		"from AWS into one signed bundle\n"
		".SH SYNOPSIS\n.B crashcart\n.I command\n[\\fIargument\\fR]...\n"
		".SH DESCRIPTION\nCrashcart follows a manifest of steps, and "
		"hashes, signs and packs what they collect into a bundle that "
		"anyone can check. Manifests are described in\n"
		".BR crashcart\\-manifest (5),\nbundles in\n"
		".BR crashcart\\-bundle (5).\n"
		".PP\nProgress and messages go to standard error, results to "
		"standard output. Without a terminal nothing is asked.\n"
		".SH COMMANDS\n");
	for (i = 0; cart_commands[i] != NULL; i++)
		add_command(out, cart_commands[i]);
	cart_buf_adds(out, ".SH OPTIONS OF EVERY COMMAND\n");
	add_options(out, cart_common_options);
	cart_buf_adds(out, ".SH EXIT STATUS\n"
		".TP\n.B 0\nComplete; or a valid bundle, with gaps or not; or an "
		"answered call.\n"
		".TP\n.B 1\nFailed, or AWS answered an error.\n"
		".TP\n.B 2\nUsage or manifest error; nothing was touched.\n"
		".TP\n.B 3\nSealed, with gaps, or stopped by a signal.\n"
		".TP\n.B 4\nInvalid.\n"
		".TP\n.B 5\nVerification cannot tell, or nothing was sealed.\n"
		".SH ENVIRONMENT\nCredentials, profile, region and endpoints are "
		"taken from where the AWS CLI keeps them: AWS_ACCESS_KEY_ID, "
		"AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE, "
		"AWS_REGION, AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_SERVICE, "
		"AWS_CA_BUNDLE, HTTPS_PROXY, NO_PROXY, ~/.aws/config and "
		"~/.aws/credentials, and the instance role. In manifests that "
		"read the host itself, endpoints, proxy and CA roots from the "
		"environment count only with \\-\\-trust\\-environment.\n"
		".SH SEE ALSO\n.BR crashcart\\-manifest (5),\n"
		".BR crashcart\\-bundle (5),\n.BR minisign (1),\n"
		".BR tar (1),\n.BR sha256sum (1)\n");
}

void cart_manual_bash(struct cart_buf *out)
{
	const struct cart_option *o;
	size_t i;

	cart_buf_adds(out, "# bash completion for crashcart; made by `crashcart "
		"show completion`\n_crashcart() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n"
		"\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\twords='");
	for (i = 0; cart_commands[i] != NULL; i++)
		cart_buf_addf(out, "%s%s", i ? " " : "", cart_commands[i]->name);
	cart_buf_adds(out, " --help --version'\n\telse\n"
		"\t\tcase ${COMP_WORDS[1]} in\n");
	for (i = 0; cart_commands[i] != NULL; i++) {
		cart_buf_addf(out, "\t\t%s) words='", cart_commands[i]->name);
		for (o = cart_commands[i]->options; o->name != NULL; o++)
			cart_buf_addf(out, "--%s ", o->name);
		for (o = cart_common_options; o->name != NULL; o++)
			cart_buf_addf(out, "--%s%s", o->name,
				      o[1].name != NULL ? " " : "';;\n");
	}
	cart_buf_adds(out, "\t\tesac\n\tfi\n\tcase $cur in\n\t-*)\tmapfile -t "
		"COMPREPLY < <(compgen -W \"$words\" -- \"$cur\");;\n"
		"\t*)\tif [ \"$COMP_CWORD\" = 1 ]; then\n"
		"\t\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
		"\"$cur\")\n\t\telse\n"
		"\t\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
		"\t\tfi;;\n\tesac\n}\ncomplete -o filenames -F _crashcart "
		"crashcart\n");
}
