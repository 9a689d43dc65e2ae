#!/usr/bin/env bash
# Times the guard over commits (a range, a push, a received push, all history) against git, which
# names the files of the same commits (`git log --name-only`) or shows their content (`git log -p`),
# as much as the guard has to read; with `--gitleaks FILE` also against that program, which searches
# the same commits for secrets.
set -euo pipefail
synopsis="tests/bench/history.sh REPOSITORY [--commits N] [--refs N] [--rounds N] [--history]
       [--gitleaks FILE] [--bin FILE]"
[ $# -gt 0 ] && source=$(realpath "$1") && shift
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"
[ -n "${source:-}" ] || usage

commits=200
refs=5000
rounds=10
history=
gitleaks=
read_options "commits refs rounds gitleaks" history "$@"
[ -z "$gitleaks" ] || gitleaks=$(realpath "$gitleaks")

# A shared clone, with as many refs as asked for, all on commits before the range.
git clone -q --bare --shared "$source" "$work/repository"
cd "$work/repository"
tip=$(git rev-parse HEAD)
base=$(git rev-list --first-parent --skip="$commits" --max-count=1 HEAD)
git for-each-ref --format='delete %(refname)' | git update-ref --no-deref --stdin
git rev-list --max-count="$refs" "$base" |
	awk '{ print "create refs/heads/b" NR " " $1 }' | git update-ref --stdin
git symbolic-ref HEAD refs/heads/b1
git pack-refs --all
echo "refs/heads/x $tip refs/heads/x $base" >"$work/push"
echo "$base $tip refs/heads/x" >"$work/receive"

push() { "$bin" check --push <"$work/push"; }
secrets() { "$gitleaks" git --no-banner --log-level error --exit-code 0 "$@"; }
receive() { "$bin" check --receive <"$work/receive"; }

for ((round = 1; round <= rounds; round++)); do
	measure range.names git log --no-renames --name-only "$base..$tip"
	measure range.text git log --no-renames -p "$base..$tip"
	measure range.guard "$bin" check --range "$base..$tip"
	[ -z "$gitleaks" ] || measure range.secrets secrets --log-opts "$base..$tip" .
	measure new.names git log --no-renames --name-only "$tip" --not --all
	measure new.push push
	measure new.receive receive
	if [ -n "$history" ]; then
		measure all.names git -C "$source" log --all --no-renames --name-only
		measure all.text git -C "$source" log --all --no-renames -p
		measure all.guard "$bin" -C "$source" check --history
		[ -z "$gitleaks" ] || measure all.secrets secrets "$source"
	fi
done

commits=$(git rev-list --count "$base..$tip")
heading "$commits commits, $(git for-each-ref | wc -l) refs, $rounds rounds"
row "git log --name-only RANGE" range.names range.names
row "git log -p RANGE" range.text range.names
row "bakstop check --range" range.guard range.names
[ -z "$gitleaks" ] || row "gitleaks git --log-opts RANGE" range.secrets range.names
echo
row "git log --name-only TIP --not --all" new.names new.names
row "bakstop check --push" new.push new.names
row "bakstop check --receive" new.receive new.names
if [ -n "$history" ]; then
	echo
	row "git log --all --name-only" all.names all.names
	row "git log --all -p" all.text all.names
	row "bakstop check --history" all.guard all.names
	[ -z "$gitleaks" ] || row "gitleaks git" all.secrets all.names
fi
