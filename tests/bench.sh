#!/usr/bin/env bash
# Times the guard where it is felt: inside `git commit`, side by side with no hook and with the shell guard that teams
# use today. Prints medians and ratios of one interleaved run; compare figures only within one table.
#
#   tests/bench.sh [--files N] [--rounds N] [--bin FILE]
set -euo pipefail
cd "$(dirname "$0")/.."

files=1000
rounds=40
bin=
while [ $# -gt 0 ]; do
	case $1 in
	--files) files=$2 ;;
	--rounds) rounds=$2 ;;
	--bin) bin=$2 ;;
	*)
		echo "usage: tests/bench.sh [--files N] [--rounds N] [--bin FILE]" >&2
		exit 2
		;;
	esac
	shift 2
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$bin" ]; then
	# As it is released: static, at a fixed address.
	.ci/release --out "$work/dist" >/dev/null
	tar -xzf "$work"/dist/v*/*.tar.gz -C "$work" bakstop
	bin=$work/bakstop
fi
bin=$(realpath "$bin")
export HOME=$work GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org

make_repository() { # NAME
	git init -q -b main "$work/$1"
	(
		cd "$work/$1"
		for ((i = 0; i < files; i++)); do
			dir=packages/p$((i / 50))/src
			[ $((i % 50)) -ne 0 ] || mkdir -p "$dir"
			echo "export const n = $i;" >"$dir/f$i.js"
		done
		printf '{\n  "name": "shop",\n  "dependencies": {\n    "left": "^1.0.0"\n  }\n}\n' >package.json
		# Files as old as the index would be read again by every git command.
		find . -path ./.git -prune -o -type f -exec touch -d '1 hour ago' {} +
		git add -A
		git commit -q -m Start
		git gc -q
	)
}

for kind in none guard shell; do make_repository $kind; done
(cd "$work/guard" && "$bin" install >/dev/null)
# The guard that teams have, as it is found in their pre-commit hooks.
cat >"$work/shell/.git/hooks/pre-commit" <<'END'
#!/bin/sh
if git diff --cached --name-only | xargs grep -l '"file:\.\./\.docker-deps/'; then
	echo "rewritten package.json staged" >&2
	exit 1
fi
END
chmod +x "$work/shell/.git/hooks/pre-commit"

TIMEFORMAT='%R %U %S'
measure() { # FILE COMMAND…: appends the time of one call, wall and CPU, in milliseconds
	local log=$1 calls=10
	shift
	# One call is too short for the clock of CPU time: each sample is ten of them.
	{ time for ((call = 0; call < calls; call++)); do "$@" >/dev/null 2>&1; done; } 2>"$work/time"
	awk -v n=$calls '{ printf "%.4f %.4f\n", $1 * 1000 / n, ($2 + $3) * 1000 / n }' "$work/time" >>"$log"
}

# `git commit` with one manifest staged, again and again: what was committed is taken back each time, without a hook.
commit() {
	git commit -q -m Next
	git update-ref HEAD "$start"
}
# What that costs besides: it is taken off.
take_back() { git update-ref HEAD "$start"; }

for ((round = 1; round <= rounds; round++)); do
	for kind in none guard shell; do
		cd "$work/$kind"
		start=$(git rev-parse HEAD)
		echo "{ \"version\": \"1.0.$round\" }" >package.json
		git add package.json
		measure "$work/commit.$kind" commit
		measure "$work/back" take_back
	done
	cd "$work/none"
	measure "$work/check.diff" git diff --cached --name-only
	measure "$work/check.guard" "$bin" hook pre-commit
	measure "$work/check.shell" sh "$work/shell/.git/hooks/pre-commit"
	measure "$work/check.version" git --version
done

median() { # FILE COLUMN
	awk -v c="$2" '{ print $c }' "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
less_back() { # FILE: without the taking back
	awk -v w="$(median "$work/back" 1)" -v c="$(median "$work/back" 2)" '{ print $1 - w, $2 - c }' "$1" >"$1.net"
}
row() { # LABEL FILE BASE
	awk -v l="$1" -v w="$(median "$2" 1)" -v c="$(median "$2" 2)" -v bw="$(median "$3" 1)" -v bc="$(median "$3" 2)" \
		'BEGIN { printf "%-34s %8.2f %8.2f   %8.2f %8.2f\n", l, w, c, w / bw, c / bc }'
}
for kind in none guard shell; do less_back "$work/commit.$kind"; done
printf '%s files, %s rounds of 10, %s, %s\n\n' "$files" "$rounds" "$(git --version)" "$(uname -sm)"
printf '%-34s %8s %8s   %8s %8s\n' "ms, median" wall CPU "wall ×" "CPU ×"
row "git commit, no hook" "$work/commit.none.net" "$work/commit.none.net"
row "git commit, bakstop" "$work/commit.guard.net" "$work/commit.none.net"
row "git commit, shell guard" "$work/commit.shell.net" "$work/commit.none.net"
echo
row "git diff --cached --name-only" "$work/check.diff" "$work/check.diff"
row "bakstop hook pre-commit" "$work/check.guard" "$work/check.diff"
row "shell guard" "$work/check.shell" "$work/check.diff"
row "git --version" "$work/check.version" "$work/check.diff"
