# shellcheck shell=sh
if [ "${BAKSTOP-}" = 0 ]; then echo 'bakstop: not checked, because BAKSTOP=0' >&2; exit 0; fi
case $(uname -s) in
  MINGW* | MSYS* | CYGWIN*)
    echo 'bakstop: @BLOCKED@: the program "bakstop", which checks what is @DONE@ here, does not run in Git for Windows' >&2
    echo '  to check it: use git in WSL' >&2 ;;
  *)
    echo 'bakstop: @BLOCKED@: the program "bakstop", which checks what is @DONE@ here, was not found' >&2
    printf '  to install it: %s\n' @HOW@ >&2 ;;
esac
echo '  to skip this check: BAKSTOP=0 @COMMAND@' >&2
exit @CODE@
