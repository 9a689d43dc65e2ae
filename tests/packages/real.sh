#!/usr/bin/env bash
# Installs the packages of a release with real package managers, in a Debian root without Rust, with
# Node 20 and 22: from one file, from a URL, and from a registry. Then hooks must block.
#
# CACHE keeps the root, the package managers and the registry's program for the next run. The
# projects see only servers on this machine; what CACHE lacks comes from Debian and npm, and
# needs root, debootstrap and npm. Prints a table: seconds and bytes of the installation.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ $# -eq 2 ] || {
	echo "usage: tests/packages/real.sh RELEASES CACHE" >&2
	exit 2
}
releases=$(realpath "$1")
version=$(cat "$releases/latest")
release=$releases/v$version
mkdir -p "$2"
cache=$(realpath "$2")
root=$cache/root
port=48731
files=48732
servers=
# shellcheck disable=SC2317 # the trap calls it
clean() {
	for server in $servers; do kill "$server" 2>/dev/null || true; done
	if mountpoint -q "$root/proc"; then umount "$root/proc"; fi
}
trap clean EXIT

# tool NAME SPEC…: installs packages into a directory of their own, once.
tool() {
	local directory=$cache/tools/$1
	shift
	if [ ! -e "$directory/done" ]; then
		mkdir -p "$directory"
		echo '{ "overrides": { "node-fetch": "2.7.0" } }' >"$directory/package.json"
		npm install --prefix "$directory" --silent --no-fund --no-audit "$@" >/dev/null
		touch "$directory/done"
	fi
}
tool node22 node@22
tool pnpm10 pnpm@10
tool pnpm11 pnpm@11
tool pnpm12 pnpm@12
tool yarn1 yarn@1
tool yarn4 @yarnpkg/cli-dist@4
tool bun bun@1
tool verdaccio verdaccio@6.8.0
if [ ! -e "$cache/tools/husky.tgz" ]; then
	(cd "$cache/tools" && npm pack --silent husky@9 >/dev/null && mv husky-9*.tgz husky.tgz)
fi

if [ ! -e "$root/done" ]; then
	debootstrap --variant=minbase --include=ca-certificates,git,libstdc++6 bookworm \
		"$root" >"$cache/debootstrap.log"
	touch "$root/done"
fi
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
mkdir -p "$root/opt/node20/bin" "$root/opt/node22/bin"
cp "$(command -v node)" "$root/opt/node20/bin/node"
cp "$cache/tools/node22/node_modules/node/bin/node" "$root/opt/node22/bin/node"
rm -rf "$root/opt/tools" "$root/opt/release"
mkdir -p "$root/opt/tools/npm/node_modules"
cp -R "$(npm root -g)/npm" "$root/opt/tools/npm/node_modules/npm"
for name in pnpm10 pnpm11 pnpm12 yarn1 yarn4 bun; do
	cp -R "$cache/tools/$name" "$root/opt/tools/$name"
done
cp -R "$release" "$root/opt/release"
cp "$cache/tools/husky.tgz" "$root/opt/tools/husky.tgz"
cp tests/packages/project.sh "$root/opt/project.sh"

# The registry: no uplink, so that a project gets what was published here, or nothing.
registry=$cache/registry
rm -rf "$registry"
mkdir -p "$registry"
cat >"$registry/config.yaml" <<END
storage: $registry/storage
auth: { htpasswd: { file: $registry/htpasswd } }
packages: { '**': { access: \$all, publish: \$all } }
max_body_size: 50mb
log: { type: file, path: $registry/log, level: warn }
END
"$cache/tools/verdaccio/node_modules/.bin/verdaccio" --config "$registry/config.yaml" \
	--listen "127.0.0.1:$port" >"$registry/out" 2>&1 &
servers=$!
python3 -m http.server --bind 127.0.0.1 --directory "$release/npm" "$files" >/dev/null 2>&1 &
servers="$servers $!"
url=http://127.0.0.1:$port/
for _ in $(seq 100); do
	if node -e "fetch('$url').then(() => process.exit(0), () => process.exit(1))"; then break; fi
	sleep 0.2
done
printf '%s\n' "registry=$url" "//127.0.0.1:$port/:_authToken=anonymous" >"$registry/npmrc"
publish() {
	npm publish --userconfig "$registry/npmrc" --silent "$1" >/dev/null
}
# Those of the platforms first: the main package needs them.
for package in "$release"/npm/bakstop-[a-z]*.tgz "$release/npm/bakstop-$version.tgz" \
	"$cache/tools/husky.tgz"; do
	publish "$package"
done

printf '%-7s %-7s %-8s %-7s %-7s %8s %10s  %s\n' \
	node manager layout from hook seconds bytes result
failed=0
one() { # NODE MANAGER LAYOUT FROM HOOK
	if ! chroot "$root" /usr/bin/env -i /bin/bash /opt/project.sh "$@" "$version" "$url" \
		"http://127.0.0.1:$files/bakstop-$version-all.tgz" 2>"$cache/project.log"; then
		printf '%-7s %-7s %-8s %-7s %-7s %8s %10s  %s\n' "$@" - - FAILED
		sed 's/^/    /' "$cache/project.log"
		failed=1
	fi
}
for node in node20 node22; do
	for way in npm/flat pnpm10/isolated pnpm10/hoisted pnpm11/isolated pnpm12/isolated yarn1/flat \
		yarn4/flat yarn4/pnp bun/flat; do
		# pnpm 11 needs Node 22.
		if [ "$node ${way%/*}" = "node20 pnpm11" ]; then continue; fi
		for from in file url registry; do
			for hook in native husky; do
				if [ "$hook $from" = "husky url" ]; then continue; fi
				one "$node" "${way%/*}" "${way#*/}" "$from" "$hook"
			done
		done
	done
done
exit "$failed"
