# shellcheck shell=sh
# One line of git's configuration: git appends the arguments of the hook. An empty file is a script, which succeeds.
program=@BINARY@;
{ [ -f "$program" ] && [ -x "$program" ] && [ -s "$program" ]; } || {
if [ "${BAKSTOP-}" = 0 ]; then echo 'bakstop: not checked, because BAKSTOP=0' >&2; exit 0; fi;
printf 'bakstop: blocked: %s, which the configuration of git names, is missing\n' "$program" >&2;
echo '  to remove this hook: git config @SCOPE@ --remove-section hook.@NAME@' >&2;
echo '  to skip this check: BAKSTOP=0 @COMMAND@' >&2; exit 2; };
exec "$program" hook @HOOK@
