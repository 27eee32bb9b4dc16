#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-tests: native-only release-only
# scripts/embed gives back the same bytes, names and lengths; the CA roots that
# are linked in parse, and hold Amazon's.
set -eu
printf 'a\000b\n' > one.json
: > two.json
"$TOP/scripts/embed" table files one.json two.json > files.S
"$TOP/scripts/embed" table none > none.S
"$TOP/scripts/embed" blob text one.json > text.S
cat > main.c <<'END'
#include <assert.h>
#include <string.h>
#include "crashcart/embed.h"
extern const struct cart_embed_file cart_embed_files[], cart_embed_none[];
extern const size_t cart_embed_files_count, cart_embed_none_count;
extern const unsigned char cart_embed_text[];
extern const size_t cart_embed_text_len;

int main(void)
{
	const struct cart_embed_file *f = cart_embed_files;

	assert(cart_embed_files_count == 2 && cart_embed_none_count == 0);
	assert(!strcmp(f[0].name, "one") && !strcmp(f[1].name, "two"));
	assert(f[0].len == 4 && !memcmp(f[0].data, "a\0b\n", 5));
	assert(f[1].len == 0 && f[1].data[0] == 0);
	assert(cart_embed_text_len == 4 && !memcmp(cart_embed_text, "a\0b\n", 5));
	return 0;
}
END
gcc -Wall -Werror -I "$TOP/include" main.c files.S none.S text.S -o main
./main
if readelf -lW main | grep -q 'GNU_STACK.*RWE'; then
	echo "an embedded file made the stack executable"
	exit 1
fi

pem=$TOP/build/gen/roots.pem
count=$(grep -c BEGIN "$pem")
[ "$count" -ge 100 ]
openssl crl2pkcs7 -nocrl -certfile "$pem" | openssl pkcs7 -print_certs -noout \
	> subjects
[ "$(grep -c '^subject' subjects)" -eq "$count" ]
for name in 'Amazon Root CA 1' 'Amazon Root CA 4' \
	'Starfield Services Root Certificate Authority - G2'; do
	grep -q "$name" subjects
done
