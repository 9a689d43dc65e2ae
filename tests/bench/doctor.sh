#!/usr/bin/env bash
# Times `doctor` on repositories, each a directory with a work tree or a bare repository: `--tree
# HEAD` against `git ls-tree -r HEAD`, and where there is a work tree, `doctor` against `git
# ls-files`. One processor is used.
set -euo pipefail
synopsis="tests/bench/doctor.sh [--rounds N] [--bin FILE] [--checkout] -- REPOSITORY…"

options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	options+=("$1")
	shift
done
repositories=()
for repository in "${@:2}"; do
	repositories+=("$(realpath "$repository")")
done
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"
rounds=7 checkout=
read_options "rounds" "checkout" ${options[@]+"${options[@]}"}
[ ${#repositories[@]} -gt 0 ] || usage
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

# With --checkout, a bare repository is given a work tree.
place() { # REPOSITORY
	if [ -n "$checkout" ]; then
		git clone -q --shared "$1" "$work/tree"
		cd "$work/tree"
	else
		cd "$1"
	fi
}

one() { taskset -c 0 "$@"; }

heading "doctor of each repository"
for repository in "${repositories[@]}"; do
	(
		place "$repository"
		name=$(basename "${repository%/repo}" .git)
		is_bare=$(git rev-parse --is-bare-repository)
		for ((round = 0; round <= rounds; round++)); do
			# The first round fills the caches of the file system.
			[ "$round" -ne 1 ] || rm -f "$work"/*.times
			measure ls-tree one git ls-tree -r HEAD
			measure tree one "$bin" doctor --tree HEAD
			if [ "$is_bare" = false ]; then
				measure ls-files one git ls-files
				measure disk one "$bin" doctor
			fi
		done
		row "$name --tree" tree ls-tree
		[ "$is_bare" = true ] || row "$name" disk ls-files
		rm -rf "$work/tree" "$work"/*.times
	)
done
