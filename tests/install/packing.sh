# shellcheck shell=sh disable=SC2034,SC2154 # its variables are run.sh's
#
# The files that .ci/release writes and install.sh reads.

packing() {
	label=release

	begin "the layout"
	(cd "$www/releases" && find . -type f) | sort >"$case/out"
	: >"$case/err"
	for version in 0.0.1 0.0.2; do
		for file in "bakstop-$version-$platform.tar.gz" "bakstop-$version-$platform.tar.gz.sha256" \
			"npm/bakstop-$version.tgz" "npm/bakstop-$version-all.tgz" manifest.json; do
			says "./v$version/$file"
		done
	done
	says ./latest
	[ "$(cat "$www/releases/latest")" = 0.0.2 ] || wrong "latest is not the latest"
	# And for each version a package and a wheel of this platform.
	[ "$(wc -l <"$case/out")" -eq 15 ] || wrong "there is more than that"
	end

	begin "the archive's members"
	tar -tzf "$www/releases/v0.0.2/$archive" >"$case/out"
	: >"$case/err"
	printf '%s\n' CHANGELOG.md LICENSE-APACHE LICENSE-MIT README.md bakstop >"$case/wanted"
	cmp -s "$case/out" "$case/wanted" || wrong "the members are not those"
	end

	begin "the same bytes, from elsewhere, later, with another umask"
	cp -R "$checkout" "$case/other"
	touch "$case/other"/*
	(
		umask 077
		SOURCE_DATE_EPOCH=1700000000 "$case/other/.ci/release" --out "$case/out dir" \
			--bin "$scratch/two"
	) >"$case/out" 2>"$case/err"
	code=$?
	ends 0
	diff -r "$www/releases/v0.0.2" "$case/out dir/v0.0.2" >>"$case/out" ||
		wrong "the releases differ"
	end

	begin "dated by the last commit"
	if have git; then
		cp -R "$checkout" "$case/other"
		(
			cd "$case/other" && git init -q && git add -A &&
				GIT_COMMITTER_DATE='1600000000 +0000' git -c user.name=a -c user.email=a@b.invalid \
					commit -qm first &&
				TZ=UTC0 .ci/release --out "$case/dated" --bin "$scratch/two"
		) >"$case/out" 2>"$case/err"
		code=$?
		ends 0
		TZ=UTC0 tar -tvzf "$case/dated/v0.0.2/$archive" >"$case/out"
		says 2020-09-13
	fi
	end

	begin "a binary of another version"
	release --out "$case/o" --bin "$scratch/one" >"$case/out"
	code=$?
	cp "$scratch/release.err" "$case/err"
	ends 1
	warns "should be bakstop 0.0.2"
	empty "$case/o"
	end

	begin "a binary for elsewhere is not run"
	echo nothing to run >"$case/foreign"
	foreign=macos-aarch64
	[ "$platform" != $foreign ] || foreign=linux-aarch64
	release --out "$case/o" --bin "$case/foreign" --platform $foreign >"$case/out"
	code=$?
	cp "$scratch/release.err" "$case/err"
	ends 0
	says "v0.0.2/bakstop-0.0.2-$foreign.tar.gz"
	end

	begin "no licence, no release"
	cp -R "$checkout" "$case/other"
	rm "$case/other"/LICENSE*
	SOURCE_DATE_EPOCH=1 "$case/other/.ci/release" --out "$case/o" --bin "$scratch/two" \
		>"$case/out" 2>"$case/err"
	code=$?
	ends 1
	warns "is missing"
	empty "$case/o"
	end

	begin "no packages, no release"
	cp -R "$checkout" "$case/other"
	sed '/^description/d' "$checkout/Cargo.toml" >"$case/other/Cargo.toml"
	SOURCE_DATE_EPOCH=1 "$case/other/.ci/release" --out "$case/o" --bin "$scratch/two" \
		>"$case/out" 2>"$case/err"
	code=$?
	ends 1
	warns "Cargo.toml has no description"
	empty "$case/o"
	end

	begin "each call makes the packages of all platforms"
	foreign=macos-aarch64
	[ "$platform" != $foreign ] || foreign=linux-aarch64
	{
		release --out "$case/a" --bin "$scratch/two" &&
			release --out "$case/a" --bin "$scratch/two" --platform $foreign &&
			release --out "$case/b" --bin "$scratch/two" --platform $foreign &&
			release --out "$case/b" --bin "$scratch/two"
	} >"$case/out"
	code=$?
	cp "$scratch/release.err" "$case/err"
	ends 0
	find "$case/a" -name '*.whl' >"$case/out"
	[ "$(wc -l <"$case/out")" -eq 2 ] || wrong "there are not two wheels"
	diff -r "$case/a" "$case/b" >"$case/out" || wrong "the order of the calls matters"
	end

	for words in "" "--out" "--nonsense" "--out o --platform linux-x86_64"; do
		begin "usage: ${words:-nothing}"
		# shellcheck disable=SC2086 # words, and meant to be split
		(cd "$case" && exec "$checkout/.ci/release" $words) >"$case/out" 2>"$case/err"
		code=$?
		ends 2
		warns "--help"
		end
	done

	begin "this checkout can be packed"
	version=$(sed -n '/^\[package\]/,/^\[/s/^version *= *"\([^"]*\)".*/\1/p' "$root/Cargo.toml")
	stub "$version" "$case/bakstop"
	SOURCE_DATE_EPOCH=1 "$root/.ci/release" --out "$case/o" --bin "$case/bakstop" \
		>"$case/out" 2>"$case/err"
	code=$?
	ends 0
	end
}
