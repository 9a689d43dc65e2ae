#!/usr/bin/env bash
# Makes the files of a base image in a directory: node and busybox of this machine, and packages of
# the npm registry. Needs node, npm and busybox.
#   base.sh DIRECTORY PACKAGE...
set -euo pipefail
root=$1
shift
mkdir -p "$root"/{dev,etc,proc,root,sys,tmp,usr/bin}
chmod 1777 "$root/tmp"
ln -s usr/bin "$root/bin"
for program in node busybox; do
	program=$(command -v "$program")
	cp -L "$program" "$root/usr/bin"
	{ ldd "$program" 2>&1 || true; } | { grep -o '/[^ ]*' || true; } |
		xargs -r cp -L --parents --update -t "$root"
done
# What packages of the npm registry with native code need.
library=$(ldconfig -p | grep -o '/.*/librt\.so\.1$' | head -n 1)
[ -z "$library" ] || cp -L --parents "$library" "$root"
for applet in $(busybox --list); do
	[ -e "$root/usr/bin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
done
echo root:x:0:0:root:/root:/bin/sh >"$root/etc/passwd"
# As on Alpine, localhost has the addresses of /etc/hosts.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
npm install --silent --global --prefix "$root/usr" "$@"
# As in the official images, corepack starts other managers only after `corepack enable`.
find "$root/usr/bin" -lname '*/corepack/dist/*' ! -name corepack -delete
