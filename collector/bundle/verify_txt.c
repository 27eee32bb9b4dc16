/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "bundle_internal.h"

/*
 * VERIFY.txt: how to check the bundle by hand.  NAME stands for the bundle's
 * name in the text below.  tests/cli runs the commands of this text.
 */
static const char text_head[] =
"How to check this bundle without the program that made it\n"
"=========================================================\n"
"\n"
"The bundle NAME is these files, side by side:\n"
"\n"
"  NAME.tar               everything, as one tar file (a BagIt bag, RFC 8493)\n"
"  NAME.tar.002 ...       further segments of it, if there are any\n"
"  NAME.seal              lengths and SHA-256 of the segments, and the root digest\n"
"  NAME.seal.minisig      signature of NAME.seal\n"
"  NAME.seal.*.minisig    further signatures of it by other keys, if there are any\n"
"\n"
"The format is described in FORMAT.md of Crashcart; all of it is made of tar,\n"
"SHA-256, JSON lines and minisign (Ed25519) signatures.\n"
"\n"
"1. The key\n"
"----------\n"
"KEY below is the public key that you trust: 56 characters, the second line of a\n"
"minisign public key file. You must have it from outside this bundle: from the\n"
"examiner, from the ticket, from the terminal that showed it at the end of the\n"
"collection. The files below keys/ say only which keys the signatures claim. A\n"
"key that is found inside a bundle is never a reason to trust the bundle.\n"
"\n"
"  KEY=...\n"
"\n"
"2. The outer seal\n"
"-----------------\n"
"The signature of the seal; its trusted comment must name bundle=NAME.\n"
"\n"
"  minisign -Vm NAME.seal -P \"$KEY\"\n"
"\n"
"The segments: each chunk of 8388608 bytes, counted anew in each segment, has its\n"
"SHA-256 in the seal, in order. This must print nothing:\n"
"\n"
"  for f in $(ls -v NAME.tar NAME.tar.[0-9]* 2>/dev/null); do\n"
"    split -b 8388608 --filter=sha256sum $f\n"
"  done | cut -c1-64 > NAME.chunks\n"
"  grep -x '[0-9a-f]\\{64\\}' NAME.seal | diff - NAME.chunks\n"
"\n"
"3. The content\n"
"--------------\n"
"No name may stand twice; this must print nothing:\n"
"\n"
"  cat $(ls -v NAME.tar NAME.tar.[0-9]* 2>/dev/null) | tar -tf - | sort | uniq -d\n"
"\n"
"Extract, check the inner seal, then every file:\n"
"\n"
"  cat $(ls -v NAME.tar NAME.tar.[0-9]* 2>/dev/null) | tar -xf -\n"
"  cd NAME\n"
"  minisign -Vm tagmanifest-sha256.txt -x seal/tagmanifest-sha256.txt.minisig -P \"$KEY\"\n"
"  sha256sum --strict -c tagmanifest-sha256.txt\n"
"  sha256sum --strict -c manifest-sha256.txt\n"
"\n"
"The SHA-256 of tagmanifest-sha256.txt is the root: it must equal the line `root`\n"
"of NAME.seal, and root= in the trusted comments of both signatures.\n"
"\n"
"  sha256sum tagmanifest-sha256.txt\n"
"\n"
"Each file of the folder but those below seal/ must be listed in one of the two\n"
"manifests; this must print nothing:\n"
"\n"
"  find . -type f ! -path './seal/*' ! -name tagmanifest-sha256.txt | cut -c3- | sort > ../have\n"
"  cut -c67- manifest-sha256.txt tagmanifest-sha256.txt | sort | diff - ../have\n"
"  cd ..\n"
"\n"
"4. Without minisign\n"
"-------------------\n"
"A minisign signature is an Ed25519 signature of the BLAKE2b-512 digest of the\n"
"file. With OpenSSL 3, beside the seal (and the same for the inner seal, with its\n"
"two files):\n"
"\n"
"  openssl dgst -blake2b512 -binary NAME.seal > digest\n"
"  sed -n 2p NAME.seal.minisig | base64 -d | tail -c 64 > sig\n"
"  { printf '302a300506032b6570032100' | sed 's/../\\\\x&/g' | xargs -0 printf '%b'\n"
"    printf '%s' \"$KEY\" | base64 -d | tail -c 32; } > key.der\n"
"  openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey key.der -in digest -sigfile sig\n"
"\n"
"The trusted comment is covered by the second signature of the file, over the 64\n"
"bytes of the first and the comment:\n"
"\n"
"  { cat sig; sed -n 3p NAME.seal.minisig | cut -c18- | tr -d '\\n'; } > comment\n"
"  sed -n 4p NAME.seal.minisig | base64 -d > sig2\n"
"  openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey key.der -in comment -sigfile sig2\n"
"\n"
"5. What is in it\n"
"----------------\n"
"  log/*.jsonl    what was done, in order, one JSON object a line: every exhibit\n"
"                 with its SHA-256, every call, every gap, every change\n"
"  data/          the exhibits. eNNNNNN-... is one exhibit as it was received;\n"
"                 eNNNNNN/ holds the parts of a large one\n"
"  manifest.json  what was asked for; plan.json: what it meant\n"
"\n"
"Parts ending in .zst are joined like this. A part that is missing in the row is\n"
"all zeros: its line of type `part` in the log says how long it is. The result\n"
"must have the SHA-256 of the exhibit's line of type `exhibit`.\n"
"\n"
"  for p in NAME/data/e000001/*.zst; do zstd -dc \"$p\"; done > exhibit\n"
"\n"
"Parts ending in .tar.zst are tar files of many files; lines of type `file` say\n"
"what each was, with its SHA-256.\n"
"\n"
"  for p in NAME/data/e000001/*.tar.zst; do zstd -dc \"$p\" | tar -xf - -C FOLDER; done\n"
"\n"
"6. What this proves\n"
"-------------------\n";

static const char text_session[] =
"The seal is made by a session key: a key that the collecting program made for\n"
"this one run, and whose secret half was never stored. It proves that nothing was\n"
"changed since the holder of that key sealed it. Whoever controlled the host while\n"
"it collected could have chosen the bytes, and the key. Compare the key with the\n"
"one that was written down when the run ended.\n";

static const char text_examiner[] =
"The seal is made by an examiner's key. It proves that nothing was changed since\n"
"the holder of that key sealed it. Whoever controlled the host while it collected\n"
"could have chosen the bytes that were collected.\n";

/* Replaces each NAME by the bundle's name. */
static void add_named(struct cart_buf *out, const char *text, const char *name)
{
	const char *p;

	while ((p = strstr(text, "NAME"))) {
		cart_buf_add(out, text, (size_t)(p - text));
		cart_buf_adds(out, name);
		text = p + 4;
	}
	cart_buf_adds(out, text);
}

static const char text_time[] =
"\n"
"7. The time\n"
"-----------\n"
"Time stamping authorities (RFC 3161) were asked to sign that the inner seal was\n"
"there; seal/timestamps.txt says which, and what became of it. Each token holds\n"
"the certificates that lead to its authority's root. The root (ROOTS below, a file\n"
"of PEM certificates) must come from the authority, from outside this bundle.\n"
"`Time stamp` is the time; a certificate that has expired since is no fault, so\n"
"the check is made as of that time.\n"
"\n"
"  stamp() {\n"
"    time=$(openssl ts -reply -in $1 -text | sed -n 's/^Time stamp: //p')\n"
"    echo \"Time stamp: $time\"\n"
"    openssl ts -verify -data NAME/seal/tagmanifest-sha256.txt.minisig -in $1 \\\n"
"      -CAfile $ROOTS -attime $(date -ud \"$time\" +%s)\n"
"  }\n"
"  for f in NAME/seal/*.tsr; do stamp $f; done\n";

static const char text_age[] =
"\n"
"8. If it came encrypted\n"
"----------------------\n"
"This bundle was encrypted with age (age-encryption.org). Its segments are then\n"
"NAME.tar.age, NAME.tar.002.age ..., and the seal holds the SHA-256 of the chunks\n"
"of those files as they are: in section 2 they stand in the place of NAME.tar.\n"
"Each is decrypted by itself, with the identity of one of the recipients; joined\n"
"they are the tar file of section 3:\n"
"\n"
"  for f in $(ls -v NAME.tar.age NAME.tar.[0-9]*.age 2>/dev/null); do\n"
"    age -d -i IDENTITY $f\n"
"  done > NAME.tar\n";

void cart_verify_txt(const char *name, bool examiner, bool stamps,
		     bool encrypted, struct cart_buf *out)
{
	add_named(out, text_head, name);
	cart_buf_adds(out, examiner ? text_examiner : text_session);
	if (stamps)
		add_named(out, text_time, name);
	if (encrypted)
		add_named(out, text_age, name);
}
