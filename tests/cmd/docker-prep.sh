#!/bin/sh
# A typical preparation script: packs the sibling packages and rewrites every manifest to use them;
# --restore undoes that. The transcripts run it as scripts/docker-prep.sh.
set -eu
deps=.docker-deps
case ${1-} in
--restore)
    for backup in package.json.bak */package.json.bak; do
        [ ! -f "$backup" ] || mv "$backup" "${backup%.bak}"
    done
    rm -f "$deps"/*.tgz
    ;;
*)
    mkdir -p "$deps"
    printf 'packed\n' >"$deps/acme-ui-1.4.0.tgz"
    for manifest in package.json */package.json; do
        cp "$manifest" "$manifest.bak"
        sed "s|\\^1\\.4\\.0|file:../$deps/acme-ui-1.4.0.tgz|" "$manifest.bak" >"$manifest"
    done
    ;;
esac
