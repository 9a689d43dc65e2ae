#!/usr/bin/env bash
# Times the staged check in large repositories against `git diff --cached --name-only`: inside `git
# commit`, which writes the trees of the index before it runs the hook, and by hand after a `git
# add`, without them; and how both grow.
set -euo pipefail
synopsis="tests/bench/large.sh [--sizes 'N N…'] [--rounds N] [--bin FILE]"
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"

sizes="10000 125000 1000000"
rounds=15
read_options "sizes rounds" "" "$@"
calls=5

# 25 files in a directory, 40 directories in a package. The staged check needs no work tree.
make_repository() { # FILES
	git init -q -b main "$work/$1"
	cd "$work/$1"
	awk -v n="$1" 'BEGIN {
		print "commit refs/heads/main\ncommitter a <a@example.org> 1700000000 +0000\ndata 6\nStart\n"
		for (i = 0; i < n; i++) {
			text = sprintf("export const n = %d;\n", i)
			printf "M 100644 inline packages/p%d/src/m%d/f%d.js\n", i / 1000, (i / 25) % 40, i
			printf "data %d\n%s\n", length(text), text
		}
	}' | git fast-import --quiet
	git read-tree HEAD
}

stage() { # TEXT
	printf '{ "version": "%s" }\n' "$1" >package.json
	git add package.json
}

for files in $sizes; do
	make_repository "$files"
	for ((round = 1; round <= rounds; round++)); do
		stage "1.0.$round"
		measure "$files.invalid.git" git diff --cached --name-only
		measure "$files.invalid.guard" "$bin" hook pre-commit
		git write-tree >/dev/null
		measure "$files.valid.git" git diff --cached --name-only
		measure "$files.valid.guard" "$bin" hook pre-commit
	done
	peak "$bin" hook pre-commit >"$work/$files.valid.peak"
	stage 2.0.0
	peak "$bin" hook pre-commit >"$work/$files.invalid.peak"
done

heading "$rounds rounds of $calls"
for files in $sizes; do
	for state in valid invalid; do
		about="$files files, cache-tree $state"
		row "git diff --cached --name-only, $files" "$files.$state.git" "$files.$state.git"
		row "bakstop, $about" "$files.$state.guard" "$files.$state.git"
		echo "peak memory of bakstop: $(cat "$work/$files.$state.peak")"
	done
	echo
done
first=${sizes%% *}
last=${sizes##* }
row "bakstop inside a commit, $last to $first files" "$last.valid.guard" "$first.valid.guard"
row "git diff, $last to $first files" "$last.valid.git" "$first.valid.git"
