# shellcheck shell=bash
# Runs inside the root of real.sh: one project that gets bakstop by a package manager.
set -euo pipefail
node=$1 manager=$2 layout=$3 from=$4 hook=$5 version=$6 registry=$7 url=$8

export HOME=/home/$node-$manager-$layout-$from-$hook
project=$HOME/shop
rm -rf "$HOME"
mkdir -p "$project/tools" /tmp
export PATH=/opt/$node/bin:/usr/sbin:/usr/bin:/sbin:/bin
export CI=1 npm_config_update_notifier=false PNPM_CONFIG_PM_ON_FAIL=ignore
# Yarn 1 caches a tarball by name and version, and root's cache is not in its home.
export YARN_CACHE_FOLDER=$HOME/cache
# What was published a moment ago is what is tested.
export PNPM_CONFIG_MINIMUM_RELEASE_AGE=0
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
if command -v cargo || command -v bakstop; then
	echo "the root has cargo or bakstop already" >&2
	exit 1
fi >&2

tools=/opt/tools
case $manager in
npm) run() { node "$tools/npm/node_modules/npm/bin/npm-cli.js" "$@"; } ;;
pnpm1[01])
	run() {
		local files=("$tools/$manager"/node_modules/pnpm/bin/pnpm.[cm]js)
		node "${files[0]}" "$@"
	}
	;;
pnpm12) run() { "$tools/pnpm12/node_modules/pnpm/pnpm" "$@"; } ;;
yarn1) run() { node "$tools/yarn1/node_modules/yarn/bin/yarn.js" "$@"; } ;;
yarn4) run() { node "$tools/yarn4/node_modules/@yarnpkg/cli-dist/bin/yarn.js" "$@"; } ;;
bun) run() { "$tools/bun/node_modules/bun/bin/bun.exe" "$@"; } ;;
esac
add() {
	case $manager in
	npm) run install --no-audit --no-fund -D "$@" ;;
	bun) run add -d "$@" ;;
	*) run add -D "$@" ;;
	esac
}
# A program of a package, as a person runs it.
start() {
	case $manager in
	npm) run exec --no -- "$@" ;;
	pnpm1*) run exec "$@" ;;
	yarn1) run -s "$@" ;;
	yarn4) run "$@" ;;
	bun) run run "$@" ;;
	esac
}

echo "registry=$registry" >"$HOME/.npmrc"
cd "$project"
git init -q -b main
printf '{\n  "name": "shop",\n  "version": "1.0.0",\n  "private": true\n}\n' >package.json
printf '%s\n' node_modules .yarn .pnp.cjs .pnp.loader.mjs >.gitignore
if [ "$manager" = yarn4 ]; then
	printf '%s\n' "npmRegistryServer: '$registry'" 'unsafeHttpWhitelist: [127.0.0.1]' \
		'npmMinimalAgeGate: 0' 'enableTelemetry: false' 'enableGlobalCache: false' \
		'enableImmutableInstalls: false' \
		"nodeLinker: $([ "$layout" = pnp ] && echo pnp || echo node-modules)" >.yarnrc.yml
	touch yarn.lock
fi
[ "$layout" != hoisted ] || echo "nodeLinker: hoisted" >pnpm-workspace.yaml
bakstop=bakstop@$version
husky=husky
if [ "$from" = url ]; then bakstop=bakstop@$url; fi
if [ "$from" = file ]; then
	cp "/opt/release/npm/bakstop-$version-all.tgz" tools/bakstop.tgz
	cp "$tools/husky.tgz" tools/husky.tgz
	file=''
	[ "$manager" != yarn1 ] || file=file:
	bakstop=$file./tools/bakstop.tgz
	husky=$file./tools/husky.tgz
fi

seconds=$(date +%s.%N)
add "$bakstop" >&2
seconds=$(echo "$seconds $(date +%s.%N)" | awk '{ printf "%.1f", $2 - $1 }')
bytes=$(find . -path ./tools -prune -o -path ./.git -prune -o -type f -printf '%s\n' |
	awk '{ sum += $1 } END { print sum }')

# pnpm 11 may print what it verified first.
answer=$(start bakstop --version | tail -n 1)
[ "$answer" = "bakstop $version" ] || {
	echo "--version: $answer" >&2
	exit 1
}
git add -A
git commit -q -m Start
if [ "$hook" = husky ]; then
	add "$husky" >&2
	start husky >&2
	# husky adds an example of its own, which runs the tests of the project.
	echo true >.husky/pre-commit
	git add -A
	git commit -q -m Husky
fi
# With husky and Plug'n'Play, the hooks are not in force yet.
start bakstop install >&2 || [ "$hook $layout" = "husky pnp" ]

# A plain commit must be refused, for the reason given. bakstop is not in PATH here, and neither is
# node_modules/.bin.
mkdir -p web
printf '{ "dependencies": { "left": "file:../%s-deps/left.tgz" } }\n' .docker >web/package.json
git add web
refused() { # REASON
	if git commit -q -m Rewritten 2>"$HOME/out"; then
		echo "the commit went through" >&2
		exit 1
	fi
	cat "$HOME/out" >&2
	grep -q -F -- "$1" "$HOME/out"
}
# The program of the dependencies is the one that runs, and nothing runs without it.
of_dependencies() {
	local place=node_modules install="to install it: ${manager%%[0-9]*} install"
	[ "$layout" != pnp ] || place=.yarn/unplugged
	refused rewritten-manifest
	start bakstop status >"$HOME/status"
	cat "$HOME/status" >&2
	grep -q "^program .*[ /]$place/" "$HOME/status"
	# Elsewhere, a path in the hook no longer helps, and only node_modules is searched.
	mv "$project" "$project.moved"
	cd "$project.moved"
	if [ "$layout" = pnp ]; then refused "$install"; else refused rewritten-manifest; fi
	mv "$project.moved" "$project"
	cd "$project"
	mv "$place" "$HOME/away"
	refused "$install"
	mv "$HOME/away" "$place"
	refused rewritten-manifest
}
# Shared hooks do not find a program that Plug'n'Play keeps, and say what helps.
of_path() {
	refused 'to install it: put it into ~/.local/bin'
	if start bakstop status >&2; then
		echo "the hooks are in force without a program" >&2
		exit 1
	fi
	mkdir -p "$HOME/.local/bin"
	cp "$(find .yarn/unplugged -name bakstop -path '*linux-x64*' -type f)" "$HOME/.local/bin"
	refused rewritten-manifest
}
if [ "$hook $layout" = "husky pnp" ]; then of_path; else of_dependencies; fi

git rm -q -r -f web
start bakstop prove >&2
printf '%-7s %-7s %-8s %-7s %-7s %8s %10s  %s\n' \
	"$node" "$manager" "$layout" "$from" "$hook" "$seconds" "$bytes" passed
