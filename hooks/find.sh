# shellcheck shell=sh
# Sets program. A commit can put files into the work tree: no entry of PATH counts that leads there by a relative path
# or into node_modules, where a program runs only if git tracks nothing, and no script, which could start a tracked file,
# as those in the directory do that Yarn makes for one command.
program='' entries='' IFS=:; set -f
for entry in $PATH; do case $entry in
  */node_modules/.bin | */node_modules/.bin/ | "${BERRY_BIN_FOLDER-}") ;; /*) entries=$entries$entry: ;;
esac; done
unset IFS; set +f; PATH=$entries$HOME/.local/bin:$HOME/.cargo/bin:/usr/local/bin:/opt/homebrew/bin
# A shell takes an empty file for a script, which succeeds.
is_program() { [ -f "$1" ] && [ -x "$1" ] && [ -s "$1" ]; }
in_modules() {
  unset CDPATH GIT_INDEX_FILE GIT_CEILING_DIRECTORIES GIT_LITERAL_PATHSPECS GIT_GLOB_PATHSPECS GIT_NOGLOB_PATHSPECS GIT_ICASE_PATHSPECS
  cd -P . && top=$PWD && cd -P "$1" && owner=$PWD && cd -P node_modules && modules=$PWD || exit
  present='' file='' start='' machine=''
  for system in linux-x64 linux-arm64 darwin-x64 darwin-arm64; do if
    [ -x "bakstop/native/$system/bakstop" ] || [ -x "bakstop/../bakstop-$system/bin/bakstop" ] ||
      [ -x "bakstop/node_modules/bakstop-$system/bin/bakstop" ]; then present="$present $system"; fi; done
  # Mostly there is one, and /proc tells without another process if it is for this machine, the processor from Linux 6.1
  # on. BusyBox reads a program for another processor as a script, which may write files.
  if [ -r /proc/sys/kernel/arch ]; then read -r machine </proc/sys/kernel/arch; elif [ -e /bin/busybox ]; then machine='?'; fi
  case $machine$present in
    "$machine" | 'x86_64 linux-x64' | 'aarch64 linux-arm64') ;;
    ' linux-x64' | ' linux-arm64') [ -e /proc/self ] || exit ;; ' darwin-x64' | ' darwin-arm64') [ ! -e /proc/self ] || exit ;;
    *) case $(uname -sm) in
      'Linux x86_64') present=linux-x64 ;; 'Linux aarch64' | 'Linux arm64') present=linux-arm64 ;;
      'Darwin arm64') present='darwin-arm64 darwin-x64' ;; 'Darwin x86_64') present='darwin-x64 darwin-arm64' ;; *) exit 1 ;;
    esac ;;
  esac
  for system in $present; do for place in native/$system ../bakstop-$system/bin node_modules/bakstop-$system/bin; do
    if [ -z "$file" ] && is_program "bakstop/$place/bakstop"; then file=bakstop/$place/bakstop; fi
  done; done
  if [ -z "$file" ]; then
    file=bakstop; if [ -L .bin/bakstop ]; then file=$(readlink .bin/bakstop) || exit; fi
    case $file in /*) ;; *) file=.bin/$file ;; esac
    if [ -f "$file" ]; then read -r start <"$file" || exit; fi
    case $start in '#!'*) exit 1 ;; esac
  fi
  cd -P "${file%/*}" && file=$PWD/${file##*/} && is_program "$file" && [ ! -L "$file" ] || exit
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
look_in_path() {
  IFS=:; set -f; for entry in $PATH; do if [ -z "$program" ] && is_program "$entry/bakstop"; then program=$entry/bakstop; fi; done; unset IFS; set +f
}
