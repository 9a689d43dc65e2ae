#!/usr/bin/env bash
# Times the start of bakstop as package managers install it, with lefthook, biome and prek installed
# in the same ways: `--version` of each, compared with the program itself. Fetches them and the
# package managers with npm, and prek's wheel with pip.
set -euo pipefail
synopsis="tests/bench/start.sh [--rounds N] [--bin FILE]"
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"

rounds=20
read_options "rounds" "" "$@"
calls=5
[ -d "$work/dist" ] || .ci/release --out "$work/dist" --bin "$bin" >/dev/null
release=$(echo "$work"/dist/v*)
all=$(echo "$release"/npm/bakstop-*-all.tgz)

export npm_config_update_notifier=false PNPM_CONFIG_PM_ON_FAIL=ignore CI=1
fetch() { npm install --prefix "$1" --silent --no-fund --no-audit "${@:2}"; }
managers=(npm pnpm@10 pnpm@12 yarn@1 bun@1)
for manager in "${managers[@]:1}"; do
	mkdir "$work/$manager.tool"
	fetch "$work/$manager.tool" "$manager" >/dev/null
done
for manager in "${managers[@]}"; do
	mkdir "$work/$manager"
	(
		cd "$work/$manager"
		echo '{ "private": true }' >package.json
		packages=("file:$all" lefthook @biomejs/biome @j178/prek)
		tool=$work/$manager.tool/node_modules/.bin/${manager%@*}
		case $manager in
		npm) fetch . "${packages[@]}" ;;
		# lefthook has a script that pnpm would stop at.
		pnpm@*) "$tool" add --ignore-scripts "${packages[@]}" ;;
		# Yarn 1 asks for the packages of all platforms, which not every mirror of npm has.
		yarn@1) "$tool" add "${packages[0]}" ;;
		bun@1) "$tool" add "${packages[@]}" ;;
		esac
	) >"$work/$manager.log" 2>&1 || {
		cat "$work/$manager.log" >&2
		exit 1
	}
done
python3 -m venv "$work/wheel"
"$work/wheel/bin/pip" install --quiet "$release"/wheel/*linux*"$(uname -m)"*.whl prek

# The program behind what npm installs: its own package, found by size.
program() { # NAME
	find "$work/npm/node_modules" -type f -name "$1" -size +1M | head -n 1
}
declare -A own=([bakstop]=$bin)
for name in lefthook biome prek; do own[$name]=$(program "$name"); done

for ((round = 1; round <= rounds; round++)); do
	for name in "${!own[@]}"; do
		measure "$name.own" "${own[$name]}" --version
		for manager in "${managers[@]}"; do
			[ -e "$work/$manager/node_modules/.bin/$name" ] || continue
			measure "$name.$manager" "$work/$manager/node_modules/.bin/$name" --version
		done
		if [ -x "$work/wheel/bin/$name" ]; then
			measure "$name.wheel" "$work/wheel/bin/$name" --version
		fi
	done
done

heading "start, $rounds rounds of $calls, Node $(node --version)"
for name in bakstop lefthook biome prek; do
	row "$name: the program itself" "$name.own" "$name.own"
	for way in "${managers[@]}" wheel; do
		[ ! -e "$work/$name.$way.times" ] || row "$name from $way" "$name.$way" "$name.own"
	done
	[ "$name" = bakstop ] || row "  npm, to bakstop from npm" "$name.npm" bakstop.npm
	echo
done
