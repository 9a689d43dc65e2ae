#!/usr/bin/env bash
# Measures the report of many findings: each format, with its peak memory, compared with `git
# ls-files`. By default 20,000 manifests, each with one finding that has a label.
set -euo pipefail
synopsis='tests/bench/findings.sh [--bin FILE] [--files N] [--rounds N]'
# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"
files=20000 rounds=5
read_options "files rounds" "" "$@"

git init -q -b main "$work/many"
cd "$work/many"
awk -v n="$files" 'BEGIN {
	who = "committer a <a@example.org> 1700000000 +0000"
	print "commit refs/heads/empty\n" who "\ndata 6\nEmpty\n"
	print "commit refs/heads/main\n" who "\ndata 6\nStart\nfrom refs/heads/empty"
	text = "{ \"packageManager\": \"pnpm@10.0.0\" }\n"
	printf "M 100644 inline package.json\ndata %d\n%s\n", length(text), text
	text = "packages: [packages/*]\n"
	printf "M 100644 inline pnpm-workspace.yaml\ndata %d\n%s\n", length(text), text
	for (i = 0; i < n; i++) {
		text = sprintf("{\n  \"name\": \"p%d\",\n  \"packageManager\": \"pnpm@9.0.%d\"\n}\n", i, i % 7)
		printf "M 100644 inline packages/p%d/package.json\n", i
		printf "data %d\n%s\n", length(text), text
	}
}' | git fast-import --quiet
git read-tree HEAD

# Everything is staged.
staged() {
	git symbolic-ref HEAD refs/heads/empty
	"$bin" check --format "$1"
	git symbolic-ref HEAD refs/heads/main
}

formats=(human json sarif github gitlab junit)
for ((round = 1; round <= rounds; round++)); do
	measure list git ls-files
	for format in "${formats[@]}"; do
		measure "tree.$format" "$bin" check --tree HEAD --format "$format"
		measure "range.$format" "$bin" check --range HEAD^..HEAD --format "$format"
		measure "staged.$format" staged "$format"
	done
done

heading "$files findings, $rounds rounds"
row "git ls-files" list list
for scope in tree range staged; do
	for format in "${formats[@]}"; do row "check, $scope, $format" "$scope.$format" list; done
done
echo
for format in "${formats[@]}"; do
	echo "peak memory, $format: $(peak "$bin" check --range HEAD^..HEAD --format "$format")"
done
