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
if [ -z "$bin" ]; then
	cargo build --release --locked --quiet
	bin=${CARGO_TARGET_DIR:-target}/release/bakstop
fi
bin=$(realpath "$bin")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
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
measure() { # FILE COMMAND…: appends "wall cpu", in milliseconds
	local log=$1
	shift
	{ time "$@" >/dev/null 2>&1; } 2>"$work/time"
	awk '{ printf "%.3f %.3f\n", $1 * 1000, ($2 + $3) * 1000 }' "$work/time" >>"$log"
}

# One call is too short for the shell's clock: each sample is a batch of ten.
batch() { for _ in 1 2 3 4 5 6 7 8 9 10; do "$@"; done; }
commit() { git commit -q --allow-empty -m Next; }

for ((round = 1; round <= rounds; round++)); do
	for kind in none guard shell; do
		cd "$work/$kind"
		printf '{\n  "name": "shop",\n  "version": "1.0.%s",\n  "dependencies": {\n    "left": "^1.0.0"\n  }\n}\n' $round >package.json
		git add package.json
		# Only the first commit of a batch holds the manifest; the hook runs in each.
		measure "$work/commit.$kind" batch commit
	done
	cd "$work/none"
	echo "{ \"version\": \"2.0.$round\" }" >package.json
	git add package.json
	measure "$work/check.diff" batch git diff --cached --name-only
	measure "$work/check.guard" batch "$bin" hook pre-commit
	measure "$work/check.shell" batch sh "$work/shell/.git/hooks/pre-commit"
	measure "$work/check.version" batch git --version
	git reset -q --hard
done

median() { # FILE COLUMN: of one call
	awk -v c="$2" '{ print $c / 10 }' "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
row() { # LABEL FILE BASE
	awk -v l="$1" -v w="$(median "$2" 1)" -v c="$(median "$2" 2)" -v bw="$(median "$3" 1)" -v bc="$(median "$3" 2)" \
		'BEGIN { printf "%-34s %8.2f %8.2f   %8.2f %8.2f\n", l, w, c, w / bw, c / bc }'
}
printf '%s files, %s rounds of 10, %s, %s\n\n' "$files" "$rounds" "$(git --version)" "$(uname -sm)"
printf '%-34s %8s %8s   %8s %8s\n' "ms, median" wall CPU "wall ×" "CPU ×"
row "git commit, no hook" "$work/commit.none" "$work/commit.none"
row "git commit, bakstop" "$work/commit.guard" "$work/commit.none"
row "git commit, shell guard" "$work/commit.shell" "$work/commit.none"
echo
row "git diff --cached --name-only" "$work/check.diff" "$work/check.diff"
row "bakstop hook pre-commit" "$work/check.guard" "$work/check.diff"
row "shell guard" "$work/check.shell" "$work/check.diff"
row "git --version" "$work/check.version" "$work/check.diff"
