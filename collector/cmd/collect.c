/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collection.h"
#include "crashcart/clock.h"
#include "crashcart/fdio.h"
#include "crashcart/msg.h"
#include "crashcart/text.h"
#include "manifest_load.h"
#include "upload.h"
#include "witness.h"

/* An encrypted bundle counts as far as its segments are closed. */
#define AGE_SEGMENT ((uint64_t)1 << 30)

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), t = strlen(tail);

	return n >= t && strcmp(s + n - t, tail) == 0;
}

static int set_case(struct cmd_collection *c, struct cart_err *err)
{
	const char *id = cart_args_value(c->args, "case");
	const char *order = cart_args_value(c->args, "order");
	char compact[CART_CLOCK_TEXT_SIZE];

	if (id == NULL && order != NULL)
		return cart_cmd_collection_order(c, order, err);
	if (id == NULL) {
		cart_clock_compact(c->start_utc_ns, compact);
		id = compact;
	}
	if (!cart_text_is_name(id, strlen(id)) || id[0] == '.')
		return cart_err_set(err, CART_ERR_USAGE, 0, "--case '%s': a "
				    "case is 1 to 64 of A-Z a-z 0-9 . _ - and "
				    "does not begin with a dot", id);
	snprintf(c->case_id, sizeof(c->case_id), "%s", id);
	return cart_cmd_collection_order(c, order, err);
}

static bool is_taken(int dirfd, const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "%s.tar", name);
	if (cart_file_exists(dirfd, path))
		return true;
	snprintf(path, sizeof(path), "%s.tar.age", name);
	if (cart_file_exists(dirfd, path))
		return true;
	snprintf(path, sizeof(path), "%s.seal", name);
	return cart_file_exists(dirfd, path);
}

static bool has_seal(int dirfd, const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "%s.seal", name);
	return cart_file_exists(dirfd, path);
}

/* Its writer locks the segment that it writes. */
static bool is_written(int dirfd, const char *name)
{
	static const char *const end[] = { "", ".age" };
	char path[96], number[16] = "";
	bool busy = false, any = true;
	unsigned i, k;
	int fd;

	for (i = 1; any && !busy; i++) {
		if (i > 1)
			snprintf(number, sizeof(number), ".%03u", i);
		any = false;
		for (k = 0; k < 2; k++) {
			snprintf(path, sizeof(path), "%s.tar%s%s", name, number,
				 end[k]);
			fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC |
				    O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
			if (fd < 0)
				continue;
			any = true;
			busy |= flock(fd, LOCK_SH | LOCK_NB) < 0 &&
				errno == EWOULDBLOCK;
			close(fd);
		}
	}
	return busy;
}

/* Two runs never mix, and none is forgotten beside the next. */
static int refuse_open(struct cmd_collection *c, int dirfd, const char *dir,
		       struct cart_err *err)
{
	if (is_written(dirfd, c->name))
		return cart_err_set(err, CART_ERR_USAGE, 0, "another process is "
				    "writing %s there: let it end, or give "
				    "another --case or another folder", c->name);
	return cart_err_set(err, CART_ERR_USAGE, 0, "%s is there without a "
			    "seal: `crashcart resume %s --name %s` goes on with "
			    "it; or give another --case or another folder",
			    c->name, dir, c->name);
}

/* CASE-b01, or the next number that is free in the folder. */
static int free_name(struct cmd_collection *c, int dirfd, const char *dir,
		     struct cart_err *err)
{
	unsigned i;

	if (strlen(c->case_id) > 60)
		return cart_err_set(err, CART_ERR_USAGE, 0, "a case of more "
				    "than 60 characters leaves no room for a "
				    "bundle name: give --out NAME.tar");
	for (i = 1; i < 1000; i++) {
		snprintf(c->name, sizeof(c->name), "%.60s-b%02u", c->case_id, i);
		if (dirfd < 0 || !is_taken(dirfd, c->name))
			return 0;
		if (!has_seal(dirfd, c->name))
			return refuse_open(c, dirfd, dir, err);
	}
	return cart_err_set(err, CART_ERR_USAGE, 0,
			    "there are 999 bundles of case %s already",
			    c->case_id);
}

static int open_folder(struct cmd_collection *c, const char *dir, int *ret_fd,
		       struct cart_err *err)
{
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return cart_err_errno(err, errno, "--out %s", dir);
	*ret_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return cart_err_errno(err, errno, "--out %s", dir);
	(void)c;
	return 0;
}

static struct cart_sink *file_sink(struct cmd_collection *c, int fd,
				   const char *dir, struct cart_err *err)
{
	if (c->encrypt_to.n == 0)
		return cart_sink_file(fd, dir, c->name, 0, 0, err);
	if (c->segment_bytes == 0)
		c->segment_bytes = AGE_SEGMENT;
	return cart_sink_file_age(fd, dir, c->name, err);
}

static int to_folder(struct cmd_collection *c, const char *dir,
		     struct cart_err *err)
{
	int fd, rc;

	if (open_folder(c, dir, &fd, err) < 0)
		return -1;
	rc = free_name(c, fd, dir, err);
	if (rc == 0)
		c->sink = file_sink(c, fd, dir, err);
	/* begun between our look and now */
	if (rc == 0 && c->sink == NULL && err->class == CART_ERR_SYSTEM &&
	    err->code == EEXIST)
		refuse_open(c, fd, dir, err);
	close(fd);
	return c->sink != NULL ? 0 : -1;
}

static int to_file(struct cmd_collection *c, const char *path,
		   struct cart_err *err)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash != NULL ? slash + 1 : path;
	size_t len = strlen(base) - (ends_with(path, ".age") ? 8 : 4);
	char dir[4096] = ".";
	int fd;

	if (ends_with(path, ".age") != (c->encrypt_to.n > 0))
		return cart_err_set(err, CART_ERR_USAGE, 0, "--out %s: an "
				    "encrypted bundle is a file NAME.tar.age, "
				    "and a plain one NAME.tar", path);
	if (!cart_text_is_name(base, len) || base[0] == '.')
		return cart_err_set(err, CART_ERR_USAGE, 0, "--out %s: the "
				    "name of a bundle is 1 to 64 of A-Z a-z 0-9 "
				    ". _ - before .tar", path);
	if (slash != NULL) {
		if ((size_t)(slash - path) >= sizeof(dir))
			return cart_err_set(err, CART_ERR_USAGE, 0,
					    "--out: the path is too long");
		snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 :
			 (int)(slash - path), path);
	}
	snprintf(c->name, sizeof(c->name), "%.*s", (int)len, base);
	if (open_folder(c, dir, &fd, err) < 0)
		return -1;
	if (is_taken(fd, c->name) && !has_seal(fd, c->name))
		refuse_open(c, fd, dir, err);
	else if (is_taken(fd, c->name))
		cart_err_set(err, CART_ERR_USAGE, 0, "--out %s exists; "
			     "evidence is never overwritten", path);
	else
		c->sink = file_sink(c, fd, dir, err);
	close(fd);
	return c->sink != NULL ? 0 : -1;
}

static int to_pipe(struct cmd_collection *c, struct cart_err *err)
{
	const char *seal = cart_args_value(c->args, "seal");
	int fd;

	if (seal == NULL)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "--out - wants --seal FILE: the seal does "
				    "not fit into the stream");
	if (cart_args_value(c->args, "segment") != NULL)
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "--segment does not go with --out -");
	if (isatty(STDOUT_FILENO))
		return cart_err_set(err, CART_ERR_USAGE, 0,
				    "--out - would write the bundle to this "
				    "terminal: pipe it somewhere");
	if (free_name(c, -1, "", err) < 0)
		return -1;
	/* words that go to stdout by mistake must not end up in the stream */
	fd = dup(STDOUT_FILENO);
	if (fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return cart_err_errno(err, errno, "standard output");
	c->sink = cart_sink_pipe(fd, seal, err);
	return c->sink != NULL ? 0 : -1;
}

/* Before a change, what was collected must be durable: a pipe never says. */
static int check_durable(const struct cmd_collection *c, struct cart_err *err)
{
	if (!c->sink->never_durable)
		return 0;
	if (cart_run_check_durable(c->manifest, c->allow, err) < 0)
		return -1;
	if (c->allow & cart_manifest_changes(c->manifest) &
	    CART_CHANGE_EVIDENCE)
		cart_msg(CART_MSG_WARN, "whether the other end of the pipe "
			 "keeps what it gets is not known: changes of class "
			 "evidence may be made that no bundle tells of");
	return 0;
}

/* A lock that was asked for and not set would be found out when it is late. */
static int refuse_upload(const struct cart_args *a, struct cart_err *err)
{
	static const char *const only[] = { "retain", "bucket-owner", "state",
					    "upload-profile",
					    "upload-kms-key" };
	const char *name = cart_args_flag(a, "legal-hold") ? "legal-hold" :
		NULL;
	size_t i;

	for (i = 0; i < sizeof(only) / sizeof(only[0]); i++)
		if (cart_args_value(a, only[i]) != NULL)
			name = only[i];
	if (name == NULL)
		return 0;
	return cart_err_set(err, CART_ERR_USAGE, 0, "--%s is for --out "
			    "s3://BUCKET/PREFIX", name);
}

static int open_output(struct cmd_collection *c, struct cart_err *err)
{
	const char *out = cart_args_value(c->args, "out");

	if (out == NULL)
		out = ".";
	if (strncmp(out, "s3://", 5) == 0)
		return cart_cmd_upload_open(c, out, err);
	if (refuse_upload(c->args, err) < 0)
		return -1;
	if (strcmp(out, "-") == 0)
		return to_pipe(c, err);
	if (ends_with(out, ".tar") || ends_with(out, ".tar.age"))
		return to_file(c, out, err);
	return to_folder(c, out, err);
}

static int add_recipients(struct cmd_collection *c, const char *path,
			  struct cart_err *err)
{
	struct cart_buf b;
	int rc;

	cart_buf_init(&b, 65536);
	rc = cart_file_read(AT_FDCWD, path, &b, err);
	if (rc == 0)
		rc = cart_age_recipients_file(&c->encrypt_to, b.data, b.len,
					      err);
	cart_buf_clear(&b);
	return rc < 0 ? cart_err_prefix(err, "%s", path) : 0;
}

/* Whoever made the cart may have laid down who must be able to read all that
 * is collected with it: a file of recipients beside the program. */
static int read_escrow(struct cmd_collection *c, struct cart_err *err)
{
	static const char name[] = "crashcart.recipients";
	char path[4096 + sizeof(name)];
	ssize_t n = readlink("/proc/self/exe", path, 4096);
	char *slash;

	if (n <= 0 || n >= 4096)
		return 0;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL)
		return 0;
	memcpy(slash + 1, name, sizeof(name));
	if (access(path, F_OK) != 0)
		return 0;
	if (add_recipients(c, path, err) < 0)
		return -1;
	cart_msg(CART_MSG_NOTE, "encrypting also to the recipients in %s", path);
	return 0;
}

static int read_recipients(struct cmd_collection *c, struct cart_err *err)
{
	const char *s;
	size_t i;

	for (i = 0; (s = cart_args_at(c->args, "encrypt-to", i)) != NULL; i++)
		if (strncmp(s, "age1", 4) == 0 ?
		    cart_age_recipients_add(&c->encrypt_to, s, strlen(s),
					    err) < 0 :
		    add_recipients(c, s, err) < 0)
			return cart_err_prefix(err, "--encrypt-to");
	if (i > 0 && c->encrypt_to.n == 0)
		return cart_err_set(err, CART_ERR_USAGE, 0, "--encrypt-to: "
				    "there is no recipient in that file");
	return read_escrow(c, err);
}

/* A segment holds whole chunks of 8 MiB (FORMAT.md F22). */
static int read_segment(struct cmd_collection *c, struct cart_err *err)
{
	const char *text = cart_args_value(c->args, "segment");

	if (text == NULL)
		return 0;
	if (cart_text_size(text, strlen(text), &c->segment_bytes) < 0 ||
	    c->segment_bytes < (uint64_t)8 << 20 ||
	    c->segment_bytes > (uint64_t)1 << 50)
		return cart_err_set(err, CART_ERR_USAGE, 0, "--segment %s: a "
				    "segment is a size of at least 8M (FAT: "
				    "4095M)", text);
	return 0;
}

static int collect(const struct cart_args *a)
{
	struct cmd_collection c = { .args = a };
	const char *name = a->positional[0];
	struct cart_err err = { 0 };
	bool builtin;
	int status;

	c.env = cart_env_take();
	c.start_utc_ns = cart_clock_utc_ns();
	cart_uuid_v4(c.uuid);
	c.operator = cart_args_value(a, "operator");
	c.authority = cart_args_value(a, "authority");
	c.organization = cart_args_value(a, "organization");
	c.expect_account = cart_args_value(a, "expect-account");
	c.manifest = cart_manifest_load(a, name, true, &builtin, &err);
	if (c.manifest == NULL || cart_cmd_collection_allow(&c, &err) < 0 ||
	    cart_cmd_priority(a, cart_manifest_has_host_steps(c.manifest),
			      &c.priority, &err) < 0 ||
	    cart_run_check_allow(c.manifest, c.allow, &err) < 0 ||
	    cart_manifest_trusted(a, name, builtin, c.manifest, &err) < 0 ||
	    set_case(&c, &err) < 0 || read_recipients(&c, &err) < 0 ||
	    cart_cmd_collection_stamps(&c, &err) < 0 ||
	    cart_witness_check(a, &err) < 0 || read_segment(&c, &err) < 0 ||
	    (c.watch = cart_watch_new(a, &err)) == NULL ||
	    open_output(&c, &err) < 0 || check_durable(&c, &err) < 0)
		status = cart_command_fail(a, &err);
	else
		status = cart_cmd_collection_run(&c);
	cart_cmd_collection_clear(&c, status);
	cart_env_free(c.env);
	return status;
}

static const struct cart_option options[] = {
	{ "param", 'p', "NAME=VALUE", true, "Set a parameter of the manifest." },
	{ "case", 'c', "ID", false, "Case; without it the start in UTC." },
	{ "order", 0, "FILE", false,
	  "The examiner's order to follow (crashcart order)." },
	{ "operator", 0, "NAME", false, "Who collects; recorded." },
	{ "authority", 0, "TEXT", false, "The legal basis; recorded." },
	{ "organization", 0, "NAME", false, "For whom; recorded." },
	{ "out", 'o', "FOLDER|FILE.tar|-|s3://...", false,
	  "Where to; without it the current folder." },
	{ "seal", 0, "FILE", false, "Where the seal goes with --out -." },
	{ "segment", 0, "SIZE", false,
	  "Cut the bundle into files of at most SIZE (FAT: 4095M)." },
	{ "encrypt-to", 0, "AGE1...|FILE", true,
	  "Encrypt with age to this recipient, or to those in FILE." },
	{ "allow", 0, "CLASS", true,
	  "Allow changes: evidence, containment, irreversible." },
	{ "manifest-key", 0, "FILE|BASE64", true,
	  "Key whose signature of the manifest (FILE.minisig) counts." },
	CMD_COLLECTION_OPTIONS,
	CMD_UPLOAD_OPTIONS,
	CMD_AWS_OPTIONS,
	{ NULL, 0, NULL, false, NULL }
};

const struct cart_command cart_cmd_collect = {
	.name = "collect",
	.summary = "Follow a manifest and seal what it collects into a bundle.",
	.usage = "MANIFEST [-p NAME=VALUE]... [--case ID] [--out WHERE]",
	.min_positional = 1,
	.max_positional = 1,
	.options = options,
	.about =
"MANIFEST is a file (with its path) or the name of a built-in one.  Nothing is\n"
"changed anywhere unless the manifest says so and --allow permits it.  The\n"
"first Ctrl-C stops and seals what is there, the second ends at once.\n"
"\n"
"Examples:\n"
"  crashcart collect host-triage --case IR-7 --out /mnt/usb\n"
"  crashcart collect instance-compromise --case IR-7 \\\n"
"      -p instance_id=i-0123456789abcdef0 --allow evidence\n"
"  crashcart collect host-triage --out - --seal IR-7.seal |\n"
"      ssh vault 'cat > IR-7.tar'\n"
"\n"
"Through a pipe nothing is known to be durable, so --out - makes no changes of\n"
"class containment or irreversible.\n"
"\n"
"With --out s3://BUCKET/PREFIX the bundle is uploaded while it is collected: a\n"
"segment (1 GiB, ten minutes, or before a change) is an object, never one that\n"
"is there already.  If the run dies, `crashcart resume FOLDER` goes on behind\n"
"what was closed: FOLDER is that of --state, or the new one in /dev/shm that is\n"
"printed.\n"
"  crashcart collect host-triage --out s3://evidence/IR-7 \\\n"
"      --retain governance:365 --upload-profile put-only\n"
"\n"
"kill -USR1 PID has a running collection say how it stands, in words or, with\n"
"--json, as the object that --status writes.  A limit that is reached stops the\n"
"run as Ctrl-C does, with a gap.  A case whose bundle there has no seal is not\n"
"collected again: resume it, or give another --case.\n"
"\n"
"With --encrypt-to only ciphertext is written: NAME.tar.age, a new segment\n"
"every GiB, every ten minutes and before each change.  A file\n"
"crashcart.recipients beside the program adds recipients to every bundle.\n"
"  crashcart collect host-triage --encrypt-to age1... --out /mnt/usb\n"
"\n"
"Exit status: 0 sealed and complete; 3 sealed, with gaps or stopped;\n"
"2 usage or manifest error, nothing touched; 5 nothing was sealed.\n",
	.run = collect,
};
