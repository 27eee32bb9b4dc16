/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <crashcart/json.h>

/*
 * Finds the line of a value in a text that cart_json_parse accepted.  Reads
 * tokens only; a text that is not JSON gives some line or 0, never harm.
 */
struct walk {
	const char *p, *end;
};

static char peek(struct walk *w)
{
	while (w->p < w->end && (*w->p == ' ' || *w->p == '\n' ||
				 *w->p == '\r' || *w->p == '\t'))
		w->p++;
	return w->p < w->end ? *w->p : '\0';
}

static void skip_string(struct walk *w)
{
	for (w->p++; w->p < w->end; w->p++) {
		if (*w->p == '\\' && w->end - w->p > 1)
			w->p++;
		else if (*w->p == '"')
			break;
	}
	if (w->p < w->end)
		w->p++;
}

/* Any value: by counting brackets, not by recursion. */
static void skip_value(struct walk *w)
{
	size_t open = 0;
	char c;

	do {
		c = peek(w);
		if (c == '\0')
			return;
		if (c == '"') {
			skip_string(w);
			continue;
		}
		if (c == '{' || c == '[')
			open++;
		else if ((c == '}' || c == ']') && open > 0)
			open--;
		else if (open == 0) {
			/* a number or word */
			while (w->p < w->end && !strchr(",]} \t\r\n", *w->p))
				w->p++;
			return;
		}
		w->p++;
	} while (open > 0);
}

/* Is the quoted string at p this key? */
static bool is_key(const char *p, const char *end, const char *key)
{
	struct cart_json *j = cart_json_parse(p, (size_t)(end - p), NULL, NULL);
	const char *s = cart_json_string(j);
	bool same = s && strcmp(s, key) == 0;

	cart_json_free(j);
	return same;
}

/* Moves w from the start of a value to the start of the one at this step. */
static bool descend(struct walk *w, const char *step)
{
	unsigned long index = 0;
	char name[24], c = peek(w);
	const char *key;
	bool found;

	if (c != '{' && c != '[')
		return false;
	w->p++;
	while (peek(w) != '\0' && *w->p != '}' && *w->p != ']') {
		if (c == '{') {
			key = w->p;
			if (*key != '"')
				return false;
			skip_string(w);
			found = is_key(key, w->p, step);
			if (peek(w) != ':')
				return false;
			w->p++;
		} else {
			snprintf(name, sizeof(name), "[%lu]", index++);
			found = strcmp(name, step) == 0;
		}
		peek(w);
		if (found)
			return true;
		skip_value(w);
		if (peek(w) == ',')
			w->p++;
	}
	return false;
}

unsigned cart_json_line_of(const void *data, size_t len,
			   const char *const *path, size_t steps)
{
	struct walk w = { data, (const char *)data + len };
	const char *p;
	unsigned line = 1;
	size_t i;

	peek(&w);
	for (i = 0; i < steps; i++)
		if (!descend(&w, path[i]))
			return 0;
	for (p = data; p < w.p; p++)
		line += *p == '\n';
	return line;
}
