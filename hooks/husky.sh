# >>> bakstop @DIGEST@, written by `bakstop install`; `bakstop uninstall` takes it out
# shellcheck shell=sh
# The rest of this file runs first, in a shell of its own: it may exit early, the guard still runs.
if [ "${1-}" = --rest ]; then shift; else
  lines=$(cat && echo .) && lines=${lines%.} && printf %s "$lines" >/dev/null || exit 2
  if [ -z "${BAKSTOP_PROVE-}" ]; then printf %s "$lines" 2>/dev/null | sh -e "$0" --rest "$@" || exit; fi
  @FIND@
  look_below .; look_below "${0%/*}/.."
  look_in_path
  if [ -n "$program" ]; then printf %s "$lines" 2>/dev/null | "$program" hook @HOOK@ "$@"; exit; fi
  @MISSING@
fi
# <<< bakstop
