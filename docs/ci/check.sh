#!/bin/sh
# Judges the commits of TIP that BASE does not have, in a full clone with the remote "origin".
# Options go to `bakstop check`.
set -eu
BASE=${BASE-}
TIP=${TIP:-HEAD}
REF=${REF-}
DEFAULT_BRANCH=${DEFAULT_BRANCH:-main}

# All zeros: a new branch. Empty: a schedule. Not to be fetched: removed by a force-push.
case $BASE in
*[!0]*)
	git cat-file -e "$BASE^{commit}" 2>/dev/null ||
		git fetch --quiet --no-tags origin "$BASE" || BASE=''
	;;
*) BASE='' ;;
esac
if [ -n "$BASE" ]; then
	scope=--range=$BASE..$TIP
elif [ -n "$DEFAULT_BRANCH" ] && [ "$REF" != "refs/heads/$DEFAULT_BRANCH" ]; then
	scope=--range=refs/remotes/origin/$DEFAULT_BRANCH..$TIP
else
	scope=--history
fi
exec bakstop check "$scope" "$@"
