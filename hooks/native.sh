#!/bin/sh
# bakstop-hook @DIGEST@, written by `bakstop install`; `bakstop uninstall` takes it out. Do not edit.
# The hook that was here before runs first, the guard last: it judges what is really @DONE@.
kept=${0%/*}/@HOOK@.before-bakstop
lines=$(cat && echo .) && lines=${lines%.} && printf %s "$lines" >/dev/null || exit 2
if [ -x "$kept" ] && [ -z "${BAKSTOP_PROVE-}" ]; then printf %s "$lines" 2>/dev/null | "$kept" "$@" || exit; fi
installed=@BINARY@
if [ -f "$installed" ] && [ -x "$installed" ]; then printf %s "$lines" 2>/dev/null | "$installed" hook @HOOK@ "$@"; exit; fi
PATH=$PATH:$HOME/.local/bin:$HOME/.cargo/bin:/usr/local/bin:/opt/homebrew/bin
if command -v bakstop >/dev/null; then printf %s "$lines" 2>/dev/null | bakstop hook @HOOK@ "$@"; exit; fi
if [ "${BAKSTOP-}" = 0 ]; then echo 'bakstop: not checked, because BAKSTOP=0' >&2; exit 0; fi
echo 'bakstop: @BLOCKED@: the program "bakstop", which checks what is @DONE@ here, was not found' >&2
printf '  to install it: %s\n' @HOW@ >&2
echo '  to skip this check: BAKSTOP=0 @COMMAND@' >&2
exit @CODE@
