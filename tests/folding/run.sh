#!/bin/sh
# Tries bakstop on file systems that compare names as macOS does: sh tests/folding/run.sh PROGRAM
#
# Not a part of CI. Needs root, /dev/fuse, libfuse, git, and Python with mfusepy
# (pip install mfusepy).
set -u
unset CDPATH

if [ $# -ne 1 ] || [ ! -x "$1" ]; then
	echo 'usage: tests/folding/run.sh PROGRAM' >&2
	exit 2
fi
program=$(cd "${1%/*}" && pwd -P)/${1##*/}
here=$(cd "${0%/*}" && pwd -P) || exit 2
scratch=$(mktemp -d "${TMPDIR:-/tmp}/bakstop-folding.XXXXXX") || exit 2
passed=0 failed=0 mounted=''

finish() {
	cd /
	for point in $mounted; do umount "$point"; done
	rm -rf -- "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

HOME=$scratch/home GIT_CONFIG_NOSYSTEM=1
export HOME GIT_CONFIG_NOSYSTEM
mkdir -p "$HOME/.local/bin"
cp "$program" "$HOME/.local/bin/bakstop"
program=$HOME/.local/bin/bakstop
git config --global user.name folding
git config --global user.email folding@example.org
git config --global init.defaultBranch main
git config --global core.quotePath false

# expect CODE TEXT COMMAND...: the command ends with this code, and prints this text.
expect() {
	code=$1 text=$2
	shift 2
	"$@" >"$scratch/answer" 2>&1
	ended=$?
	found=yes
	[ -z "$text" ] || grep -Fq -- "$text" "$scratch/answer" || found=''
	if [ "$ended" -eq "$code" ] && [ -n "$found" ]; then
		passed=$((passed + 1))
		return 0
	fi
	failed=$((failed + 1))
	printf 'FAIL  %s: %s\n      ended with %s, not %s, or did not print: %s\n' \
		"$kind" "$*" "$ended" "$code" "$text"
	sed 's/^/      | /' "$scratch/answer"
}

# A workspace, made on a file system of this kind.
workspace() {
	rm -rf "$point/shop"
	git init -q "$point/shop"
	cd "$point/shop" || exit 2
	mkdir web
	printf '{\n  "name": "web",\n  "dependencies": {\n    "@acme/ui": "^1.4.0"\n  }\n}\n' \
		>web/package.json
	echo 'export {};' >web/index.js
	# The short form (NFC).
	mkdir "$(printf 'caf\303\251')"
	echo text >"$(printf 'caf\303\251/na\303\257ve.txt')"
	git add -A
	git commit -q -m Start
}

rewrite() {
	sed "s|\\^1.4.0|file:./.docker""-deps/ui|" "$1" >"$scratch/rewritten"
	cat "$scratch/rewritten" >"$1"
}

names_that_differ() {
	workspace
	expect 0 'true' git config core.ignoreCase
	expect 0 '' "$program" verify
	expect 1 'web/index.js' "$program" verify -- sh -c 'echo more >>WEB/INDEX.JS'
	workspace
	# The long form (NFD) of a name.
	long=$(printf 'CAFE\314\201/nai\314\210ve.txt')
	expect 1 've.txt' "$program" verify -- sh -c "echo more >>'$long'"
	workspace
	expect 0 '' "$program" verify -- perl -e 'rename "web/index.js", "web/INDEX.js" or die'
	expect 1 '.DOCKER-DEPS/x' "$program" verify -- \
		sh -c 'mkdir .DOCKER-DEPS && echo >.DOCKER-DEPS/x'
}

commits() {
	workspace
	expect 0 'installed' "$program" install
	expect 0 'proven' "$program" prove
	rewrite web/package.json
	git add -A
	expect 1 'web/package.json' git commit -m Bad
	git reset -q --hard
	# A tool that looks for package.json finds it.
	mkdir api
	printf '{"dependencies": {"@acme/ui": "^1.4.0"}}\n' >api/Package.JSON
	rewrite api/package.json
	git add -A
	expect 1 'api/Package.JSON' git commit -m Bad
}

# A program that git tracks never runs, in whatever letter case it is tracked.
tracked_programs() {
	workspace
	expect 0 'installed' "$program" install
	mkdir -p Node_Modules/.bin
	cp /bin/true Node_Modules/.bin/bakstop
	git add -A -f
	git commit -q --no-verify -m Program
	rewrite web/package.json
	git add web
	rm .git/hooks/*
	PATH=$HOME/.local/bin:$PATH bakstop install >/dev/null 2>&1
	expect 1 'web/package.json' git commit -m Bad
}

restoring() {
	workspace
	rewrite web/package.json
	expect 0 'web/package.json' "$program" restore WEB/PACKAGE.json
	expect 0 '^1.4.0' cat web/package.json
}

for kind in apfs hfs; do
	point=$scratch/$kind
	mkdir "$point" "$point.files"
	python3 "$here/mount.py" "$kind" "$point.files" "$point" || exit 2
	mounted="$mounted $point"
	names_that_differ
	commits
	tracked_programs
	restoring
done

printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
