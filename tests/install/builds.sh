# shellcheck shell=sh disable=SC2034,SC2154 # its variables are run.sh's
#
# Installing the binary, building it, the hooks, removing it, and wrong usage.

replacing() {
	begin "the old binary is replaced in one move"
	mkdir -p "$bin"
	cp "$scratch/one" "$bin/bakstop"
	# If the file were overwritten, this hard link to the old one would show the new content.
	ln "$bin/bakstop" "$case/old"
	pretend mv <<END
"$bin/bakstop" --version >"$case/before"
[ "\$1 \$2 \$4" = "-f -- $bin/bakstop" ] || exit 1
case \$3 in "$bin"/*) "\$3" --version >>"$case/before" ;; esac
PATH=$scratch/tools exec mv "\$@"
END
	piped --base-url "file://$www/releases"
	ends 0
	holds "$bin/bakstop" 0.0.2
	holds "$case/old" 0.0.1
	[ "$(tr '\n' ' ' <"$case/before")" = "bakstop 0.0.1 bakstop 0.0.2 " ] ||
		wrong "the move was not from one whole binary to another"
	end

	begin "a move that fails leaves the old binary"
	mkdir -p "$bin"
	cp "$scratch/one" "$bin/bakstop"
	pretend mv <<'END'
exit 1
END
	piped --base-url "file://$www/releases"
	ends 1
	holds "$bin/bakstop" 0.0.1
	end

	for signal in HUP:129 INT:130 TERM:143; do
		begin "SIG${signal%:*} in the middle"
		# The stub signals its parent, the shell of the installer.
		pretend mv <<END
kill -${signal%:*} \$PPID
END
		piped --base-url "file://$www/releases"
		ends "${signal#*:}"
		absent "$case/home/.local"
		end
	done

	begin "a link is replaced, not what it leads to"
	mkdir -p "$bin"
	cp "$scratch/one" "$case/elsewhere"
	ln -s "$case/elsewhere" "$bin/bakstop"
	piped --base-url "file://$www/releases"
	ends 0
	holds "$bin/bakstop" 0.0.2
	holds "$case/elsewhere" 0.0.1
	end

	begin "a directory in the binary's place"
	mkdir -p "$bin/bakstop"
	piped --base-url "file://$www/releases"
	ends 1
	warns "is a directory"
	empty "$bin/bakstop"
	end

	begin "a file in the directory's place"
	echo file >"$case/home/.local"
	piped --base-url "file://$www/releases"
	ends 1
	warns "is not a directory"
	end

	if [ "$(id -u)" -eq 0 ] && ! have setpriv; then
		skip "[$label] a directory that cannot be written to" "root can write anywhere"
	else
		begin "a directory that cannot be written to"
		if [ "$(id -u)" -eq 0 ]; then
			as='setpriv --reuid=65534 --regid=65534 --clear-groups'
			chmod 777 "$case/tmp"
		fi
		mkdir -p "$bin"
		chmod 555 "$bin"
		piped --base-url "file://$www/releases"
		ends 1
		warns "cannot write to $bin"
		chmod 755 "$bin"
		empty "$bin"
		end
	fi

	begin "its output is not read"
	piped_into_nothing
	ends 0
	holds "$bin/bakstop" 0.0.2
	end
}

# The reader ends before the first line is written, and signals that through the FIFO.
# shellcheck disable=SC2086
piped_into_nothing() {
	mkfifo "$case/gone"
	{
		read -r _ <"$case/gone"
		env -i "PATH=$path" "HOME=$home" "TMPDIR=$case/tmp" \
			$shell -s -- --base-url "file://$www/releases" <"$root/install.sh" 2>"$case/err"
		echo $? >"$case/code"
	} | {
		exec <&-
		echo >"$case/gone"
	}
	: >"$case/out"
	code=$(cat "$case/code")
}

source_builds() {
	begin "a checkout alone"
	pretend_cargo 0.0.2
	from_file
	ends 0
	holds "$bin/bakstop" 0.0.2
	logged "$checkout: build --release --locked --bin bakstop" cargo.log
	says "is not in your PATH"
	says "bakstop install"
	end

	begin "in the directory of a checkout"
	pretend_cargo 0.0.2
	rmdir "$case/here"
	ln -s "$checkout" "$case/here"
	run install.sh --to "$case/there" </dev/null
	ends 0
	holds "$case/there/bakstop" 0.0.2
	end

	begin "another target directory"
	pretend_cargo 0.0.2
	extra="CARGO_TARGET_DIR=my target"
	from_file
	ends 0
	holds "$case/here/my target/release/bakstop" 0.0.2
	holds "$bin/bakstop" 0.0.2
	end

	begin "--from-source ignores a release"
	pretend_cargo 0.0.2
	from_file --from-source --base-url "file://$www/releases"
	ends 0
	logged "build" cargo.log
	end

	begin "a checkout and a release: the release"
	pretend_cargo 0.0.2
	from_file --base-url "file://$www/releases"
	ends 0
	absent "$case/cargo.log"
	end

	begin "a missing release falls back to the checkout"
	spoil
	rm "$victim"
	pretend_cargo 0.0.2
	from_file --base-url "file://$spoilt"
	ends 0
	says "There is no bakstop 0.0.2 for $platform"
	logged "build" cargo.log
	end

	begin "another platform falls back to the checkout"
	pretend uname <<'END'
case $1 in -s) echo Plan9 ;; -m) echo pdp11 ;; *) echo Plan9 pdp11 ;; esac
END
	pretend_cargo 0.0.2
	from_file --base-url "file://$www/releases"
	ends 0
	says "no releases for this platform (Plan9 pdp11)"
	logged "build" cargo.log
	end

	for pair in Linux:x86_64:linux-x86_64 Linux:aarch64:linux-aarch64 \
		Darwin:arm64:macos-aarch64 Darwin:x86_64:macos-x86_64; do
		begin "the name of $pair"
		pretend uname <<END
case \$1 in -s) echo ${pair%%:*} ;; -m) p=$pair; p=\${p#*:}; echo \${p%:*} ;; esac
END
		piped --base-url "file://$www/releases" --version 8.8.8
		ends 1
		says "There is no bakstop 8.8.8 for ${pair##*:}"
		end
	done

	begin "a checkout of another version"
	pretend_cargo 0.0.2
	from_file --version 0.0.1
	ends 1
	warns "holds bakstop 0.0.2, not 0.0.1"
	absent "$case/cargo.log"
	absent "$case/home/.local"
	end

	begin "a build that fails"
	pretend cargo <<'END'
exit 101
END
	from_file
	refused
	warns "the build failed"
	end

	begin "a build that leaves nothing"
	pretend cargo </dev/null
	from_file
	ends 1
	warns "the binary was not found"
	absent "$case/home/.local"
	end

	begin "a build of something else"
	pretend_cargo 0.0.3
	from_file
	refused
	warns "should be bakstop 0.0.2"
	end

	begin "no cargo"
	from_file
	ends 1
	warns "needs Rust"
	warns "https://rustup.rs"
	end

	begin "cargo where rustup has just put it"
	pretend_cargo 0.0.2
	mkdir -p "$case/home/.cargo/bin"
	mv "$case/stubs/cargo" "$case/home/.cargo/bin/cargo"
	from_file
	ends 0
	holds "$bin/bakstop" 0.0.2
	end

	begin "--git"
	pretend_cargo 0.0.5
	piped --git https://git.example/bakstop.git
	ends 0
	holds "$bin/bakstop" 0.0.5
	logged "/: install --locked --git https://git.example/bakstop.git --root" cargo.log
	end

	begin "--git, a version"
	pretend_cargo 0.0.5
	piped --git https://git.example/bakstop.git --version 0.0.5
	ends 0
	logged "--tag v0.0.5" cargo.log
	end

	begin "--git, the wrong version"
	pretend_cargo 0.0.5
	piped --git https://git.example/bakstop.git --version 0.0.4
	refused
	end

	begin "--git goes before the checkout, and after a release"
	pretend_cargo 0.0.5
	from_file --git https://git.example/bakstop.git --base-url "file://$www/releases" --version 7.7.7
	ends 1
	logged "install --locked --git" cargo.log
	warns "should be bakstop 7.7.7"
	end

	begin "piped, in a checkout: it builds nothing"
	pretend_cargo 0.0.2
	rmdir "$case/here"
	ln -s "$checkout" "$case/here"
	# By its bare name, as after a download: $0 then looks like a file of this directory.
	ln -s "${shell%% *}" "$case/stubs/sh"
	called=$shell shell=sh
	piped
	shell=$called
	ends 1
	warns "there is nothing to install from"
	absent "$case/cargo.log"
	end

	begin "a script next to the manifest of another package"
	pretend_cargo 0.0.2
	cp "$root/install.sh" "$case/here"
	printf '[package]\nname = "other"\n' >"$case/here/Cargo.toml"
	run ./install.sh </dev/null
	ends 1
	warns "there is nothing to install from"
	absent "$case/cargo.log"
	end
}

hooks() {
	if ! have git; then
		skip "[$label] --hook" "no git here"
		return
	fi

	begin "--hook in a repository"
	git init -q "$case/here"
	piped --hook --base-url "file://$www/releases"
	ends 0
	holds "$bin/bakstop" 0.0.2
	logged "$case/here: install" home/hooked
	silent "Next, in each"
	end

	begin "--hook outside of one"
	extra="GIT_CEILING_DIRECTORIES=$case"
	piped --hook --base-url "file://$www/releases"
	refused
	warns "this directory is not in one"
	end

	begin "hooks that cannot be installed"
	git init -q "$case/here"
	: >"$case/home/no-hooks"
	piped --hook --base-url "file://$www/releases"
	ends 1
	holds "$bin/bakstop" 0.0.2
	warns "bakstop is installed, but its hooks are not"
	end
}

removals() {
	begin "--uninstall"
	mkdir -p "$bin"
	cp "$scratch/one" "$bin/bakstop"
	echo kept >"$bin/other"
	piped --uninstall
	ends 0
	[ "$(ls -A "$bin")" = other ] || wrong "not just the binary is gone"
	says "bakstop uninstall"
	end

	begin "--uninstall --to"
	mkdir "$case/a b"
	cp "$scratch/one" "$case/a b/bakstop"
	piped --uninstall --to "$case/a b"
	ends 0
	empty "$case/a b"
	end

	begin "--uninstall of something else"
	mkdir -p "$bin"
	printf '#!/bin/sh\necho other 1.0\n' >"$bin/bakstop"
	chmod 755 "$bin/bakstop"
	piped --uninstall
	ends 1
	[ -e "$bin/bakstop" ] || wrong "it is gone"
	warns "was not removed"
	end

	begin "--uninstall of what does not run"
	mkdir -p "$bin"
	echo text >"$bin/bakstop"
	piped --uninstall
	ends 1
	[ -e "$bin/bakstop" ] || wrong "it is gone"
	end

	begin "--uninstall of nothing"
	cp "$scratch/one" "$case/stubs/bakstop"
	piped --uninstall
	ends 0
	says "nothing to remove"
	says "--to $case/stubs"
	end
}

misuse() {
	for words in --nonsense word "--to" "--version" "--base-url" "--git" "--to --hook" "--to=" \
		"--version 1" "--version 1.2.3/../x" "--version -1.2.3" "--base-url ftp://x" \
		"--base-url file://host/x" "--base-url /x" "--git=--config" "--uninstall --hook"; do
		begin "usage: $words"
		# shellcheck disable=SC2086 # words, and meant to be split
		piped $words
		ends 2
		warns "--help"
		empty "$case/home"
		end
	done

	begin "an empty word"
	piped ""
	ends 2
	end

	begin "--help"
	piped --help
	ends 0
	says "Usage: install.sh"
	for option in --to PREFIX --version --base-url BAKSTOP_BASE_URL --from-source --git --hook \
		--uninstall; do
		says "$option"
	done
	[ ! -s "$case/err" ] || wrong "it complained"
	empty "$case/home"
	end
}
