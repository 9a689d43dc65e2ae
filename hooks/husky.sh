# >>> bakstop @DIGEST@, written by `bakstop install`; `bakstop uninstall` takes it out
# shellcheck shell=sh
# The rest of this file runs first, in a shell of its own: it may exit early, the guard still runs.
if [ "${1-}" = --rest ]; then shift; else
  lines=$(cat && echo .) && lines=${lines%.} && printf %s "$lines" >/dev/null || exit 2
  if [ -z "${BAKSTOP_PROVE-}" ]; then printf %s "$lines" 2>/dev/null | sh -e "$0" --rest "$@" || exit; fi
  PATH=$PATH:$HOME/.local/bin:$HOME/.cargo/bin:/usr/local/bin:/opt/homebrew/bin
  if command -v bakstop >/dev/null; then printf %s "$lines" 2>/dev/null | bakstop hook @HOOK@ "$@"; exit; fi
  if [ "${BAKSTOP-}" = 0 ]; then echo 'bakstop: not checked, because BAKSTOP=0' >&2; exit 0; fi
  echo 'bakstop: @BLOCKED@: the program "bakstop", which checks what is @DONE@ here, was not found' >&2
  printf '  to install it: %s\n' @HOW@ >&2
  echo '  to skip this check: BAKSTOP=0 @COMMAND@' >&2
  exit @CODE@
fi
# <<< bakstop
