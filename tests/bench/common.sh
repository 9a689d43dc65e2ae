# shellcheck shell=bash
# Functions of the benchmarks, which source this file. A sample is the wall and CPU time of a whole
# process with all its children, in milliseconds; a table has the medians of one interleaved run,
# and their ratios. Compare figures only within one table.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin=

usage() {
	echo "usage: ${synopsis:?}" >&2
	exit 2
}

# Sets a variable for each option: `--NAME VALUE` for each of NAMES and for `bin`, `--NAME` for each
# of FLAGS. Without `--bin`, a binary is built as it is released: static and at a fixed address.
read_options() { # NAMES FLAGS ARGUMENT…
	local names=" $1 bin " flags=" $2 " name
	shift 2
	while [ $# -gt 0 ]; do
		name=${1#--}
		if [[ $1 = --* && $flags = *" $name "* ]]; then
			printf -v "$name" 1
			shift
		elif [[ $1 = --* && $names = *" $name "* && $# -gt 1 ]]; then
			printf -v "$name" %s "$2"
			shift 2
		else
			usage
		fi
	done
	if [ -z "$bin" ]; then
		.ci/release --out "$work/dist" >/dev/null
		tar -xzf "$work"/dist/v*/*.tar.gz -C "$work" bakstop
		bin=$work/bakstop
	fi
	bin=$(realpath "$bin")
	export HOME=$work GIT_CONFIG_NOSYSTEM=1
	export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org
	export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
}

TIMEFORMAT='%R %U %S'
# Runs of a command for one sample: the clock of CPU time is coarse.
calls=1
repeat() { # COMMAND…
	local call
	for ((call = 0; call < calls; call++)); do
		"$@" >"$work/out" 2>&1 || true
	done
}

# Takes a sample.
measure() { # NAME COMMAND…
	local log=$work/$1.times
	shift
	{ time repeat "$@"; } 2>"$work/time"
	if grep -q '^error: could not' "$work/out"; then
		cat "$work/out" >&2
		exit 1
	fi
	awk -v n="$calls" '{ printf "%.4f %.4f\n", $1 * 1000 / n, ($2 + $3) * 1000 / n }' \
		"$work/time" >>"$log"
}

median() { # NAME COLUMN
	awk -v c="$2" '{ print $c }' "$work/$1.times" | sort -n |
		awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

heading() { # WORDS…
	printf '%s, %s, %s, %s processors\n\n' "$*" "$(git --version)" "$(uname -sm)" "$(nproc)"
	printf '%-46s %9s %9s   %8s %8s\n' "ms, median" wall CPU "wall ×" "CPU ×"
}

row() { # LABEL NAME PEER
	awk -v l="$1" -v w="$(median "$2" 1)" -v c="$(median "$2" 2)" \
		-v bw="$(median "$3" 1)" -v bc="$(median "$3" 2)" \
		'BEGIN { printf "%-46s %9.2f %9.2f   %8.2f %8.2f\n", l, w, c, w / bw, c / bc }'
}

# The most memory that a command holds at once, in MB.
peak() { # COMMAND…
	if [ -x /usr/bin/time ]; then
		/usr/bin/time -f %M "$@" 2>&1 >/dev/null | awk 'END { printf "%.1f MB\n", $1 / 1024 }'
	else
		echo "not measured: GNU time is missing"
	fi
}

# A typical guard in the pre-commit hooks of teams.
shell_guard() {
	cat <<'GUARD'
if git diff --cached --name-only | xargs grep -l '"file:\.\./\.docker-deps/'; then
	echo "rewritten package.json staged" >&2
	exit 1
fi
GUARD
}
