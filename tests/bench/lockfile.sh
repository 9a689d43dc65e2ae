#!/usr/bin/env bash
# Times `bakstop lockfile --check` on the lockfiles of public repositories, as if an image had the
# whole workspace, compared with what pnpm does to judge one. Fetches pnpm with npm.
set -euo pipefail
synopsis="tests/bench/lockfile.sh [--rounds N] [--pnpm VERSION] [--bin FILE] -- REPOSITORY…"
options=() repositories=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	options+=("$1")
	shift
done
for repository in "${@:2}"; do repositories+=("$(realpath "$repository")"); done
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"
rounds=7 pnpm=10.34.9
read_options "rounds pnpm" "" ${options[@]+"${options[@]}"}
[ ${#repositories[@]} -gt 0 ] || usage
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
export npm_config_manage_package_manager_versions=false

npm install --prefix "$work/tool" --silent --no-fund --no-audit "pnpm@$pnpm" >/dev/null
PATH=$work/tool/node_modules/.bin:$PATH
# The files that pnpm reads to judge a lockfile.
read='(^|/)(package\.json|[^/]*\.patch)$|^(pnpm-(lock|workspace)\.yaml|\.npmrc|\.pnpmfile\.cjs)$'

one() { taskset -c 0 "$@"; }

heading "lockfile --check, pnpm $pnpm, $rounds rounds"
for repository in "${repositories[@]}"; do
	(
		mkdir "$work/tree"
		mapfile -d '' -t files < <(git -C "$repository" ls-tree -r -z --name-only HEAD | grep -zE "$read")
		git -C "$repository" --literal-pathspecs archive HEAD -- "${files[@]}" | tar -xC "$work/tree"
		cd "$work/tree"
		cp pnpm-lock.yaml pnpm-lock.docker.yaml
		git init -q
		git add -Af
		git commit -qm a
		# pnpm may rewrite what it judges.
		mkdir "$work/judged"
		cp -r ./* "$work/judged"
		for ((round = 0; round <= rounds; round++)); do
			# The first round fills the caches of the file system.
			[ "$round" -ne 1 ] || rm -f "$work"/*.times
			measure pnpm one env -C "$work/judged" \
				pnpm install --frozen-lockfile --lockfile-only --ignore-scripts
			measure check one "$bin" lockfile --check
		done
		name=$(basename "${repository%/repo}" .git)
		size=$(($(stat -c %s pnpm-lock.yaml) / 1000))
		row "$name, $size kB, pnpm" pnpm pnpm
		row "$name, $size kB, bakstop" check pnpm
		rm -rf "$work/tree" "$work/judged" "$work"/*.times
	)
done
