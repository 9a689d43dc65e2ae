#!/usr/bin/env bash
# Installs the wheel of a release with real pip and uv, and the hook `bakstop-wheel` of the last
# commit with real pre-commit and prek, from an index on this machine. No other index is asked.
#
# CACHE keeps the tools, which come from PyPI, for the next run.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ $# -eq 2 ] || {
	echo "usage: tests/packages/wheel.sh RELEASES CACHE" >&2
	exit 2
}
releases=$(realpath "$1")
version=$(cat "$releases/latest")
mkdir -p "$2"
cache=$(realpath "$2")
here=$PWD
work=$(mktemp -d)
server=
# shellcheck disable=SC2317 # the trap calls it
clean() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	rm -rf "$work"
}
trap clean EXIT

python=$cache/python
if [ ! -e "$python/done" ]; then
	python3 -m venv "$python"
	"$python/bin/pip" install --quiet pip uv pre-commit prek twine check-wheel-contents
	touch "$python/done"
fi

echo "== What PyPI and linters ask of a wheel"
"$python/bin/twine" check --strict "$releases/v$version"/wheel/*.whl
# W007: no library, only a program.
"$python/bin/check-wheel-contents" --ignore W007 "$releases/v$version"/wheel/*.whl

mkdir -p "$work/www/simple/bakstop"
for wheel in "$releases/v$version"/wheel/*.whl; do
	cp "$wheel" "$work/www/simple/bakstop/"
	printf '<a href="%s">%s</a>\n' "${wheel##*/}" "${wheel##*/}"
done >"$work/www/simple/bakstop/index.html"
mkfifo "$work/log"
python3 -u -m http.server --bind 127.0.0.1 --directory "$work/www" 0 >"$work/log" 2>/dev/null &
server=$!
read -r line <"$work/log"
port=${line#* port }
port=${port%% *}
index=http://127.0.0.1:$port/simple/
export PIP_INDEX_URL=$index UV_DEFAULT_INDEX=$index PIP_DISABLE_PIP_VERSION_CHECK=1
export HOME=$work/home GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
unset XDG_CACHE_HOME PRE_COMMIT_HOME PREK_HOME
mkdir "$HOME"

started() { # PROGRAM
	[ "$("$1" --version)" = "bakstop $version" ]
	head -c 4 "$1" | grep -q ELF || {
		echo "$1 is not the program itself" >&2
		exit 1
	}
}
echo "== pip"
python3 -m venv "$work/pip"
"$work/pip/bin/pip" install --quiet "bakstop==$version"
"$work/pip/bin/pip" check
started "$work/pip/bin/bakstop"
"$work/pip/bin/pip" uninstall --quiet --yes bakstop
[ ! -e "$work/pip/bin/bakstop" ]

echo "== uv"
"$python/bin/uv" venv --quiet "$work/uv"
VIRTUAL_ENV=$work/uv "$python/bin/uv" pip install --quiet "bakstop==$version"
started "$work/uv/bin/bakstop"

# The hook must be installed, pass a harmless commit and block a rewritten manifest.
hooked() { # NAME PROGRAM CONFIGURATION
	echo "== $1"
	rm -rf "$work/shop"
	git init -q -b main "$work/shop"
	(
		cd "$work/shop"
		printf '%s\n' "$3" >.pre-commit-config.yaml
		git add -A
		"$2" install >/dev/null
		local begun=$SECONDS
		git commit -q -m Start >out 2>&1 || {
			cat out
			exit 1
		}
		echo "the first commit, with the installation of the hook: $((SECONDS - begun)) s"
		echo "{ \"dependencies\": { \"left\": \"file:../$(printf .docker)-deps/left.tgz\" } }" \
			>package.json
		git add package.json
		if git commit -q -m Rewritten >out 2>&1; then
			echo "the commit went through" >&2
			exit 1
		fi
		grep 'rewritten-manifest' out || {
			cat out
			exit 1
		}
	)
}
revision=$(git rev-parse HEAD)
from_repository="repos:
  - repo: $here
    rev: $revision
    hooks:
      - id: bakstop-wheel"
# Without an index: the file itself, as the documentation shows.
wheel=$(echo "$work"/www/simple/bakstop/*linux*"$(uname -m)"*.whl)
local_wheel="$from_repository
        additional_dependencies: ['$wheel']"
without_repository="repos:
  - repo: local
    hooks:
      - id: bakstop
        name: bakstop
        entry: bakstop hook pre-commit
        language: python
        additional_dependencies: ['bakstop==$version']
        pass_filenames: false
        always_run: true
        stages: [pre-commit, pre-merge-commit, pre-push]"
for tool in pre-commit prek; do
	hooked "$tool, from the repository" "$python/bin/$tool" "$from_repository"
	hooked "$tool, with a file" "$python/bin/$tool" "$local_wheel"
done
# pre-commit would need setuptools here, which this index lacks.
hooked "prek, without the repository" "$python/bin/prek" "$without_repository"
