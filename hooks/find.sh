# shellcheck shell=sh
# Sets program. A commit can put files into the work tree: no entry of PATH counts that leads there by a relative path
# or into node_modules, where a program runs only if git tracks nothing, and no script, which could start a tracked file.
program='' entries='' IFS=:; set -f
for entry in $PATH; do case $entry in */node_modules/.bin | */node_modules/.bin/) ;; /*) entries=$entries$entry: ;; esac; done
unset IFS; set +f; PATH=$entries$HOME/.local/bin:$HOME/.cargo/bin:/usr/local/bin:/opt/homebrew/bin
in_modules() {
  unset CDPATH GIT_INDEX_FILE GIT_CEILING_DIRECTORIES GIT_LITERAL_PATHSPECS
  unset GIT_GLOB_PATHSPECS GIT_NOGLOB_PATHSPECS GIT_ICASE_PATHSPECS
  cd -P . && top=$PWD && cd -P "$1" && owner=$PWD && cd -P node_modules && modules=$PWD || exit
  present='' file='' start=''
  for system in linux-x64 linux-arm64 darwin-x64 darwin-arm64; do
    if [ -x "bakstop/native/$system/bakstop" ] || [ -x "bakstop/../bakstop-$system/bin/bakstop" ] ||
      [ -x "bakstop/node_modules/bakstop-$system/bin/bakstop" ]; then present="$present $system"; fi
  done
  # Mostly there is one, and /proc tells Linux from macOS without another process.
  case $present in
    ' '*' '*) case $(uname -sm) in
      'Linux x86_64') present=linux-x64 ;; 'Linux aarch64' | 'Linux arm64') present=linux-arm64 ;;
      'Darwin arm64') present='darwin-arm64 darwin-x64' ;; 'Darwin x86_64') present='darwin-x64 darwin-arm64' ;; *) exit 1 ;;
    esac ;;
    ' linux'*) [ -e /proc/self ] || exit ;;
    ' darwin'*) [ ! -e /proc/self ] || exit ;;
  esac
  for system in $present; do for place in native/$system ../bakstop-$system/bin node_modules/bakstop-$system/bin; do
    if [ -z "$file" ] && [ -x "bakstop/$place/bakstop" ]; then file=bakstop/$place/bakstop; fi
  done; done
  if [ -z "$file" ]; then
    file=bakstop; if [ -L .bin/bakstop ]; then file=$(readlink .bin/bakstop) || exit; fi
    case $file in /*) ;; *) file=.bin/$file ;; esac
    if [ -f "$file" ]; then read -r start <"$file" || exit; fi
    case $start in '#!'*) exit 1 ;; esac
  fi
  cd -P "${file%/*}" && file=$PWD/${file##*/} && [ -f "$file" ] && [ -x "$file" ] && [ -s "$file" ] && [ ! -L "$file" ] || exit
  case $file in "$modules"/* | "$top"/node_modules/*) ;; *) exit 1 ;; esac
  # Git keeps the files of a submodule that a commit removes, and does not track them any more.
  at=$file; while at=${at%/*}; case $at/ in "$modules"/* | "$top"/node_modules/*) [ ! -e "$at/.git" ] || exit ;; *) false ;; esac; do :; done
  # Where letter case makes no difference. Git would need longer for it everywhere.
  letters=''; if [ -e "$owner/NODE_MODULES" ] || [ -e "$top/NODE_MODULES" ]; then letters=,icase; fi
  # The repository of the hook, or else the one around the package; not the index of this one commit.
  case ${GIT_DIR:+set}$owner/ in set"$top"/*) cd "$top" || exit ;; *) unset GIT_DIR GIT_WORK_TREE GIT_COMMON_DIR; cd "$owner" || exit ;; esac
  tracked=$(git ls-files -- ":(literal$letters)$owner/node_modules" ":(top,literal$letters)node_modules") || exit
  [ -z "$tracked" ] && printf %s "$file"
}
look_below() {
  if [ -n "$program" ] || ! { [ -e "$1/node_modules/bakstop" ] || [ -e "$1/node_modules/.bin/bakstop" ]; }; then return 0; fi
  program=$(in_modules "$1" 2>/dev/null) || program=''
}
# A shell takes an empty file for a script, which succeeds.
look_in_path() { if [ -z "$program" ]; then program=$(command -v bakstop) && [ -s "$program" ]; fi || program=''; }
