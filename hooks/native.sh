#!/bin/sh
# bakstop-hook @DIGEST@, written by `bakstop install`; `bakstop uninstall` takes it out. Do not edit.
# The hook that was here before runs first, the guard last: it judges what is really @DONE@.
kept=${0%/*}/@HOOK@.before-bakstop
lines=$(cat && echo .) && lines=${lines%.} && printf %s "$lines" >/dev/null || exit 2
if [ -x "$kept" ] && [ -z "${BAKSTOP_PROVE-}" ]; then printf %s "$lines" 2>/dev/null | "$kept" "$@" || exit; fi
@FIND@
installed=@BINARY@
if [ -z "$program" ] && [ -f "$installed" ] && [ -x "$installed" ] && [ -s "$installed" ]; then program=$installed; fi
look_below .; look_below "${0%/*}/.."
package=@PACKAGE@
look_below "$package"
look_in_path
if [ -n "$program" ]; then printf %s "$lines" 2>/dev/null | "$program" hook @HOOK@ "$@"; exit; fi
@MISSING@
