# shellcheck shell=sh
# Starts the program of this machine, which is in this package or in one of its own.
fail() {
	printf 'bakstop: not started: %s\n' "$1" >&2
	printf '  %s\n' "$2" >&2
	exit 2
}

# Package managers link to this file. `readlink -f` is missing on older macOS.
self=$0
while [ -L "$self" ]; do
	target=$(readlink "$self") || fail "the link $self cannot be read" \
		"Install readlink, or start the file that it leads to."
	case $target in
	[!/]*) target=${self%"${self##*[/]}"}$target ;;
	esac
	self=$target
done
case $self in
*[/]*) package=${self%[/]*}/.. ;;
*) package=.. ;;
esac

# On macOS each kind of processor may have to run the program of the other.
machine=$(uname -sm)
case $machine in
'Linux x86_64') platforms=linux-x64 ;;
'Linux aarch64' | 'Linux arm64') platforms=linux-arm64 ;;
'Darwin x86_64') platforms='darwin-x64 darwin-arm64' ;;
'Darwin arm64') platforms='darwin-arm64 darwin-x64' ;;
MINGW* | MSYS* | CYGWIN*)
	fail "there is no bakstop for Windows" "Use it in WSL, where it is a program for Linux."
	;;
*) fail "there is no bakstop for $machine" "It runs on Linux and macOS, on x64 and arm64." ;;
esac

released=' @PLATFORMS@ '
missing=''
for platform in $platforms; do
	name=bakstop-$platform
	# All in one package; side by side (npm, pnpm, Yarn, Bun); inside of this package, where another
	# version took the other place.
	for program in "$package/native/$platform/bakstop" "$package/../$name/bin/bakstop" \
		"$package/node_modules/$name/bin/bakstop"; do
		# A shell takes an empty file for a script, which succeeds.
		if [ -x "$program" ] && [ -s "$program" ]; then exec "$program" "$@"; fi
	done
	case $released in
	*" $platform "*) missing=${missing:-$name} ;;
	esac
done
[ -n "$missing" ] || fail "bakstop @VERSION@ was released without ${platforms%% *}" \
	"It was released for$released"
fail "$missing @VERSION@, the package with the program for this machine, is not installed" \
	"Install without --omit=optional or --no-optional, and with a lockfile that has this platform."
