#!/usr/bin/env bash
# Fuzzes each target of src/fuzz.rs for a number of seconds, and stops at the first failing input.
#
#     fuzz/run.sh [SECONDS [TARGET...]]      by default 600 seconds and every target
#
# Needs nightly Rust and a C++ compiler, and installs cargo-fuzz. New inputs are kept in
# fuzz/target/corpus; the corpora of the repository are only read. A failing input is written to
# fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-600}
targets=("${@:2}")

cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
if [ "${#targets[@]}" -eq 0 ]; then
	mapfile -t targets < <(cargo +nightly fuzz list)
fi

# No sanitizer: the program forbids unsafe code, and without one ten times as many inputs are tried.
# Debug assertions and overflow checks are on.
options=(--release --debug-assertions --sanitizer none)
cargo +nightly fuzz build "${options[@]}"

value() { sed -n "s/^stat::$1: *//p" "$log"; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
row='%-12s %12s %8s %9s %7s  %s\n'
# shellcheck disable=SC2059 # $row is a format.
printf "$row" target executions seconds 'peak MiB' corpus result
for target in "${targets[@]}"; do
	found=fuzz/target/corpus/$target
	mkdir -p "$found"
	begun=$SECONDS
	result=passed
	cargo +nightly fuzz run "${options[@]}" "$target" "$found" "fuzz/corpus/$target" -- \
		-max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=4096 -dict=fuzz/dictionary \
		-print_final_stats=1 >"$log" 2>&1 || result=FAILED
	files=$(find "$found" -type f | wc -l)
	# shellcheck disable=SC2059
	printf "$row" "$target" "$(value number_of_executed_units)" "$((SECONDS - begun))" \
		"$(value peak_rss_mb)" "$files" "$result"
	if [ "$result" != passed ]; then
		tail -n 40 "$log" >&2
		exit 1
	fi
done
