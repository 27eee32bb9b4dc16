#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: timeout=1200
# The N-th allocation, write, fsync, open ... of the bundle writer fails: it
# ends with an error (or does without), never hangs or crashes, and a resume
# without faults seals what was durable.  Also while it resumes.
# SEED=... STEPS=... (calls of each kind that fail) for longer runs.
. "$TOP/tests/lib/cart.sh"

write=$DRIVERS/bundle_write_driver read=$DRIVERS/bundle_read_driver
seed=${SEED:-7} steps=${STEPS:-12}
echo "SEED=$seed STEPS=$steps"

count() {	# KIND ARGUMENTS...: calls of that kind in a run without faults
	local kind=$1
	shift
	rm -rf d && mkdir d
	CRASHCART_FAULT_COUNT=$PWD/counts "$write" "$@" d K > /dev/null 2>&1
	awk -v kind="$kind" '$1 == kind { print $2 }' counts
}

sealed_or_resumed() {	# WHAT
	local got=0
	if [ ! -e d/K.seal ]; then
		"$write" -r d K > key 2> err || got=$?
		case $got in
		0|3)	;;
		*)	grep -q 'nothing can be resumed\|No such file' err ||
				{ cat err; die "$1: not resumed"; }
			return;;
		esac
	fi
	got=0
	"$read" verify d/K.tar > verdict || got=$?
	[ "$got" = 5 ] || { cat verdict; die "$1: verdict $got"; }
}

# one FAULT ARGUMENTS...
one() {
	local fault=$1 got=0
	shift
	CRASHCART_FAULT=$fault timeout 60 "$write" "$@" d K > key 2> err || got=$?
	case $got in
	0|1|3)	;;
	*)	cat err; die "status $got with $fault: $*";;
	esac
	if [ $got = 1 ]; then
		grep -q '^bundle_write_driver: .' err || die "no reason: $fault"
	fi
}

for kind in alloc write short fsync open name read thread; do
	arguments=(-n 12 -s "$seed" -g 9000000)
	total=$(count $kind "${arguments[@]}")
	[ "$total" -gt 0 ] || die "no calls of kind $kind"
	step=$((total / steps + 1))
	tries=0
	# OpenSSL 3.5 waits for itself when its very first allocations fail
	first=1
	[ $kind != alloc ] || first=20
	for n in $(seq $first $step "$total"); do
		rm -rf d && mkdir d
		one "$kind:$n" "${arguments[@]}"
		sealed_or_resumed "$kind:$n"
		# and all later ones, as on a disk that stays full
		rm -rf d && mkdir d
		one "$kind:$n+" "${arguments[@]}"
		sealed_or_resumed "$kind:$n+"
		tries=$((tries + 2))
	done
	echo "$kind: $total calls, $tries runs"
done

echo "the same while it resumes"
rm -rf d && mkdir d
"$write" -n 20 -s "$seed" d K > /dev/null 2>&1
rm d/K.seal d/K.seal.minisig
cp -r d unsealed
for kind in alloc write fsync open name read thread; do
	CRASHCART_FAULT_COUNT=$PWD/counts "$write" -r d K > /dev/null 2>&1 || :
	total=$(awk -v kind="$kind" '$1 == kind { print $2 }' counts)
	step=$((total / steps + 1))
	first=1
	[ $kind != alloc ] || first=20
	for n in $(seq $first $step "$total"); do
		rm -rf d && cp -r unsealed d
		one "$kind:$n" -r
		sealed_or_resumed "$kind:$n -r"
	done
	rm -rf d && cp -r unsealed d
	echo "$kind: $total calls"
done
