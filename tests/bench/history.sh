#!/usr/bin/env bash
# Times the guard over commits: a range, a push, a received push and all history, side by side with what git takes to
# name the files of the same commits (`git log --name-only`), and to show their content (`git log -p`), which is nearer
# to what a guard has to read. Prints medians and ratios of one interleaved run; compare figures only within one table.
set -euo pipefail
synopsis="tests/bench/history.sh REPOSITORY [--commits N] [--refs N] [--rounds N] [--history] [--bin FILE]"
[ $# -gt 0 ] && source=$(realpath "$1") && shift
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"
[ -n "${source:-}" ] || usage

commits=200
refs=5000
rounds=10
history=
while [ $# -gt 0 ]; do
	case $1 in
	--history)
		history=1
		shift
		continue
		;;
	--commits) commits=$2 ;;
	--refs) refs=$2 ;;
	--rounds) rounds=$2 ;;
	--bin) bin=$2 ;;
	*) usage ;;
	esac
	shift 2
done
find_binary

# The objects are borrowed; the refs are ours: as many as asked for, all on commits before the range.
git clone -q --bare --shared "$source" "$work/repository"
cd "$work/repository"
tip=$(git rev-parse HEAD)
base=$(git rev-list --first-parent --skip="$commits" --max-count=1 HEAD)
git for-each-ref --format='delete %(refname)' | git update-ref --no-deref --stdin
git rev-list --max-count="$refs" "$base" | awk '{ print "create refs/heads/b" NR " " $1 }' | git update-ref --stdin
git symbolic-ref HEAD refs/heads/b1
git pack-refs --all
echo "refs/heads/x $tip refs/heads/x $base" >"$work/push"
echo "$base $tip refs/heads/x" >"$work/receive"

push() { "$bin" check --push <"$work/push"; }
receive() { "$bin" check --receive <"$work/receive"; }

for ((round = 1; round <= rounds; round++)); do
	measure range.names git log --no-renames --name-only "$base..$tip"
	measure range.text git log --no-renames -p "$base..$tip"
	measure range.guard "$bin" check --range "$base..$tip"
	measure new.names git log --no-renames --name-only "$tip" --not --all
	measure new.push push
	measure new.receive receive
	if [ -n "$history" ]; then
		measure all.names git -C "$source" log --all --no-renames --name-only
		measure all.guard "$bin" -C "$source" check --history
	fi
done

heading "$(git rev-list --count "$base..$tip") commits, $(git for-each-ref | wc -l) refs, $rounds rounds"
row "git log --name-only RANGE" range.names range.names
row "git log -p RANGE" range.text range.names
row "bakstop check --range" range.guard range.names
echo
row "git log --name-only TIP --not --all" new.names new.names
row "bakstop check --push" new.push new.names
row "bakstop check --receive" new.receive new.names
if [ -n "$history" ]; then
	echo
	row "git log --all --name-only" all.names all.names
	row "bakstop check --history" all.guard all.names
fi
