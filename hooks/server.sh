#!/bin/sh
# bakstop-hook @DIGEST@, written by `bakstop install --server`; `bakstop uninstall` takes it out. Do not edit.
# The hook that was here before runs first, with the same lines. Nothing that a client sets switches this one off.
kept=${0%/*}/pre-receive.before-bakstop
lines=$(cat && echo .) && lines=${lines%.} && printf %s "$lines" >/dev/null || exit 2
if [ -x "$kept" ]; then printf %s "$lines" 2>/dev/null | "$kept" "$@" || exit; fi
installed=@BINARY@
# A shell takes an empty file for a script, which succeeds.
if [ -f "$installed" ] && [ -x "$installed" ] && [ -s "$installed" ]; then printf %s "$lines" 2>/dev/null | "$installed" hook pre-receive "$@"; exit; fi
echo 'bakstop: blocked: the guard of this repository, the program "bakstop" on the server, is missing' >&2
echo '  ask the person who runs the server to install it again' >&2
exit 2
