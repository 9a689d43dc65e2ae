//! The object store: its location, its packs, and missing or broken objects.

use super::{ALL, EDIT, Expected, State, check_all, refused, state};

pub(super) const STATES: &[State] = &[
    state("loose only", "commit && edit", EDIT),
    state("packed only", "git gc -q && edit", EDIT),
    state("packed, staged objects included", "edit && git repack -adq && git prune-packed", EDIT),
    state(
        "packed and loose copies",
        "git repack -q && git unpack-objects -q <$(echo .git/objects/pack/*.pack) && edit",
        EDIT,
    ),
    state(
        "loose, without compression",
        "git config core.looseCompression 0 && rm -r .git && git init -q && \
         git config core.looseCompression 0 && git add -A && commit && edit",
        EDIT,
    ),
    state(
        "trees as deltas",
        "seq -f many/%g.js 300 | announce && commit && \
         for i in 1 2 3 4 5; do echo many/x$i | announce && commit || exit; done && \
         git repack -adfq --depth=50 --window=50 && \
         git verify-pack -v .git/objects/pack/*.idx | grep -q 'tree.* 1 ' && \
         echo many/y | announce",
        &["many/y"],
    ),
    state(
        "trees as deltas with the id of their base",
        "git config repack.useDeltaBaseOffset false && seq -f many/%g.js 300 | announce && \
         commit && for i in 1 2 3 4 5; do echo many/x$i | announce && commit || exit; done && \
         git repack -adfq && echo many/y | announce && git write-tree",
        &["many/y"],
    ),
    state(
        "long chains of deltas",
        "git config pack.depth 4000 && seq -f many/%g.js 100 | announce && commit && \
         for i in $(seq 60); do echo many/x$i | announce && commit || exit; done && \
         git repack -adfq --depth=200 --window=100 && echo many/y | announce",
        &["many/y"],
    ),
    state(
        "packs with index version 1",
        "git config pack.indexVersion 1 && git repack -adfq && edit",
        EDIT,
    ),
    state(
        "many packs",
        "for i in 1 2 3 4 5 6; do \
         echo $i >a && git add a && commit && git repack -q || exit; \
         done && edit",
        EDIT,
    ),
    state(
        "a multi-pack index",
        "for i in 1 2 3; do echo $i >a && git add a && commit && git repack -q || exit; done && \
         git multi-pack-index write && edit",
        EDIT,
    ),
    state(
        "a multi-pack index with a bitmap",
        "for i in 1 2 3; do echo $i >a && git add a && commit && git repack -q || exit; done && \
         git repack -q -a -d --write-midx --write-bitmap-index && edit",
        EDIT,
    ),
    state(
        "a multi-pack index and a newer pack",
        "git repack -q && git multi-pack-index write && edit && commit && git repack -q && \
         echo 2 >web/index.js && git add -A",
        EDIT,
    ),
    state(
        "a multi-pack index with a missing pack",
        "git repack -adq && git multi-pack-index write && cp -r .git/objects/pack ../pack && \
         git unpack-objects -q <$(echo ../pack/*.pack) && \
         rm -f .git/objects/pack/*.pack .git/objects/pack/pack-*.idx && \
         git unpack-objects -q <$(echo ../pack/*.pack) && edit",
        EDIT,
    ),
    state(
        "a pack with a .keep file",
        "git repack -adq && touch $(echo .git/objects/pack/*.pack | sed s/pack$/keep/) && edit",
        EDIT,
    ),
    state(
        "a cruft pack",
        "edit && git reset -q --hard && git gc -q --cruft --prune=now && edit 2",
        EDIT,
    ),
    state("a commit graph", "commit && git commit-graph write --reachable && edit", EDIT),
    state(
        "a broken commit graph",
        "git commit-graph write --reachable && chmod +w .git/objects/info/commit-graph && \
         echo dirt >.git/objects/info/commit-graph && edit",
        EDIT,
    ),
    state(
        "temporary files next to the packs",
        "git repack -adq && touch .git/objects/pack/tmp_pack_x .git/objects/pack/pack-x.idx.tmp \
         .git/objects/pack/dirt && edit",
        EDIT,
    ),
    state(
        "a pack without its index",
        "git gc -q && mv .git/objects/pack/*.idx .. && rm .git/objects/info/packs",
        ALL,
    )
    .in_hook(Expected::NotRun),
    state("a missing pack", "git gc -q && rm -f .git/objects/pack/*.pack", ALL)
        .in_hook(Expected::NotRun),
    state(
        "a truncated pack",
        "git gc -q && chmod +w .git/objects/pack/*.pack && \
         truncate -s 100 .git/objects/pack/*.pack",
        ALL,
    )
    .in_hook(Expected::NotRun),
    state(
        "a pack index with garbage",
        "git gc -q && chmod +w .git/objects/pack/*.idx && \
         echo dirt >$(echo .git/objects/pack/*.idx)",
        ALL,
    )
    .in_hook(Expected::NotRun),
    refused(
        "a truncated loose tree",
        "chmod +w $(object HEAD:) && truncate -s 10 $(object HEAD:) && echo 1 >web/index.js && \
         git add web",
        "read the staged files",
    )
    .in_hook(Expected::Refused("read the staged files")),
    state("an empty loose tree", "chmod +w $(object HEAD:) && truncate -s 0 $(object HEAD:)", &[])
        .refused_by_git()
        .in_hook(Expected::PathsOrRefused(&[])),
    refused(
        "a loose tree with garbage",
        "chmod +w $(object HEAD:) && echo dirt >$(object HEAD:) && echo 1 >web/index.js && \
         git add web",
        "read the staged files",
    )
    .in_hook(Expected::Refused("read the staged files")),
    state(
        "a loose tree with the content of another",
        "mv -f $(object HEAD:web) $(object HEAD:) && echo 1 >web/index.js && git add web",
        ALL,
    )
    .refused_by_git()
    .in_hook(Expected::PathsOrRefused(ALL)),
    refused(
        "the tree of HEAD is missing",
        "rm -f $(object HEAD:) && echo 1 >web/index.js && git add web",
        "read the staged files",
    )
    .in_hook(Expected::Refused("read the staged files")),
    refused(
        "the tree of a changed directory is missing",
        "rm -f $(object HEAD:web) && echo 1 >web/index.js && git add web",
        "read the staged files",
    )
    .in_hook(Expected::Refused("read the staged files")),
    state(
        "the tree of an unchanged directory is missing",
        "rm -f $(object HEAD:backend) && echo 1 >web/index.js && git add web",
        EDIT,
    ),
    state("the old blob is missing", "rm -f $(object HEAD:web/index.js) && edit", EDIT),
    state("the staged blob is missing", "edit && rm -f $(object :web/index.js)", EDIT),
    state(
        "a shallow clone",
        "commit && edit && commit && git clone -q --depth 1 \"file://$PWD\" ../clone && \
         cd ../clone && mkdir -p web && echo 2 >web/index.js && git add -A",
        EDIT,
    )
    .in_context("cd ../clone"),
    state(
        "a clone without blobs",
        "git config uploadpack.allowFilter true && \
         git clone -q --filter=blob:none --no-checkout \"file://$PWD\" ../clone && cd ../clone && \
         git reset -q --mixed && echo a >a && git add a",
        &["a"],
    )
    .in_context("cd ../clone"),
    refused(
        "a clone without trees",
        "git config uploadpack.allowFilter true && \
         git clone -q --filter=tree:0 --no-checkout \"file://$PWD\" ../clone && cd ../clone && \
         echo a >a && git add a",
        "read the staged files",
    )
    .in_hook(Expected::Refused("read the staged files"))
    .in_context("cd ../clone"),
    state("a shared clone", "git clone -q --shared . ../clone && cd ../clone && edit", EDIT)
        .in_context("cd ../clone"),
    state(
        "a shared clone of a shared clone",
        "git clone -q --shared . ../one && git clone -q --shared ../one ../clone && cd ../clone && \
         edit",
        EDIT,
    )
    .in_context("cd ../clone"),
    state(
        "a shared clone with a relative path",
        "git clone -q --shared . ../clone && \
         echo ../../../shop/.git/objects >../clone/.git/objects/info/alternates && cd ../clone && \
         edit",
        EDIT,
    )
    .in_context("cd ../clone"),
    state(
        "a shared clone with a quoted path and comments",
        "git clone -q --shared . ../clone && \
         printf '# from\\n\\n\"%s\"\\n' \"$PWD/.git/objects\" \
         >../clone/.git/objects/info/alternates && cd ../clone && edit",
        EDIT,
    )
    .in_context("cd ../clone"),
    state(
        "a shared clone with an additional missing store",
        "git clone -q --shared . ../clone && \
         echo /nowhere >>../clone/.git/objects/info/alternates && cd ../clone && edit",
        EDIT,
    )
    .in_context("cd ../clone"),
    state(
        "a shared clone whose store is missing",
        "git clone -q --shared . ../clone && cd ../clone && edit && \
         mv ../shop/.git/objects ../gone",
        ALL,
    )
    .in_hook(Expected::NotRun)
    .in_context("cd ../clone"),
    state(
        "an object directory that is a link",
        "mv .git/objects ../objects && ln -s ../../objects .git/objects && edit",
        EDIT,
    ),
    state(
        "GIT_OBJECT_DIRECTORY",
        "mv .git/objects ../objects && mkdir .git/objects && GIT_OBJECT_DIRECTORY=../objects edit",
        EDIT,
    )
    .in_context("export GIT_OBJECT_DIRECTORY=\"$PWD/../objects\""),
    state(
        "GIT_OBJECT_DIRECTORY, relative",
        "cp -r .git/objects ../objects && GIT_OBJECT_DIRECTORY=../objects edit",
        EDIT,
    )
    .in_context("export GIT_OBJECT_DIRECTORY=../objects"),
    state(
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "mv .git/objects ../objects && mkdir .git/objects && \
         GIT_ALTERNATE_OBJECT_DIRECTORIES=../objects edit",
        EDIT,
    )
    .in_context("export GIT_ALTERNATE_OBJECT_DIRECTORIES=\"$PWD/../objects\""),
    state(
        "GIT_ALTERNATE_OBJECT_DIRECTORIES, several, relative, quoted",
        "mv .git/objects ../objects && mkdir .git/objects && \
         GIT_ALTERNATE_OBJECT_DIRECTORIES=../objects edit",
        EDIT,
    )
    .in_context("export GIT_ALTERNATE_OBJECT_DIRECTORIES='/nowhere:\"../objects\"'"),
    state(
        "a quarantine directory",
        "mkdir -p .git/objects/incoming && \
         GIT_QUARANTINE_PATH=$PWD/.git/objects/incoming \
         GIT_OBJECT_DIRECTORY=$PWD/.git/objects/incoming \
         GIT_ALTERNATE_OBJECT_DIRECTORIES=$PWD/.git/objects edit",
        EDIT,
    )
    .in_context(
        "export GIT_QUARANTINE_PATH=$PWD/.git/objects/incoming \
         GIT_OBJECT_DIRECTORY=$PWD/.git/objects/incoming \
         GIT_ALTERNATE_OBJECT_DIRECTORIES=$PWD/.git/objects",
    )
    .in_hook(Expected::Paths(EDIT)),
    state(
        "more packs than are searched one by one",
        "edit && git repack -adq && pack=$(echo .git/objects/pack/*.pack) && \
         for i in $(seq 60); do cp $pack ${pack%.pack}$i.pack && \
         cp ${pack%.pack}.idx ${pack%.pack}$i.idx || exit; done",
        EDIT,
    ),
];

#[test]
fn every_object_store_is_read_or_refused() {
    check_all(STATES);
}
