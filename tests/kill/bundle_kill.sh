#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests: timeout=900
# The writer is killed before and after its N-th write, fsync, rename or cut;
# what is left is resumed (and killed again), sealed, and valid.
# SEED=... OPS=... ROUNDS=... for longer runs.
. "$TOP/tests/lib/cart.sh"

write=$DRIVERS/bundle_write_driver read=$DRIVERS/bundle_read_driver
seed=${SEED:-$RANDOM} ops=${OPS:-80} rounds=${ROUNDS:-60}
RANDOM=$seed
echo "SEED=$seed OPS=$ops ROUNDS=$rounds"

# Runs the writer with a fault: 0 it ended, 1 it was killed.
try() {	# FAULT ARGUMENTS...
	local fault=$1 got=0
	shift
	CRASHCART_FAULT=$fault "$write" "$@" > key 2> err || got=$?
	case $got in
	0|3) return 0;;
	137) return 1;;
	esac
	cat err
	die "status $got: $* with $fault"
}

check() {
	local got=0
	[ -e K.seal ] || die "no seal"
	if [ -s key ]; then
		"$read" verify -k "$(cat key)" K.tar > verdict || got=$?
		[ "$got" = 0 ] || { cat verdict; die "invalid"; }
	else
		# killed after the seal: the key was never printed
		"$read" verify K.tar > verdict || got=$?
		[ "$got" = 5 ] || { cat verdict; die "not sealed whole"; }
	fi
}

n_kills=0
round() {	# NUMBER
	local kind=kill n arguments=(-n "$ops" -s "$1" -g 9000000)
	rm -rf d && mkdir d && cd d
	[ $((RANDOM % 2)) = 0 ] || kind=killed
	n=$((RANDOM % 70 + 1))
	if ! try "$kind:$n" "${arguments[@]}" . K; then
		n_kills=$((n_kills + 1))
		while [ ! -e K.seal ]; do
			if ! "$write" -r -n 0 . K > key 2> err &&
					grep -q 'nothing can be resumed\|No such file' err; then
				# killed before anything was durable
				cd ..
				return
			fi
			[ ! -e K.seal ] || break
			cat err
			die "not resumed"
		done
	fi
	check
	cd ..
}

# Killed again and again while it resumes.
chain() {	# NUMBER
	local i=0
	rm -rf d && mkdir d && cd d
	"$write" -n 5 -s "$1" . K > /dev/null 2>&1 || :
	rm -f K.seal K.seal.minisig
	while [ ! -e K.seal ]; do
		i=$((i + 1))
		[ $i -lt 40 ] || die "no end"
		if try "kill:$((RANDOM % 60 + 1))" -r -n 20 -s $i -g 9000000 . K; then
			break
		fi
		n_kills=$((n_kills + 1))
		: > key
	done
	check
	cd ..
}

for i in $(seq "$rounds"); do
	round "$i"
	[ $((i % 5)) != 0 ] || chain "$i"
done
echo "$n_kills kills"
[ "$n_kills" -ge $((rounds / 3)) ] || die "too few kills"
