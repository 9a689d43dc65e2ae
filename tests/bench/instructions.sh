#!/usr/bin/env bash
# Counts the instructions of the hook in `git commit`, without those of programs that it starts.
# Unlike times, they are the same on a busy machine. Needs valgrind.
set -euo pipefail
synopsis="tests/bench/instructions.sh [--bin FILE] [--peer FILE]"
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"

peer=
read_options "peer" "" "$@"
[ -z "$peer" ] || peer=$(realpath "$peer")

# Runs a command under valgrind; prints its instructions in thousands.
count() { # COMMAND…
	valgrind --tool=callgrind --callgrind-out-file="$work/calls" "$@" >"$work/out" 2>&1 || true
	awk '/^summary:/ { printf "%d\n", $2 / 1000 }' "$work/calls"
}

# Git runs the hook when the index and its trees are written.
cat >"$work/hook" <<'HOOK'
#!/bin/sh
exec valgrind --tool=callgrind --callgrind-out-file="$CALLS" "$GUARD" hook "${0##*/}" "$@"
HOOK
chmod +x "$work/hook"

make_repository() {
	git init -q -b main "$work/repository"
	cd "$work/repository"
	for ((i = 0; i < 1000; i++)); do
		dir=packages/p$((i / 50))/src
		[ $((i % 50)) -ne 0 ] || mkdir -p "$dir"
		echo "export const n = $i;" >"$dir/f$i.js"
	done
	manifest 10.6.5 ^1.0.0
	images 10.6.5
	# Files as old as the index would be read again by every git command.
	find . -path ./.git -prune -o -type f -exec touch -d '1 hour ago' {} +
	git add -A
	git commit -q -m Start
	git gc -q
	cp "$work/hook" .git/hooks/pre-commit
}

manifest() { # VERSION SPEC
	printf '{\n  "name": "shop",\n  "packageManager": "pnpm@%s",\n' "$1" >package.json
	printf '  "dependencies": {\n    "left": "%s"\n  }\n}\n' "$2" >>package.json
}

images() { # VERSION
	local name
	for name in api web worker; do
		mkdir -p "$name"
		printf 'FROM node:22\nRUN npm i -g pnpm@%s\n' "$1" >"$name/Dockerfile"
	done
}

# The states: each stages something in a clean repository.
plain() { echo "export {};" >packages/p0/src/f0.js; }
one_manifest() { manifest 10.6.5 ^1.0.1; }
all_pins_moved() { manifest 10.8.0 ^1.0.0 && images 10.8.0; }
manifest_moved_alone() { manifest 10.8.0 ^1.0.0; }
rewritten_manifest() { manifest 10.6.5 file:.docker-"deps"/left-1.0.0.tgz; }
backup() { cp package.json package.json.bak; }
image() { printf 'FROM node:22\nRUN npm i -g pnpm@10.6.5\nWORKDIR /app\n' >web/Dockerfile; }
states=(plain one_manifest image all_pins_moved manifest_moved_alone rewritten_manifest backup)

in_commit() { # BINARY STATE
	"$2"
	git add -A
	rm -f "$work/calls"
	GUARD=$1 CALLS=$work/calls git commit -q -m Next >"$work/out" 2>&1 || true
	awk '/^summary:/ { printf "%d\n", $2 / 1000 }' "$work/calls"
	git reset -q --hard "$start"
}

line() { # LABEL COUNT [COUNT]
	awk -v l="$1" -v n="$2" -v p="${3:-}" \
		'BEGIN { printf "%-34s %9d", l, n; if (p) printf " %9d   %6.3f", p, n / p; print "" }'
}

make_repository
start=$(git rev-parse HEAD)
printf '%-34s %9s %9s   %6s\n' "thousands of instructions" bakstop "${peer:+peer}" "${peer:+ratio}"
line "--version" "$(count "$bin" --version)" "${peer:+$(count "$peer" --version)}"
for state in "${states[@]}"; do
	line "hook, ${state//_/ }" "$(in_commit "$bin" "$state")" \
		"${peer:+$(in_commit "$peer" "$state")}"
done
