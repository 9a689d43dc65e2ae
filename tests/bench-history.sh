#!/usr/bin/env bash
# Times the guard over commits: a range, a push, a received push and all history, side by side with what git takes to
# name the files of the same commits (`git log --name-only`), and to show their content (`git log -p`), which is nearer
# to what a guard has to read. Prints medians and ratios of one interleaved run; compare figures only within one table.
#
#   tests/bench-history.sh REPOSITORY [--commits N] [--refs N] [--rounds N] [--history] [--bin FILE]
set -euo pipefail

usage() {
	echo "usage: tests/bench-history.sh REPOSITORY [--commits N] [--refs N] [--rounds N] [--history] [--bin FILE]" >&2
	exit 2
}

[ $# -gt 0 ] || usage
source=$(realpath "$1")
shift
commits=200
refs=5000
rounds=10
history=
bin=
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
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$bin" ]; then
	.ci/release --out "$work/dist" >/dev/null
	tar -xzf "$work"/dist/v*/*.tar.gz -C "$work" bakstop
	bin=$work/bakstop
fi
bin=$(realpath "$bin")
export HOME=$work GIT_CONFIG_NOSYSTEM=1

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

TIMEFORMAT='%R %U %S'
measure() { # FILE COMMAND…: appends the time of one call, wall and CPU, in milliseconds
	local log=$1
	shift
	{ time "$@" >"$work/out" 2>&1 || true; } 2>"$work/time"
	if grep -q '^error: could not' "$work/out"; then
		cat "$work/out" >&2
		exit 1
	fi
	awk '{ printf "%.4f %.4f\n", $1 * 1000, ($2 + $3) * 1000 }' "$work/time" >>"$log"
}
push() { "$bin" check --push <"$work/push"; }
receive() { "$bin" check --receive <"$work/receive"; }

for ((round = 1; round <= rounds; round++)); do
	measure "$work/range.names" git log --no-renames --name-only "$base..$tip"
	measure "$work/range.text" git log --no-renames -p "$base..$tip"
	measure "$work/range.guard" "$bin" check --range "$base..$tip"
	measure "$work/new.names" git log --no-renames --name-only "$tip" --not --all
	measure "$work/new.push" push
	measure "$work/new.receive" receive
	if [ -n "$history" ]; then
		measure "$work/all.names" git -C "$source" log --all --no-renames --name-only
		measure "$work/all.guard" "$bin" -C "$source" check --history
	fi
done

median() { # FILE COLUMN
	awk -v c="$2" '{ print $c }' "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
row() { # LABEL FILE BASE
	awk -v l="$1" -v w="$(median "$2" 1)" -v c="$(median "$2" 2)" -v bw="$(median "$3" 1)" -v bc="$(median "$3" 2)" \
		'BEGIN { printf "%-38s %9.1f %9.1f   %8.2f %8.2f\n", l, w, c, w / bw, c / bc }'
}
printf '%s commits, %s refs, %s rounds, %s, %s\n\n' "$(git rev-list --count "$base..$tip")" "$(git for-each-ref | wc -l)" \
	"$rounds" "$(git --version)" "$(uname -sm)"
printf '%-38s %9s %9s   %8s %8s\n' "ms, median" wall CPU "wall ×" "CPU ×"
row "git log --name-only RANGE" "$work/range.names" "$work/range.names"
row "git log -p RANGE" "$work/range.text" "$work/range.names"
row "bakstop check --range" "$work/range.guard" "$work/range.names"
echo
row "git log --name-only TIP --not --all" "$work/new.names" "$work/new.names"
row "bakstop check --push" "$work/new.push" "$work/new.names"
row "bakstop check --receive" "$work/new.receive" "$work/new.names"
if [ -n "$history" ]; then
	echo
	row "git log --all --name-only" "$work/all.names" "$work/all.names"
	row "bakstop check --history" "$work/all.guard" "$work/all.names"
fi
