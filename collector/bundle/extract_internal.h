/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BUNDLE_EXTRACT_INTERNAL_H
#define BUNDLE_EXTRACT_INTERNAL_H

#include "read_internal.h"

/*
 * Writing exhibits out while their bundle is verified.
 *
 *	extract_path.c	names of the evidence become paths below the folder
 *	extract_set.c	file sets: a tree
 *	extract.c	everything else
 */

/* --- extract_path.c: nothing outside dirfd is touched --- */

/*
 * A path below dirfd in single components: "", "." are dropped, ".." becomes
 * "%2E%2E", everything else stays as it is.  Folders on the way are made
 * (0700), no link is followed.  flags go to openat, with O_NOFOLLOW.
 */
int cart_extract_open(int dirfd, const char *path, int flags,
		      struct cart_err *err);
/* As above for a folder, which is made. */
int cart_extract_mkdir(int dirfd, const char *path, struct cart_err *err);
/* Makes name a second name of the file from (below from_fd). */
int cart_extract_link(int from_fd, const char *from, int dirfd,
		      const char *path, struct cart_err *err);
/* "e000007" and what is neutral in a logical name: "e000007-disk.img". */
void cart_extract_name(const char *id, const char *name, char out[128]);
/* SHA-256 of the rest of the file from offset, added to sha. */
int cart_extract_hash(int fd, uint64_t offset, struct cart_sha256 *sha,
		      uint64_t *ret_size, struct cart_err *err);

/* --- extract.c --- */

/* An exhibit in parts whose line did not come yet. */
struct cart_extract_open_exhibit {
	uint32_t number;
	char id[CART_EXHIBIT_ID_SIZE];
	bool is_set;
	uint64_t parts, total;		/* by the part lines so far */
	uint64_t next_part, next_offset;/* as far as we know from members */
	struct cart_sha256 sha;		/* of the first sha_at bytes */
	uint64_t sha_at;
	uint64_t files;			/* made from the set */
	uint64_t matched;		/* of these, by their lines */
};

/* A part of the group whose line did not come yet. */
struct cart_extract_piece {
	uint32_t number;
	uint64_t part, length;
	bool spooled;			/* its place is not known yet */
	uint64_t spool_at;
};

struct cart_extract {
	const struct cart_extract_options *o;
	int dirfd;
	/* member */
	int fd;				/* a plain exhibit, or as stored */
	bool is_part;
	uint32_t number;
	uint64_t part;
	struct cart_buf stored, piece;
	/* exhibits */
	struct cart_extract_open_exhibit *open;
	size_t n_open, cap_open;
	struct cart_extract_piece *pieces;
	size_t n_pieces, cap_pieces;
	int spool;			/* an unlinked file, or -1 */
	uint64_t spool_len;
};

/* --- extract_set.c --- */

/* Writes the regular files of a tar archive below dirfd/ID. */
int cart_extract_tar(struct cart_extract *x,
		     struct cart_extract_open_exhibit *e, const void *data,
		     size_t len, struct cart_err *err);
/* A `file` line: compares, sets the time, makes folders and second names. */
int cart_extract_file_line(struct cart_extract *x,
			   struct cart_extract_open_exhibit *e,
			   const struct cart_json *line, struct cart_err *err);

#endif
