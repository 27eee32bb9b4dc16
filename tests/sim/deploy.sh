#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The quarantine of scripts/deploy, deployed in an emulator and put to use: from a
# Macie finding to a sealed bundle in a locked bucket (tests/sim/deploy.py).
# Three network namespaces: the accounts, the subnet, and who verifies.
# run-tests: native-only
# run-tests: release-only
. "$TOP/tests/lib/cart.sh"
accounts=cart-a-$$ subnet=cart-q-$$ lab=cart-v-$$

if [ -z "${DEPLOY_LAB:-}" ]; then
	# in the namespaces nothing can be installed
	"$TOP/tests/sim/venv" "$TOP/tests/sim/requirements.txt" sim > /dev/null
	"$TOP/tests/sim/venv" "$TOP/tests/sim/requirements-deploy.txt" deploy > venv
	ip netns add $lab 2> /dev/null || { echo "no network namespaces"; exit 77; }
	trap 'for n in $accounts $subnet $lab; do ip netns del $n; done; rm -rf /etc/netns/$subnet' EXIT
	ip netns add $accounts
	ip netns add $subnet
	ip link add cart0 netns $accounts type veth peer name eth0 netns $subnet
	for n in $accounts $subnet $lab; do ip -n "$n" link set lo up; done
	for a in 10.213.7.1/24 10.213.7.2/24 10.213.7.10/24 169.254.169.254/32 \
		169.254.169.123/32 198.51.100.7/32; do
		ip -n $accounts address add $a dev cart0
	done
	ip -n $accounts link set cart0 up
	ip -n $subnet address add 10.213.7.77/24 dev eth0
	ip -n $subnet link set eth0 up
	# no default route: the local ones, and that of the gateway endpoint
	ip -n $subnet route add 169.254.169.254 dev eth0
	ip -n $subnet route add 169.254.169.123 dev eth0
	ip -n $subnet route add 198.51.100.7 via 10.213.7.1
	mkdir -p /etc/netns/$subnet
	echo 'nameserver 10.213.7.2' > /etc/netns/$subnet/resolv.conf
	DEPLOY_LAB=$lab DEPLOY_SUBNET=$subnet ip netns exec $accounts bash "$0"
	exit
fi
sim_start --users 1 --snapshot-delay 0 --snapshot-seconds 0.2 \
	--report-seconds 0.2 --event-delay 100000
PATH=$(cat venv)/bin:$PATH python -B "$TOP/tests/sim/deploy.py"
