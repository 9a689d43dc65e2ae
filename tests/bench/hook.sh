#!/usr/bin/env bash
# Times `git commit` with the guard, without a hook and with a typical shell guard; with --husky
# also under a real husky, which is fetched with npm.
set -euo pipefail
synopsis="tests/bench/hook.sh [--files N] [--rounds N] [--bin FILE] [--husky]"
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"

files=1000
rounds=40
husky=
read_options "files rounds" husky "$@"
calls=10

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

kinds=(none guard shell)
for kind in "${kinds[@]}"; do make_repository "$kind"; done
(cd "$work/guard" && "$bin" install >/dev/null)
hook=$work/shell/.git/hooks/pre-commit
{
	echo '#!/bin/sh'
	shell_guard
} >"$hook"
chmod +x "$hook"
if [ -n "$husky" ]; then
	# The shared hook looks there.
	mkdir -p "$work/.local/bin" "$work/npm"
	cp "$bin" "$work/.local/bin/bakstop"
	(cd "$work/npm" && npm install --prefix . --silent --no-fund --no-audit husky@9 >/dev/null)
	for kind in husky-guard husky-shell; do
		make_repository "$kind"
		(cd "$work/$kind" && node "$work/npm/node_modules/husky/bin.js")
	done
	(cd "$work/husky-guard" && "$bin" install >/dev/null)
	shell_guard >"$work/husky-shell/.husky/pre-commit"
	kinds+=(husky-guard husky-shell)
fi

# `git commit` with one manifest staged; the commit is undone each time, without a hook.
commit() {
	git commit -q -m Next
	undo
}
# The cost of undoing it, which is subtracted.
undo() { git update-ref HEAD "$start"; }

for ((round = 1; round <= rounds; round++)); do
	for kind in "${kinds[@]}"; do
		cd "$work/$kind"
		start=$(git rev-parse HEAD)
		echo "{ \"version\": \"1.0.$round\" }" >package.json
		git add package.json
		measure "commit.$kind" commit
		measure undo undo
	done
	cd "$work/none"
	measure diff git diff --cached --name-only
	measure guard "$bin" hook pre-commit
	measure shell sh "$hook"
	measure version git --version
done

for kind in "${kinds[@]}"; do
	awk -v w="$(median undo 1)" -v c="$(median undo 2)" '{ print $1 - w, $2 - c }' \
		"$work/commit.$kind.times" >"$work/net.$kind.times"
done
heading "$files files, $rounds rounds of $calls"
row "git commit, no hook" net.none net.none
row "git commit, bakstop" net.guard net.none
row "git commit, shell guard" net.shell net.none
if [ -n "$husky" ]; then
	row "git commit under husky, bakstop" net.husky-guard net.husky-shell
	row "git commit under husky, shell guard" net.husky-shell net.husky-shell
fi
echo
row "git diff --cached --name-only" diff diff
row "bakstop hook pre-commit" guard diff
row "shell guard" shell diff
row "git --version" version diff
row "bakstop hook pre-commit, to the shell guard" guard shell
echo
echo "peak memory: $(peak "$bin" hook pre-commit); binary: $(stat -c %s "$bin") bytes"
