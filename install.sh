#!/bin/sh
# Installs bakstop: one binary, into a directory of yours. It never asks for root.
#
#   ./install.sh                                      from a checkout: builds and installs
#   ... | sh -s -- --base-url https://mirror.example  a release from there
#
# The files under a base URL, as .ci/release writes them:
#
#   BASE/latest                                       one line: the newest version
#   BASE/vX.Y.Z/bakstop-X.Y.Z-PLATFORM.tar.gz         `bakstop` at the archive's root
#   BASE/vX.Y.Z/bakstop-X.Y.Z-PLATFORM.tar.gz.sha256  as sha256sum prints it
#
# PLATFORM is linux-x86_64, linux-aarch64, macos-x86_64 or macos-aarch64. The path of a file:// URL
# is not percent-decoded.
#
# The braces make a shell read the whole script before it runs any of it: half a download does
# nothing.
{
set -eu

# These would change where cd goes and what tar does with a member.
unset CDPATH TAR_OPTIONS GZIP

usage() {
	cat <<'END'
Usage: install.sh [OPTIONS]

Installs bakstop into ~/.local/bin. It never asks for root.

  --to DIR         put the binary into DIR (or set PREFIX, for PREFIX/bin)
  --version X.Y.Z  install this version (default: the newest)
  --base-url URL   fetch a release from https://, http:// or file://
                   (or set BAKSTOP_BASE_URL)
  --from-source    build it, even if a release could be fetched
  --git URL        build from this repository instead of a checkout
  --hook           then install the hooks into the repository you are in
  --uninstall      remove the binary
  --help           show this

Without a base URL it builds from the checkout this script is in.
If no release fits, it builds from source too, if there is any.
END
}

# A closed pipe must not stop an installation half-way.
say() {
	printf '%s\n' "$@" 2>/dev/null || :
}

complain() {
	printf 'install.sh: %s\n' "$1" >&2
	shift
	[ $# -eq 0 ] || printf '  %s\n' "$@" >&2
}

die() {
	complain "$@"
	exit 1
}

misused() {
	complain "$1" "See install.sh --help."
	exit 2
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# A URL may carry a password; a log must not.
mask() {
	case $1 in
	*://*@*) printf '%s' "$1" | sed 's|://[^/ ]*@|://***@|g' ;;
	*) printf '%s' "$1" ;;
	esac
}

is_version() {
	case $1 in
	*[!0-9A-Za-z.+-]* | *..*) return 1 ;;
	[0-9]*.[0-9]*.[0-9]*) return 0 ;;
	*) return 1 ;;
	esac
}

read_options() {
	to='' version='' git='' from_source='' hook='' uninstall=''
	base=${BAKSTOP_BASE_URL:-}
	while [ $# -gt 0 ]; do
		case $1 in
		--to=* | --version=* | --base-url=* | --git=*)
			name=${1%%=*} value=${1#*=}
			;;
		--to | --version | --base-url | --git)
			name=$1 value=''
			if [ $# -gt 1 ]; then
				value=$2
				shift
			fi
			# The next option is not a value: in `--to --hook`, the directory is missing.
			case $value in -*) value='' ;; esac
			;;
		--from-source) name=$1 value=yes from_source=yes ;;
		--hook) name=$1 value=yes hook=yes ;;
		--uninstall) name=$1 value=yes uninstall=yes ;;
		-h | --help)
			usage
			exit 0
			;;
		*) misused "unknown option $1" ;;
		esac
		[ -n "$value" ] || misused "$name needs a value"
		case $name in
		--to) to=$value ;;
		--version) version=${value#v} ;;
		--base-url) base=$value ;;
		--git) git=$value ;;
		esac
		shift
	done

	if [ -n "$uninstall" ] && [ -n "$version$git$from_source$hook" ]; then
		misused "--uninstall goes with --to only"
	fi
	[ -z "$version" ] || is_version "$version" || misused "not a version: $version"
	case $base in
	'' | https://?* | http://?* | file:///*) ;;
	file://localhost/*) base=file://${base#file://localhost} ;;
	*) misused "a base URL begins with https://, http:// or file:///, not $(mask "$base")" ;;
	esac
	while [ "${base%/}" != "$base" ]; do base=${base%/}; done
	case $git in -*) misused "not a URL: $git" ;; esac
}

choose_directory() {
	if [ -n "$to" ]; then
		dir=$to
	elif [ -n "${PREFIX:-}" ]; then
		dir=$PREFIX/bin
	elif [ -n "${HOME:-}" ]; then
		dir=$HOME/.local/bin
	else
		die "HOME is not set. Choose a directory with --to DIR."
	fi
	case $dir in
	/*) ;;
	*) dir=$(pwd)/$dir ;;
	esac
	while [ "$dir" != / ] && [ "${dir%/}" != "$dir" ]; do dir=${dir%/}; done
	binary=${dir%/}/bakstop
}

# Checked before a download or a build, rather than after it.
check_directory() {
	there=$dir
	while [ ! -e "$there" ] && [ -n "$there" ]; do there=${there%/*}; done
	there=${there:-/}
	[ -d "$there" ] || die "$there is not a directory, so nothing can be installed in $dir"
	[ -w "$there" ] || die "cannot write to $there" "Choose a directory of yours with --to DIR."
	[ ! -d "$binary" ] || die "$binary is a directory; the binary needs this path"
}

# Only the script's own name counts. Piped into a shell, $0 is that shell, and the current
# directory was not asked for.
find_checkout() {
	checkout=''
	case $0 in install.sh | */install.sh) ;; *) return 0 ;; esac
	[ -f "$0" ] || return 0
	case $0 in
	*/*) here=${0%/*} ;;
	*) here=. ;;
	esac
	here=$(cd -- "${here:-/}" && pwd -P) || return 0
	[ "$(manifest_field name)" = bakstop ] || return 0
	checkout=$here
}

manifest_field() {
	[ -f "$here/Cargo.toml" ] || return 0
	sed -n '/^\[package\]/,/^\[/s/^'"$1"' *= *"\([^"]*\)".*/\1/p' "$here/Cargo.toml"
}

find_platform() {
	platform=''
	system=$(uname -s) && machine=$(uname -m) || return 0
	case $system in
	Linux) system=linux ;;
	Darwin) system=macos ;;
	*) return 0 ;;
	esac
	case $machine in
	x86_64 | amd64) platform=$system-x86_64 ;;
	aarch64 | arm64) platform=$system-aarch64 ;;
	esac
}

# fetch URL FILE: 0 if FILE was written, 1 if the server reports that it does not exist. Any other
# failure is the end: a network that is down is not a reason to install something else.
fetch() {
	case $1 in
	file://*)
		[ -e "${1#file://}" ] || return 1
		cp -- "${1#file://}" "$2" || die "could not read ${1#file://}"
		return 0
		;;
	https://*) protocols='=https' ;;
	*) protocols='=http,https' ;;
	esac
	if have curl; then
		answer=$(curl -fgsSL --proto "$protocols" --connect-timeout 30 -w '%{http_code}' \
			-o "$2" "$1" 2>"$work/log") && return 0
		case $answer in 404 | 410) return 1 ;; esac
	elif have wget; then
		LC_ALL=C wget -nv -t 2 -O "$2" "$1" 2>"$work/log" && ended=0 || ended=$?
		# The wget of busybox may go on without checking the certificate.
		if grep -q 'certificate validation not implemented' "$work/log"; then
			die "this machine's wget does not check certificates" \
				"Install curl, or GNU wget."
		fi
		[ "$ended" -ne 0 ] || return 0
		if grep -Eq 'ERROR (404|410)|returned error: HTTP/[0-9.]+ (404|410)' "$work/log"; then
			return 1
		fi
	else
		die "a download needs curl or wget, and neither was found"
	fi
	# curl prints the reason in one line, and perhaps a page about it; wget prints it last.
	why=$(grep '^curl: ' "$work/log" || sed -n '$p' "$work/log")
	die "could not fetch $(mask "$1")" "$(mask "$why")" "Nothing was installed."
}

sha256() {
	if have sha256sum; then
		sha256sum <"$1"
	elif have shasum; then
		shasum -a 256 <"$1"
	elif have openssl; then
		# It prints `SHA2-256(stdin)= HEX`, and the words before the sum vary with its version.
		openssl dgst -sha256 <"$1" | sed 's/.*= *//'
	elif have busybox; then
		busybox sha256sum <"$1"
	fi
}

is_sha256() {
	case $1 in *[!0-9a-f]*) return 1 ;; esac
	[ ${#1} -eq 64 ]
}

verify() {
	lines=0 wanted=''
	while read -r sum name rest || [ -n "$sum" ]; do
		lines=$((lines + 1))
		if [ "${name#\*}" = "$archive" ] && [ -z "$rest" ]; then
			wanted=$sum
		fi
	done <"$work/archive.sha256"
	if [ "$lines" -ne 1 ] || ! is_sha256 "$wanted"; then
		die "$archive.sha256 is not a checksum of $archive" "Nothing was installed."
	fi
	found=$(sha256 "$work/archive") || found=''
	found=${found%% *}
	is_sha256 "$found" || die "the archive's checksum cannot be computed on this machine" \
		"One of sha256sum, shasum, openssl or busybox is needed. Nothing was installed."
	[ "$found" = "$wanted" ] || die "the checksum of $archive is wrong" \
		"expected $wanted" "found    $found" "Nothing was installed."
}

# Writes the one wanted member to a file of our choosing. No member is unpacked under its own name,
# so an archive cannot choose a path.
unpack() {
	if ! gzip -dc <"$work/archive" >"$work/tar" 2>"$work/log" ||
		! tar -tf "$work/tar" >"$work/members" 2>"$work/log"; then
		die "$archive is damaged" "Nothing was installed."
	fi
	if grep -q / "$work/members" || [ "$(grep -cx bakstop "$work/members")" != 1 ]; then
		die "$archive is not a release of bakstop" "Nothing was installed."
	fi
	tar -xOf "$work/tar" bakstop >"$work/bakstop" 2>"$work/log" ||
		die "$archive is damaged" "Nothing was installed."
	built=$work/bakstop
}

# Sets $built to the new binary, or leaves it empty if no release fits.
from_release() {
	case $base in
	file://*) [ -d "${base#file://}" ] || die "${base#file://} is not a directory" ;;
	http://127.* | http://localhost[:/]* | http://\[::1\]*) ;;
	http://*) complain "note: http:// is not protected: anybody on the network path can change what you get" ;;
	esac
	find_platform
	if [ -z "$platform" ]; then
		say "There are no releases for this platform ($(uname -sm || :))."
		return 0
	fi
	wanted_version=$version
	if [ -z "$wanted_version" ]; then
		if ! fetch "$base/latest" "$work/latest"; then
			say "There is no release at $(mask "$base")."
			return 0
		fi
		read -r wanted_version <"$work/latest" || :
		wanted_version=${wanted_version%"$(printf '\r')"}
		is_version "$wanted_version" || die "$(mask "$base/latest") does not name a version"
	fi
	archive=bakstop-$wanted_version-$platform.tar.gz
	if ! fetch "$base/v$wanted_version/$archive" "$work/archive"; then
		say "There is no bakstop $wanted_version for $platform at $(mask "$base")."
		return 0
	fi
	fetch "$base/v$wanted_version/$archive.sha256" "$work/archive.sha256" ||
		die "$archive.sha256 is missing" "Nothing was installed."
	verify
	unpack
}

need_cargo() {
	cargo=cargo
	have cargo && return 0
	# rustup may have been run after this shell was started.
	cargo=${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo
	[ -x "$cargo" ] || die "building bakstop needs Rust, and cargo was not found" \
		"Get it from https://rustup.rs and run this again."
}

from_checkout() {
	here=$checkout
	found_version=$(manifest_field version)
	if [ -n "$version" ] && [ "$version" != "$found_version" ]; then
		die "$checkout holds bakstop $found_version, not $version" \
			"Check out v$version there, or leave out --version."
	fi
	wanted_version=$found_version
	target=${CARGO_TARGET_DIR:-$checkout/target}
	case $target in /*) ;; *) target=$(pwd)/$target ;; esac
	say "Building bakstop from $checkout; this can take a few minutes."
	# cargo reads its settings from the current directory, not from that of the manifest. The path
	# of the binary depends on them, so it is taken from the messages.
	(
		cd -- "$checkout" &&
			CARGO_TARGET_DIR=$target "$cargo" build --release --locked --bin bakstop \
				--message-format=json-render-diagnostics
	) >"$work/messages" || die "the build failed" "Nothing was installed."
	built=$(sed -n 's|.*"executable":"\([^"]*/bakstop\)".*|\1|p' "$work/messages")
	[ -f "$built" ] || die "the build succeeded, but the binary was not found"
}

from_git() {
	wanted_version=$version
	say "Building bakstop from $(mask "$git"); this can take a few minutes."
	# Not in the current directory: its cargo settings and toolchain are not for this build.
	(
		cd / &&
			PATH=$PATH:$work/installed/bin "$cargo" install --locked --git "$git" \
				${version:+--tag "v$version"} --root "$work/installed" bakstop
	) || die "the build failed" "Nothing was installed."
	built=$work/installed/bin/bakstop
}

from_source() {
	if [ -n "$git" ]; then
		need_cargo
		from_git
	elif [ -n "$checkout" ]; then
		need_cargo
		from_checkout
	else
		die "there is nothing to install from" \
			"Name a place that has releases:   --base-url URL" \
			"or a repository to build from:    --git URL" \
			"or run ./install.sh in a checkout of bakstop."
	fi
}

# Moves the binary into the directory: a process that starts bakstop meanwhile gets the old one or
# the new one. The copy is made in the same directory, because a move is atomic only within one
# file system, and is run there first, because a file system may be mounted noexec.
place() {
	topmost=$dir
	while [ ! -e "${topmost%/*}" ] && [ "${topmost%/*}" != '' ]; do topmost=${topmost%/*}; done
	[ -e "$dir" ] || created=$topmost
	if ! mkdir -p -- "$dir" || ! stage=$(mktemp -d "${dir%/}/.bakstop.XXXXXX") ||
		! cp -- "$built" "$stage/bakstop" || ! chmod 755 "$stage/bakstop"; then
		die "could not write to $dir" "Nothing was installed."
	fi
	answer=$("$stage/bakstop" --version </dev/null 2>"$work/log") ||
		die "the new binary does not run here" "$(sed -n '$p' "$work/log")" "Nothing was installed."
	case "$answer " in
	"bakstop ${wanted_version:+$wanted_version }"*) ;;
	*)
		die "the new binary should be bakstop${wanted_version:+ $wanted_version}" \
			"It prints: $answer" "Nothing was installed."
		;;
	esac
	mv -f -- "$stage/bakstop" "$binary" || die "could not write $binary" "Nothing was installed."
	created=''
	say "Installed $answer as $binary"
}

advise() {
	command=bakstop
	case ":${PATH:-}:" in
	*":$dir:"*)
		first=$(command -v bakstop) || first=$binary
		[ "$first" = "$binary" ] || say "Another bakstop comes first in your PATH: $first"
		;;
	*)
		say "$dir is not in your PATH yet. Add this to your shell's profile:" \
			"  export PATH=\"$dir:\$PATH\""
		command=$binary
		;;
	esac
	[ -n "$hook" ] || say "Next, in each repository to guard: $command install"
}

uninstall() {
	if [ ! -e "$binary" ] && [ ! -L "$binary" ]; then
		say "There is no bakstop in $dir; nothing to remove."
		if other=$(command -v bakstop); then
			say "There is one at $other: use --to ${other%/*}"
		fi
		return 0
	fi
	answer=$("$binary" --version </dev/null 2>/dev/null) || answer=''
	case $answer in
	'bakstop '*) ;;
	*) die "$binary does not identify itself as bakstop, so it was not removed" ;;
	esac
	rm -f -- "$binary" || die "could not remove $binary"
	say "Removed $binary" \
		"\"bakstop uninstall\" removes its hooks from a repository, and should be run before this." \
		"If hooks are left: install bakstop again, run that, and remove it again."
}

# shellcheck disable=SC2317 # the trap calls it
clean() {
	[ -z "$stage" ] || rm -rf -- "$stage" || :
	[ -z "$work" ] || rm -rf -- "$work" || :
	# Directories made for an installation that failed; rmdir removes only empty ones.
	while [ -n "$created" ]; do
		rmdir -- "$dir" 2>/dev/null || :
		[ "$dir" != "$created" ] || created=''
		dir=${dir%/*}
	done
}

main() {
	stage='' work='' created='' built=''
	trap clean EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap : PIPE
	trap 'exit 143' TERM

	read_options "$@"
	choose_directory
	if [ -n "$uninstall" ]; then
		uninstall
		return 0
	fi
	check_directory
	if [ -n "$hook" ] && have git && ! git rev-parse --git-dir >/dev/null; then
		die "--hook needs a git repository, and this directory is not in one" "Nothing was installed."
	fi
	find_checkout
	work=$(mktemp -d "${TMPDIR:-/tmp}/bakstop.XXXXXX") || die "could not make a temporary directory"

	if [ -n "$base" ] && [ -z "$from_source" ]; then
		from_release
	fi
	[ -n "$built" ] || from_source
	place
	advise
	if [ -n "$hook" ]; then
		"$binary" install || die "bakstop is installed, but its hooks are not"
	fi
}

main "$@"
# Text that a proxy may have added below the closing brace is never reached.
exit
}
