#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: release-only
# The hand-over record of a bundle in a locked bucket: an object an entry,
# locked as the seal; of two who add one at the same time, one is told.
. "$TOP/tests/lib/cart.sh"
cli=$("$TOP/tests/sim/venv" "$TOP/tests/sim/requirements-cli.txt" cli)
aws() { "$cli/bin/aws" "$@"; }
sim_start
bucket=northwind-evidence
echo evidence > file
cat > m.json <<E
{ "crashcart": 1, "name": "m", "title": "m", "steps": [
  { "id": "f", "do": "host.files", "with": { "paths": ["$PWD/file"] } } ] }
E
for k in seal a b; do "$CRASHCART" keygen -W $k > /dev/null; done
expect 0 "$CRASHCART" collect ./m.json --case C --out "s3://$bucket/c" \
	--retain governance:30 --legal-hold --key seal.key --trust-environment
url=s3://$bucket/c/C-b01
custody() { "$CRASHCART" custody "$1" "$url" -P seal.pub "${@:2}"; }

expect 0 custody release --by A --to B --purpose analysis --key a.key
prints "^s3://$bucket/c/C-b01.custody\$"
head=$(sed -n 's/^head \([0-9a-f]*\) .*/\1/p' out)
expect 2 custody receive --by C --from A --key b.key
says 'nothing was added'

# two receive at the same time, both saw the release only: the second to put
# its entry waits for its password until the first is through
"$CRASHCART" keygen c --password-fd 3 3<<< word > /dev/null
mkfifo password
custody receive --by B --from A --storage y --key c.key --password-fd 3 \
	> out2 2> err2 3< <(cat password) &
second=$!
until ls /dev/shm/crashcart-custody-*/C-b01.custody/000001.json > /dev/null 2>&1
do sleep 0.05; done
expect 0 custody receive --by B --from A --storage x --key b.key
echo word > password
rc=0
wait $second || rc=$?
[ $rc = 2 ] || die "the second: $rc, $(cat err2)"
grep -q 'another party made entry 2 meanwhile' err2 || die "$(cat err2)"

aws s3api list-objects-v2 --bucket $bucket --prefix c/C-b01.custody/ |
	jq -r '.Contents[].Key' > keys
printf 'c/C-b01.custody/%s\n' 000001.json 000002.json | diff - keys ||
	die "the objects"
aws s3api head-object --bucket $bucket --key c/C-b01.seal > s.json
aws s3api head-object --bucket $bucket --key c/C-b01.custody/000002.json > h.json
for f in ObjectLockMode ObjectLockRetainUntilDate ObjectLockLegalHoldStatus; do
	[ "$(jq -r .$f h.json | cut -c1-19)" = \
		"$(jq -r .$f s.json | cut -c1-19)" ] || die "$f"
done
! aws s3api delete-object --bucket $bucket --key c/C-b01.custody/000002.json \
	--version-id "$(jq -r .VersionId h.json)" 2> /dev/null ||
	die "an entry could be deleted"
expect 0 custody show -P a.pub -P b.pub --head "$head"
prints '^VALID'
prints '2  received'

# what is fetched says the same here; minisign checks what an entry holds
mkdir got
aws s3 cp --quiet --recursive "s3://$bucket/c/" got
expect 0 "$CRASHCART" custody show got -P seal.pub -P a.pub -P b.pub
jq -j .entry got/C-b01.custody/000001.json > entry.json
jq -j .minisig got/C-b01.custody/000001.json > entry.json.minisig
[ "$(sha256sum < entry.json | cut -c1-64)" = "$head" ] || die "the head"
minisign -Vqm entry.json -p a.pub || die "minisign"

# altered, or another thing beside them
sed -i 's/analysis/Analysis/' got/C-b01.custody/000001.json
aws s3 cp --quiet --recursive got "s3://$bucket/d/"
url=s3://$bucket/d/C-b01
expect 4 custody show -P a.pub -P b.pub
prints '^INVALID: entry 1'
expect 1 custody note --by A --text x --key a.key
says 'nothing was added'
url=s3://$bucket/c/C-b01.tar
aws s3 cp --quiet m.json "s3://$bucket/c/C-b01.custody/other"
expect 4 custody show -P a.pub -P b.pub
prints 'other in the custody folder is no entry'
expect 2 "$CRASHCART" custody show "s3://$bucket/c/" -P seal.pub
says 'name the bundle'
! compgen -G '/dev/shm/crashcart-custody-*' > /dev/null ||
	die "what was fetched stayed"
