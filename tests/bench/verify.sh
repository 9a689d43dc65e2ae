#!/usr/bin/env bash
# Times `bakstop verify` against `git status -uall` over the same work tree: clean; with an ignored
# directory of many files; with modified and untracked files; with every file touched, so that each
# must be read.
set -euo pipefail
synopsis="tests/bench/verify.sh [--files N] [--rounds N] [--bin FILE]"
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"

files=100000
rounds=15
read_options "files rounds" "" "$@"

git init -q -b main "$work/repository"
cd "$work/repository"
# Twelve files in a directory, four directories deep.
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

situation() { # LABEL ROUNDS
	local round name=${1// /-}
	for ((round = 0; round < $2; round++)); do
		measure "$name.git" env GIT_OPTIONAL_LOCKS=0 git status -uall
		measure "$name.ours" "$bin" verify --no-diff
	done
	row "git status -uall, $1" "$name.git" "$name.git"
	row "bakstop verify, $1" "$name.ours" "$name.git"
	echo
}

heading "$files files, $rounds rounds"
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
