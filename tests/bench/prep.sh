#!/usr/bin/env bash
# Times `bakstop prep` for a sibling of 63 packages, compared with the loop that it replaces:
# `pnpm pack` in each package. Fetches pnpm with npm.
set -euo pipefail
synopsis="tests/bench/prep.sh [--rounds N] [--pnpm VERSION] [--bin FILE]"
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"

rounds=3
pnpm=10.6.5
read_options "rounds pnpm" "" "$@"

npm install --prefix "$work/tool" --silent --no-fund --no-audit "pnpm@$pnpm" >/dev/null
PATH=$work/tool/node_modules/.bin:$PATH
plat=$work/plat
mkdir -p "$plat"
printf '{ "name": "plat", "private": true, "packageManager": "pnpm@%s" }\n' "$pnpm" \
	>"$plat/package.json"
printf 'packages:\n  - packages/*\n' >"$plat/pnpm-workspace.yaml"
printf 'node_modules\n' >"$plat/.gitignore"
# 24 modules, each as source and built; a package needs up to three of those before it.
text=$(seq -s ' ' 1 1000)
for ((number = 0; number < 63; number++)); do
	package=$plat/packages/p$number
	mkdir -p "$package/src" "$package/dist"
	needs=
	for ((before = number - 1; before >= 0 && before >= number - 15; before -= 5)); do
		needs+=", \"@acme/p$before\": \"workspace:*\""
	done
	printf '{ "name": "@acme/p%d", "version": "1.0.0", "main": "dist/f0.js", "files": ["dist"],
		"dependencies": {%s} }\n' "$number" "${needs#,}" >"$package/package.json"
	for ((file = 0; file < 24; file++)); do
		for directory in src dist; do
			printf 'exports.x = "%s %s";\n' "$number" "$text" >"$package/$directory/f$file.js"
		done
	done
done
git -C "$plat" init -q
(cd "$plat" && pnpm install --offline >/dev/null)
git -C "$plat" add -A

shop=$work/shop
mkdir -p "$shop/backend"
git -C "$shop" init -q
printf '.docker-deps/*\n' >"$shop/.gitignore"
needs=
for ((number = 0; number < 63; number++)); do needs+=", \"@acme/p$number\": \"*\""; done
printf '{ "name": "backend", "packageManager": "pnpm@%s", "dependencies": {%s} }\n' \
	"$pnpm" "${needs#,}" >"$shop/backend/package.json"
printf '{ "prep": { "from": "../plat" } }\n' >"$shop/bakstop.json"
cd "$shop"

# What a script for this does.
loop() {
	local package
	for package in "$plat"/packages/*; do
		(cd "$package" && pnpm pack --pack-destination "$work/packed" >/dev/null)
	done
}
change() { # PACKAGE
	printf '// %s\n' "$RANDOM $RANDOM" >>"$plat/packages/$1/dist/f0.js"
}

"$bin" prep >/dev/null
for ((round = 1; round <= rounds; round++)); do
	measure loop loop
	measure all "$bin" prep --force
	calls=10
	measure unchanged "$bin" prep
	calls=1
	change p62
	measure one "$bin" prep
	change p30
	measure several "$bin" prep
	# All are in the cache, as in another clone.
	rm -rf .docker-deps
	measure cached "$bin" prep
done

heading "prep, 63 packages, $rounds rounds, pnpm $pnpm, Node $(node --version)"
row "pnpm pack in each" loop loop
row "prep, all packed again" all loop
row "prep, one changed that no other needs" one loop
row "prep, one changed that others need" several loop
row "prep, all cached" cached loop
row "prep, nothing changed" unchanged loop
