#!/usr/bin/env bash
# Times `bakstop verify` against `git status -uall` over the same work tree, in one interleaved run, and prints medians and
# ratios. The situations: clean; an ignored directory of many files; some files modified and some untracked; every file
# touched, so that each must be read.
#
#   tests/bench-verify.sh [--files N] [--rounds N] [--bin FILE]
set -euo pipefail
cd "$(dirname "$0")/.."

files=100000
rounds=15
bin=
while [ $# -gt 0 ]; do
	case $1 in
	--files) files=$2 ;;
	--rounds) rounds=$2 ;;
	--bin) bin=$2 ;;
	*)
		echo "usage: tests/bench-verify.sh [--files N] [--rounds N] [--bin FILE]" >&2
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

git init -q -b main "$work/repository"
cd "$work/repository"
# Twelve files to a directory, four directories deep.
seq 0 $((files - 1)) | awk '{
	d = int($1 / 12)
	dir = sprintf("packages/p%d/src/m%d", d / 100, d % 100)
	if (dir != last) { system("mkdir -p " dir); last = dir }
	file = sprintf("%s/f%d.ts", dir, $1)
	printf "export const n%d = %d;\n", $1, $1 >file
	close(file)
}'
printf 'dist/\n' >.gitignore
# Files as old as the index would be read again by every git command.
find . -path ./.git -prune -o -type f -exec touch -d '1 hour ago' {} +
git add -A
git commit -q -m Start
git status >/dev/null

TIMEFORMAT='%R %U %S'
measure() { # FILE COMMAND…: appends the time of one call, wall and CPU, in milliseconds
	local log=$1
	shift
	{ time "$@" >/dev/null 2>&1 || true; } 2>"$work/time"
	awk '{ printf "%.1f %.1f\n", $1 * 1000, ($2 + $3) * 1000 }' "$work/time" >>"$log"
}
median() { # FILE COLUMN
	awk -v c="$2" '{ print $c }' "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
row() { # LABEL FILE BASE
	awk -v l="$1" -v w="$(median "$2" 1)" -v c="$(median "$2" 2)" -v bw="$(median "$3" 1)" -v bc="$(median "$3" 2)" \
		'BEGIN { printf "%-44s %8.1f %8.1f   %8.2f %8.2f\n", l, w, c, w / bw, c / bc }'
}
situation() { # LABEL ROUNDS
	local round name=${1// /-}
	for ((round = 0; round < $2; round++)); do
		measure "$work/$name.git" env GIT_OPTIONAL_LOCKS=0 git status -uall
		measure "$work/$name.ours" "$bin" verify --no-diff
	done
	row "git status -uall, $1" "$work/$name.git" "$work/$name.git"
	row "bakstop verify, $1" "$work/$name.ours" "$work/$name.git"
	echo
}

printf '%s files, %s rounds, %s, %s, %s processors\n\n' "$files" "$rounds" "$(git --version)" "$(uname -sm)" "$(nproc)"
printf '%-44s %8s %8s   %8s %8s\n' "ms, median" wall CPU "wall ×" "CPU ×"
situation "clean" "$rounds"
mkdir dist
(cd dist && seq 1 $((files / 10)) | xargs touch)
situation "ignored files" "$rounds"
for name in packages/p*/src/m1/*1.ts; do echo "// changed" >>"$name"; done
(cd packages && seq 1 100 | xargs touch)
situation "modified and untracked" "$rounds"
git checkout -q -- . && git clean -q -f
find packages -type f -exec touch {} +
situation "all touched" $((rounds / 5 + 1))
