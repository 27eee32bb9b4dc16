/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: HARNESS [FILE or FOLDER]...
 * Gives every file, the empty input, and each file cut at 16 points and with 16
 * bits flipped, to one fuzz harness: an ordinary program without libFuzzer, so
 * that the corpus is replayed in every flavour of the build.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned long inputs;

/* from a buffer of exactly that size, so that ASan sees an overread */
static void run_one(const unsigned char *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy) {
		fprintf(stderr, "replay: out of memory\n");
		exit(1);
	}
	if (len)
		memcpy(copy, data, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
	inputs++;
}

static void run_variants(unsigned char *data, size_t len)
{
	size_t i, at;

	run_one(data, len);
	for (i = 0; i < 16 && len > 0; i++) {
		at = len * i / 16;
		run_one(data, at);
		data[at] ^= (unsigned char)(1u << (i & 7));
		run_one(data, len);
		data[at] ^= (unsigned char)(1u << (i & 7));
	}
}

static int run_file(const char *path)
{
	unsigned char *data = NULL;
	struct stat st;
	FILE *file = fopen(path, "rb");
	int rc = -1;

	if (!file || fstat(fileno(file), &st) < 0 || st.st_size > 16 << 20)
		goto out;
	data = malloc((size_t)st.st_size + 1);
	if (!data || fread(data, 1, (size_t)st.st_size, file) !=
		     (size_t)st.st_size)
		goto out;
	run_variants(data, (size_t)st.st_size);
	rc = 0;
out:
	if (rc)
		fprintf(stderr, "replay: cannot read %s\n", path);
	free(data);
	if (file)
		fclose(file);
	return rc;
}

static int run_path(const char *path)
{
	struct dirent **names = NULL;
	char child[4096];
	struct stat st;
	int i, count, rc = 0;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return run_file(path);
	count = scandir(path, &names, NULL, alphasort);
	for (i = 0; i < count; i++) {
		if (names[i]->d_name[0] != '.') {
			snprintf(child, sizeof(child), "%s/%s", path,
				 names[i]->d_name);
			if (run_path(child))
				rc = -1;
		}
		free(names[i]);
	}
	free(names);
	return count < 0 ? -1 : rc;
}

int main(int argc, char **argv)
{
	int i, rc = 0;

	run_one(NULL, 0);
	for (i = 1; i < argc; i++)
		if (run_path(argv[i]))
			rc = 1;
	printf("%lu inputs\n", inputs);
	return rc;
}
