#!/bin/sh
# bakstop-hook @DIGEST@, written by `bakstop install`; `bakstop uninstall` takes it out. Do not edit.
# The hook that was here before runs first, the guard last: it judges what is really committed.
kept=${0%/*}/@HOOK@.before-bakstop
if [ -x "$kept" ]; then "$kept" "$@" || exit; fi
installed=@BINARY@
if [ -f "$installed" ] && [ -x "$installed" ]; then exec "$installed" hook @HOOK@; fi
PATH=$PATH:$HOME/.local/bin:$HOME/.cargo/bin:/usr/local/bin:/opt/homebrew/bin
if command -v bakstop >/dev/null; then exec bakstop hook @HOOK@; fi
if [ "${BAKSTOP-}" = 0 ]; then echo 'bakstop: not checked, because BAKSTOP=0' >&2; exit 0; fi
echo 'bakstop: blocked: the program "bakstop", which checks what is committed here, was not found' >&2
echo '  to install it: put it into ~/.local/bin or any directory of PATH (its install.sh does that)' >&2
echo '  to go on without this check: BAKSTOP=0 @COMMAND@' >&2
exit 2
