/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <crashcart/clock.h>
#include <crashcart/minisign.h>
#include <crashcart/text.h>
#include <crashcart/trust.h>

#define KEY_LEN 56

static int bad(struct cart_err *err, size_t line, const char *what)
{
	return cart_err_set(err, CART_ERR_INPUT, 0, "trust file, line %zu: %s",
			    line, what);
}

/* The bytes up to the next space; *p moves behind it.  0: there is none. */
static size_t word(const char **p, const char *end, const char **ret)
{
	const char *sp = memchr(*p, ' ', (size_t)(end - *p));

	if (!sp)
		return 0;
	*ret = *p;
	*p = sp + 1;
	return (size_t)(sp - *ret);
}

/* YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ, or "-", which leaves *ret alone. */
static int when(const char *s, size_t len, int64_t *ret)
{
	if (len == 1 && s[0] == '-')
		return 0;
	if (len != 10 && (len != 20 || s[10] != 'T' || s[19] != 'Z'))
		return -1;
	return cart_clock_parse(s, len, ret);
}

static int parse_line(const char *p, const char *end, size_t line,
		      struct cart_trust_entry *e, struct cart_err *err)
{
	int64_t *const times[] = { &e->from_ns, &e->to_ns, &e->revoked_ns };
	struct cart_err why;
	const char *w;
	size_t len, i;

	e->from_ns = INT64_MIN;
	e->to_ns = e->revoked_ns = INT64_MAX;
	len = word(&p, end, &w);
	if (len != KEY_LEN ||
	    cart_minisign_parse_public(w, len, &e->key, &why) < 0)
		return bad(err, line, "it does not begin with a public key of "
			   "56 characters");
	for (i = 0; i < 3; i++) {
		len = word(&p, end, &w);
		if (len == 0 || when(w, len, times[i]) < 0)
			return bad(err, line, "KEY FROM TO REVOKED NAME; a "
				   "time is YYYY-MM-DD, "
				   "YYYY-MM-DDTHH:MM:SSZ or -");
	}
	if (e->from_ns >= e->to_ns)
		return bad(err, line, "FROM is not before TO");
	len = (size_t)(end - p);
	if (len == 0 || len >= sizeof(e->name) || p[0] == ' ' ||
	    end[-1] == ' ' || memchr(p, '\t', len) ||
	    !cart_text_is_printable(p, len))
		return bad(err, line, "the name is not 1 to 200 bytes of text");
	memcpy(e->name, p, len);
	e->name[len] = '\0';
	return 0;
}

static int add(struct cart_trust *t, const struct cart_trust_entry *e,
	       size_t line, struct cart_err *err)
{
	struct cart_trust_entry *bigger;
	size_t i;

	for (i = 0; i < t->n; i++)
		if (memcmp(t->entries[i].key.key, e->key.key,
			   sizeof(e->key.key)) == 0)
			return bad(err, line, "the key stands twice");
	if (t->n == CART_TRUST_ENTRIES_MAX)
		return bad(err, line, "more than 10000 keys");
	if ((t->n & (t->n + 1)) == 0) {		/* 0, 1, 3, 7 ... */
		bigger = realloc(t->entries, (2 * t->n + 1) * sizeof(*bigger));
		if (!bigger)
			return cart_err_nomem(err);
		t->entries = bigger;
	}
	t->entries[t->n++] = *e;
	return 0;
}

int cart_trust_parse(const void *data, size_t len, struct cart_trust *ret,
		     struct cart_err *err)
{
	static const char first[] = "crashcart-trust 1";
	const char *p = data, *end = p + len, *lf;
	struct cart_trust_entry e;
	size_t line = 0;

	memset(ret, 0, sizeof(*ret));
	if (len == 0 || len > CART_TRUST_MAX)
		return bad(err, 1, "`crashcart-trust 1` is wanted");
	for (; p < end; p = lf + 1) {
		line++;
		lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf) {
			bad(err, line, "it does not end");
			goto fail;
		}
		if (line == 1) {
			if ((size_t)(lf - p) != strlen(first) ||
			    memcmp(p, first, strlen(first)) != 0) {
				bad(err, 1, "`crashcart-trust 1` is wanted");
				goto fail;
			}
			continue;
		}
		if (p == lf || p[0] == '#')
			continue;
		if (parse_line(p, lf, line, &e, err) < 0 ||
		    add(ret, &e, line, err) < 0)
			goto fail;
	}
	return 0;
fail:
	cart_trust_clear(ret);
	return -1;
}

void cart_trust_clear(struct cart_trust *t)
{
	free(t->entries);
	memset(t, 0, sizeof(*t));
}
