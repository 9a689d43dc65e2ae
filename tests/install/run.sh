#!/bin/sh
# Proves install.sh and .ci/release: sh tests/install/run.sh
#
# Every case runs under each of dash, bash, busybox ash and bash-3.2 (the shell of macOS, under this
# name) that is installed, in a new directory and with only the environment that it sets. The binary
# is a stub, packed by .ci/release like the real one; cargo is a stub too. No network but 127.0.0.1.
set -u
unset CDPATH
LC_ALL=C
export LC_ALL

case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
here=$(cd -- "$here" && pwd -P) || exit 2
root=${here%/*/*}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/bakstop-install.XXXXXX") || exit 2
# Some cases run as another user, who needs access.
chmod 755 "$scratch"

passed=0 failed=0 skipped=0 server='' proofs=''
finish() {
	for pid in $server $proofs; do kill "$pid" 2>/dev/null; done
	chmod -R u+w "$scratch"
	rm -rf -- "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

have() { command -v "$1" >/dev/null 2>&1; }

pass() {
	passed=$((passed + 1))
	printf 'ok    %s\n' "$1"
}
fail() {
	failed=$((failed + 1))
	printf 'FAIL  %s\n%s\n' "$1" "$2"
}
skip() {
	skipped=$((skipped + 1))
	printf 'skipped  %s: %s\n' "$1" "$2"
}

# ---- parts of the cases

# The stub binary: prints its version, and records the arguments of `install`.
stub() {
	cat >"$2" <<END
#!/bin/sh
case \$1 in
--version) echo "bakstop $1" ;;
install)
	echo "\$(pwd -P): \$*" >>"\$HOME/hooked"
	[ ! -e "\$HOME/no-hooks" ]
	;;
esac
END
	chmod 755 "$2"
}

# A checkout, so that the version and state of this one do not matter.
checkout=$scratch/check\ out
mkdir -p "$checkout/docs/schema"
cp "$root/install.sh" "$checkout/install.sh"
cp -R "$root/.ci" "$checkout/.ci"
cp "$root/docs/schema/bakstop.json" "$checkout/docs/schema/bakstop.json"
cat >"$checkout/Cargo.toml" <<'END'
[package]
name = "bakstop"
version = "0.0.2"
description = "A stub"
license = "MIT OR Apache-2.0"

[dependencies]
name = "not this one"
END
for text in LICENSE-APACHE LICENSE-MIT README.md CHANGELOG.md; do
	echo "$text" >"$checkout/$text"
done

release() {
	SOURCE_DATE_EPOCH=1700000000 "$checkout/.ci/release" "$@" 2>"$scratch/release.err"
}

www=$scratch/www
mkdir "$www"
stub 0.0.1 "$scratch/one"
stub 0.0.2 "$scratch/two"
if ! release --out "$www/releases" --bin "$scratch/one" --version 0.0.1 >"$scratch/first" ||
	! release --out "$www/releases" --bin "$scratch/two" >"$scratch/second"; then
	cat "$scratch/release.err" >&2
	exit 2
fi
archive=$(cat "$scratch/second")
archive=${archive##*/}
platform=${archive#bakstop-0.0.2-}
platform=${platform%.tar.gz}

# A copy of the releases, for a case that damages them.
spoil() {
	spoilt=$case/spoilt
	mkdir "$spoilt"
	cp -R "$www/releases/." "$spoilt"
	victim=$spoilt/v0.0.2/$archive
}
seal() {
	(cd "$spoilt/v0.0.2" && sha256sum "$archive" >"$archive.sha256")
}

# Directories with links to real tools only.
all='basename cat chmod cp curl dirname env git grep gzip head ls mkdir mktemp mv openssl perl rm
	rmdir sed sh sha256sum shasum sort tail tar touch tr uname wc wget'
tools() {
	mkdir -p "$1"
	for link in $2; do
		if have "$link"; then ln -sf "$(command -v "$link")" "$1/$link"; fi
	done
}
without() {
	links=$1
	shift
	mkdir "$links"
	cp -R "$scratch/tools/." "$links"
	for link; do rm -f "$links/$link"; done
}
tools "$scratch/tools" "$all"
without "$scratch/no-sha" sha256sum shasum openssl
without "$scratch/no-curl" curl
without "$scratch/no-fetch" curl wget
if have busybox; then
	mkdir "$scratch/busybox"
	for link in $(busybox --list); do
		ln -s "$(command -v busybox)" "$scratch/busybox/$link"
	done
fi

if have python3; then
	mkfifo "$scratch/ports"
	python3 "$here/serve.py" "$www" >"$scratch/ports" 2>/dev/null &
	server=$!
	read -r port dead <"$scratch/ports"
	http=http://127.0.0.1:$port
fi

# ---- functions of the cases

number=0
begin() {
	name="[$label] $1"
	number=$((number + 1))
	case=$scratch/case-$number
	mkdir -p "$case/home" "$case/tmp" "$case/here" "$case/stubs"
	why='' path=$scratch/tools home=$case/home bin=$case/home/.local/bin input=$root/install.sh
	as=''
}

# A stub of a tool, first in PATH.
pretend() {
	{
		echo '#!/bin/sh'
		cat
	} >"$case/stubs/$1"
	chmod 755 "$case/stubs/$1"
}

# A stub of cargo: records its directory and arguments, and builds the stub binary of this version.
pretend_cargo() {
	stub "$1" "$case/built"
	pretend cargo <<END
echo "\$PWD: \$*" >>"$case/cargo.log"
case \$1 in
build)
	mkdir -p "\$CARGO_TARGET_DIR/release"
	cp "$case/built" "\$CARGO_TARGET_DIR/release/bakstop"
	echo '{"reason":"compiler-artifact","executable":null,"fresh":true}'
	printf '{"reason":"compiler-artifact","executable":"%s","fresh":false}\\n' \\
		"\$CARGO_TARGET_DIR/release/bakstop"
	;;
install)
	while [ "\$1" != --root ]; do shift; done
	mkdir -p "\$2/bin"
	cp "$case/built" "\$2/bin/bakstop"
	;;
esac
END
}

# $shell and $as are split on purpose.
# shellcheck disable=SC2086
run() {
	(
		cd "$case/here" || exit 99
		exec $as env -i "PATH=$case/stubs:$path" ${home:+"HOME=$home"} "TMPDIR=$case/tmp" \
			${extra:+"$extra"} $shell "$@"
	) >"$case/out" 2>"$case/err"
	code=$?
	extra=''
}
extra=''
piped() { run -s -- "$@" <"$input"; }
from_file() { run "$checkout/install.sh" "$@" </dev/null; }

wrong() {
	why="$why      $1
"
}
ends() { [ "$code" -eq "$1" ] || wrong "ended with $code, not $1"; }
says() { grep -Fq -- "$1" "$case/out" || wrong "did not say: $1"; }
warns() { grep -Fq -- "$1" "$case/err" || wrong "did not warn: $1"; }
silent() { ! grep -Fq -- "$1" "$case/out" "$case/err" || wrong "said: $1"; }
holds() {
	[ "$("$1" --version 2>&1)" = "bakstop $2" ] || wrong "${1#"$case/"} is not version $2"
}
absent() {
	if [ -e "$1" ] || [ -L "$1" ]; then wrong "${1#"$case/"} is there"; fi
}
empty() {
	[ -z "$(find "$1" -mindepth 1 2>/dev/null)" ] || wrong "$1 is not empty"
}
logged() { grep -Fq -- "$1" "$case/$2" 2>/dev/null || wrong "$2 lacks: $1"; }
refused() {
	ends 1
	absent "$bin/bakstop"
	# Nor its parent directories.
	absent "$case/home/.local"
	warns "Nothing was installed."
}

# In every case, no temporary file is left.
end() {
	empty "$case/tmp"
	[ -z "$(find "$case" -name '.bakstop.*')" ] || wrong "a temporary directory is left"
	if [ -z "$why" ]; then
		pass "$name"
	else
		fail "$name" "$why$(sed 's/^/      | /' "$case/out" "$case/err")"
	fi
}

# ---- main

# shellcheck source=tests/install/releases.sh
. "$here/releases.sh"
# shellcheck source=tests/install/builds.sh
. "$here/builds.sh"
# shellcheck source=tests/install/packing.sh
. "$here/packing.sh"
# shellcheck source=tests/install/truncation.sh
. "$here/truncation.sh"

size=$(($(wc -c <"$root/install.sh")))
shells=''
for label in dash bash busybox; do
	if have "$label"; then
		shells="$shells $label"
	else
		skip "[$label] every case" "no $label here"
	fi
done
# No package has it, so nobody misses it.
if have bash-3.2; then shells="$shells bash-3.2"; fi
if [ -z "$shells" ]; then
	echo "none of dash, bash and busybox is here, so there is nothing to run install.sh with" >&2
	exit 2
fi

choose() {
	label=$1
	shell=$(command -v "$1")
	case $1 in
	busybox) shell="$shell ash" ;;
	# As the `sh` of macOS.
	bash-3.2) shell="$shell --posix" ;;
	esac
}

# In parallel with the other cases, because they take the longest.
for one in $shells; do
	choose "$one"
	truncation "$one" >"$scratch/$one.proof" 2>&1 &
	proofs="$proofs $!"
done

packing
for one in $shells; do
	choose "$one"
	releases
	loopback
	checksums
	hostile
	replacing
	source_builds
	hooks
	removals
	misuse
done

for pid in $proofs; do wait "$pid"; done
proofs=''
for one in $shells; do
	name="[$one] none of the $((size - 1)) proper beginnings of install.sh runs anything"
	if [ -s "$scratch/$one.proof" ]; then
		fail "$name" "$(cat "$scratch/$one.proof")"
	else
		pass "$name"
	fi
done

printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
