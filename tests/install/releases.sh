# shellcheck shell=sh disable=SC2034,SC2154 # its variables are run.sh's
#
# Fetching a release: sources, tools, and releases that must be refused.

releases() {
	begin "file://, the newest"
	piped --base-url "file://$www/releases"
	ends 0
	holds "$bin/bakstop" 0.0.2
	says "Installed bakstop 0.0.2 as $bin/bakstop"
	says "$bin is not in your PATH"
	says "bakstop install"
	end

	begin "file://, a version"
	piped --base-url="file://localhost$www/releases/" --version=v0.0.1
	ends 0
	holds "$bin/bakstop" 0.0.1
	end

	begin "the base URL from the environment"
	extra="BAKSTOP_BASE_URL=file://$www/releases"
	piped
	ends 0
	holds "$bin/bakstop" 0.0.2
	end

	begin "--to, with spaces and without a leading slash"
	piped --to "a b/c d/" --base-url "file://$www/releases"
	ends 0
	holds "$case/here/a b/c d/bakstop" 0.0.2
	absent "$case/home/.local"
	end

	begin "PREFIX"
	extra="PREFIX=$case/pre fix"
	piped --base-url "file://$www/releases"
	ends 0
	holds "$case/pre fix/bin/bakstop" 0.0.2
	end

	begin "no PATH hint where none is needed"
	mkdir -p "$bin"
	path=$bin:$path
	piped --base-url "file://$www/releases"
	ends 0
	silent "not in your PATH"
	silent "Another one"
	end

	begin "another bakstop earlier in the PATH"
	pretend bakstop </dev/null
	mkdir -p "$bin"
	path=$bin:$path
	piped --base-url "file://$www/releases"
	ends 0
	says "Another bakstop comes first in your PATH: $case/stubs/bakstop"
	end

	begin "HOME unset"
	home=''
	piped --base-url "file://$www/releases"
	ends 1
	warns "HOME is not set"
	end

	begin "HOME unset, with --to"
	home=''
	piped --base-url "file://$www/releases" --to "$case/there"
	ends 0
	holds "$case/there/bakstop" 0.0.2
	end

	begin "a base URL that is not a directory"
	piped --base-url "file://$www/nowhere"
	ends 1
	warns "$www/nowhere is not a directory"
	end

	begin "latest names no version"
	spoil
	echo ../../etc >"$spoilt/latest"
	piped --base-url "file://$spoilt"
	ends 1
	warns "does not name a version"
	absent "$case/home/.local"
	end
}

loopback() {
	if [ -z "$server" ]; then
		skip "[$label] loopback HTTP" "no python3 here"
		return
	fi

	begin "HTTP, the newest"
	piped --base-url "$http/releases"
	ends 0
	holds "$bin/bakstop" 0.0.2
	end

	begin "HTTP, a version"
	piped --base-url "$http/releases" --version 0.0.1
	ends 0
	holds "$bin/bakstop" 0.0.1
	end

	begin "HTTP, redirected"
	piped --base-url "$http/moved"
	ends 0
	holds "$bin/bakstop" 0.0.2
	end

	begin "HTTP 404, and no source"
	piped --base-url "$http/releases" --version 9.9.9
	ends 1
	says "There is no bakstop 9.9.9 for $platform"
	warns "there is nothing to install from"
	absent "$case/home/.local"
	end

	begin "HTTP 404 falls back to the checkout"
	pretend_cargo 0.0.2
	from_file --base-url "$http/nowhere"
	ends 0
	says "There is no release at"
	holds "$bin/bakstop" 0.0.2
	end

	begin "an outage does not fall back"
	pretend_cargo 0.0.2
	from_file --base-url "$http/busy"
	refused
	warns "503"
	absent "$case/cargo.log"
	end

	begin "a refused connection does not fall back"
	pretend_cargo 0.0.2
	from_file --base-url "http://127.0.0.1:$dead"
	refused
	absent "$case/cargo.log"
	end

	begin "a connection that breaks off"
	piped --base-url "$http/cut"
	refused
	end

	begin "a password in a URL is not shown"
	piped --base-url "http://me:secret@127.0.0.1:$dead"
	refused
	warns "://***@127.0.0.1"
	silent secret
	end

	begin "no curl, no wget"
	path=$scratch/no-fetch
	piped --base-url "$http/releases"
	ends 1
	warns "needs curl or wget"
	absent "$case/home/.local"
	end

	if ! have wget; then
		skip "[$label] wget" "no wget here"
	else
		begin "wget"
		path=$scratch/no-curl
		piped --base-url "$http/releases"
		ends 0
		holds "$bin/bakstop" 0.0.2
		end

		begin "wget, 404 falls back to the checkout"
		path=$scratch/no-curl
		pretend_cargo 0.0.2
		from_file --base-url "$http/nowhere"
		ends 0
		holds "$bin/bakstop" 0.0.2
		logged build cargo.log
		end

		begin "wget, an outage does not fall back"
		path=$scratch/no-curl
		pretend_cargo 0.0.2
		from_file --base-url "$http/busy"
		refused
		absent "$case/cargo.log"
		end
	fi

	if ! have busybox; then
		skip "[$label] the tools of busybox alone" "no busybox here"
	else
		begin "the tools of busybox alone"
		path=$scratch/busybox
		piped --base-url "$http/releases"
		ends 0
		holds "$bin/bakstop" 0.0.2
		end

		begin "the tools of busybox alone, 404 falls back to the checkout"
		path=$scratch/busybox
		pretend_cargo 0.0.2
		from_file --base-url "$http/nowhere"
		ends 0
		logged build cargo.log
		end

		begin "the tools of busybox alone, an outage does not fall back"
		path=$scratch/busybox
		pretend_cargo 0.0.2
		from_file --base-url "$http/busy"
		refused
		absent "$case/cargo.log"
		end
	fi

	begin "a wget that does not check certificates"
	path=$scratch/no-curl
	pretend wget <<'END'
echo "wget: note: TLS certificate validation not implemented" >&2
END
	piped --base-url https://mirror.invalid
	ends 1
	warns "does not check certificates"
	absent "$case/home/.local"
	end

	begin "https stays https"
	pretend curl <<END
echo "\$*" >>"$case/curl.log"
echo 000
exit 6
END
	piped --base-url https://mirror.invalid
	refused
	logged "--proto =https " curl.log
	end
}

checksums() {
	begin "a wrong checksum; the old binary stays"
	spoil
	echo more >>"$victim"
	mkdir -p "$bin"
	cp "$scratch/one" "$bin/bakstop"
	piped --base-url "file://$spoilt"
	ends 1
	warns "the checksum of $archive is wrong"
	holds "$bin/bakstop" 0.0.1
	end

	begin "a missing checksum does not fall back"
	spoil
	rm "$victim.sha256"
	pretend_cargo 0.0.2
	from_file --base-url "file://$spoilt"
	refused
	warns ".sha256 is missing"
	absent "$case/cargo.log"
	end

	sum=$(sha256sum <"$www/releases/v0.0.2/$archive")
	sum=${sum%% *}
	for malformed in "" "$sum" "${sum%?}  $archive" "$sum  other.tar.gz" "$sum  $archive more" \
		"g${sum#?}  $archive" "<html>" "$sum  $archive
$sum  $archive"; do
		begin "a malformed checksum: $(printf %.24s "$malformed" | tr '\n' ' ')(${#malformed})"
		spoil
		printf '%s\n' "$malformed" >"$victim.sha256"
		piped --base-url "file://$spoilt"
		refused
		warns "is not a checksum of"
		end
	done

	begin "a checksum in binary mode, without a last newline"
	spoil
	printf '%s' "$sum *$archive" >"$victim.sha256"
	piped --base-url "file://$spoilt"
	ends 0
	end

	begin "a truncated archive"
	spoil
	head -c 200 "$www/releases/v0.0.2/$archive" >"$victim"
	piped --base-url "file://$spoilt"
	refused
	warns "the checksum of $archive is wrong"
	end

	begin "a truncated archive with a checksum that fits"
	spoil
	head -c 200 "$www/releases/v0.0.2/$archive" >"$victim"
	seal
	piped --base-url "file://$spoilt"
	refused
	warns "is damaged"
	end

	begin "no tool for checksums"
	path=$scratch/no-sha
	piped --base-url "file://$www/releases"
	refused
	warns "cannot be computed"
	end

	begin "a tool for checksums that fails"
	pretend sha256sum <<'END'
exit 1
END
	piped --base-url "file://$www/releases"
	refused
	warns "cannot be computed"
	end

	for tool in sha256sum shasum openssl busybox; do
		if ! have "$tool"; then
			skip "[$label] $tool alone" "no $tool here"
			continue
		fi
		for sort in right wrong; do
			begin "$tool alone, a $sort checksum"
			spoil
			[ $sort = right ] || echo more >>"$victim"
			path=$case/only
			cp -R "$scratch/no-sha" "$path"
			tools "$path" "$tool perl"
			piped --base-url "file://$spoilt"
			if [ $sort = right ]; then
				ends 0
				holds "$bin/bakstop" 0.0.2
			else
				refused
				warns "the checksum of $archive is wrong"
			fi
			end
		done
	done
}

# With a valid checksum, as from a hostile mirror.
hostile() {
	begin "an extra member is not unpacked"
	spoil
	mkdir "$case/pack"
	cp "$scratch/two" "$case/pack/bakstop"
	echo evil >"$case/pack/evil"
	tar -C "$case/pack" -czf "$victim" evil bakstop
	seal
	piped --base-url "file://$spoilt"
	ends 0
	[ "$(ls -A "$bin")" = bakstop ] || wrong "more than the binary is there"
	[ -z "$(find "$case/home" "$case/here" -name evil)" ] || wrong "evil was unpacked"
	end

	for evil in "$scratch/got-out" ../../got-out ./bakstop sub/bakstop; do
		begin "a member named $evil"
		spoil
		mkdir "$case/pack"
		cp "$scratch/two" "$case/pack/bakstop"
		cp "$scratch/two" "$case/pack/other"
		tar -C "$case/pack" -P --transform "s|^other\$|$evil|" -czf "$victim" bakstop other
		seal
		piped --base-url "file://$spoilt"
		refused
		warns "is not a release of bakstop"
		[ -z "$(find "$scratch" -name got-out)" ] || wrong "it got out"
		end
	done

	begin "two members of the same name"
	spoil
	tar -C "$scratch" --transform 's|.*|bakstop|' -czf "$victim" one two
	seal
	piped --base-url "file://$spoilt"
	refused
	warns "is not a release of bakstop"
	end

	begin "the environment does not change what tar does"
	extra="TAR_OPTIONS=--exclude=bakstop"
	piped --base-url "file://$www/releases"
	ends 0
	holds "$bin/bakstop" 0.0.2
	end

	begin "no binary in it"
	spoil
	tar -C "$checkout" -czf "$victim" README.md
	seal
	piped --base-url "file://$spoilt"
	refused
	warns "is not a release of bakstop"
	end

	begin "a link in the binary's place"
	spoil
	mkdir "$case/pack"
	ln -s "$scratch/two" "$case/pack/bakstop"
	tar -C "$case/pack" -czf "$victim" bakstop
	seal
	piped --base-url "file://$spoilt"
	refused
	end

	begin "a binary of another version; the old one stays"
	spoil
	stub 0.0.20 "$case/bakstop"
	tar -C "$case" -czf "$victim" bakstop
	seal
	mkdir -p "$bin"
	cp "$scratch/one" "$bin/bakstop"
	piped --base-url "file://$spoilt"
	ends 1
	warns "the new binary should be bakstop 0.0.2"
	warns "It prints: bakstop 0.0.20"
	holds "$bin/bakstop" 0.0.1
	end

	begin "a binary that does not run here"
	spoil
	printf '#!/nowhere/sh\n' >"$case/bakstop"
	chmod 755 "$case/bakstop"
	tar -C "$case" -czf "$victim" bakstop
	seal
	piped --base-url "file://$spoilt"
	refused
	warns "the new binary does not run here"
	end

	if have bsdtar; then
		begin "the tar of the BSDs"
		ln -s "$(command -v bsdtar)" "$case/stubs/tar"
		piped --base-url "file://$www/releases"
		ends 0
		holds "$bin/bakstop" 0.0.2
		end
	else
		skip "[$label] the tar of the BSDs" "no bsdtar here"
	fi
}
