//! The object store: where it lies, how it is packed, and what is missing or broken in it.

use super::{State, Told, each, refused, state};

const EDIT: &[&str] = &["web/index.js"];

/// Where the commit of HEAD cannot be read, everything is new.
const ALL: &[&str] = &[
    ".docker-deps/.gitkeep",
    ".gitignore",
    "backend/index.js",
    "backend/package.json",
    "package.json",
    "pnpm-workspace.yaml",
    "web/index.js",
    "web/package.json",
];

pub(super) const STATES: &[State] = &[
    state("loose only", "commit && edit", EDIT),
    state("packed only", "git gc -q && edit", EDIT),
    state("packed, with what is staged", "edit && git repack -adq && git prune-packed", EDIT),
    state(
        "packed and loose, twice",
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
        "trees as deltas that name their base",
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
        "packs of an old index format",
        "git config pack.indexVersion 1 && git repack -adfq && edit",
        EDIT,
    ),
    state(
        "many packs",
        "for i in 1 2 3 4 5 6; do echo $i >a && git add a && commit && git repack -q || \
         exit; done && edit",
        EDIT,
    ),
    state(
        "many packs, and an index over them",
        "for i in 1 2 3; do echo $i >a && git add a && commit && git repack -q || exit; done && \
         git multi-pack-index write && edit",
        EDIT,
    ),
    state(
        "an index over packs, with a bitmap",
        "for i in 1 2 3; do echo $i >a && git add a && commit && git repack -q || exit; done && \
         git repack -q -a -d --write-midx --write-bitmap-index && edit",
        EDIT,
    ),
    state(
        "an index over packs, and a newer pack",
        "git repack -q && git multi-pack-index write && edit && commit && git repack -q && \
         echo 2 >web/index.js && git add -A",
        EDIT,
    ),
    state(
        "an index over packs, one of which is gone",
        "git repack -adq && git multi-pack-index write && cp -r .git/objects/pack ../pack && \
         git unpack-objects -q <$(echo ../pack/*.pack) && \
         rm -f .git/objects/pack/*.pack .git/objects/pack/pack-*.idx && \
         git unpack-objects -q <$(echo ../pack/*.pack) && edit",
        EDIT,
    ),
    state(
        "a pack that is kept",
        "git repack -adq && touch $(echo .git/objects/pack/*.pack | sed s/pack$/keep/) && edit",
        EDIT,
    ),
    state(
        "a pack with what nobody reaches",
        "edit && git reset -q --hard && git gc -q --cruft --prune=now && edit 2",
        EDIT,
    ),
    state("a graph of the commits", "commit && git commit-graph write --reachable && edit", EDIT),
    state(
        "a graph of the commits that is broken",
        "git commit-graph write --reachable && chmod +w .git/objects/info/commit-graph && \
         echo dirt >.git/objects/info/commit-graph && edit",
        EDIT,
    ),
    state(
        "temporary files beside the packs",
        "git repack -adq && \
         touch .git/objects/pack/tmp_pack_x .git/objects/pack/pack-x.idx.tmp \
         .git/objects/pack/dirt && edit",
        EDIT,
    ),
    state(
        "a pack without its index",
        "git gc -q && mv .git/objects/pack/*.idx .. && rm .git/objects/info/packs",
        ALL,
    )
    .inside(Told::Unasked),
    state("a pack that is gone", "git gc -q && rm -f .git/objects/pack/*.pack", ALL)
        .inside(Told::Unasked),
    state(
        "a pack that is cut short",
        "git gc -q && chmod +w .git/objects/pack/*.pack && \
         truncate -s 100 .git/objects/pack/*.pack",
        ALL,
    )
    .inside(Told::Unasked),
    state(
        "an index of a pack that is dirt",
        "git gc -q && chmod +w .git/objects/pack/*.idx && \
         echo dirt >$(echo .git/objects/pack/*.idx)",
        ALL,
    )
    .inside(Told::Unasked),
    refused(
        "a loose tree that is cut short",
        "chmod +w $(object HEAD:) && truncate -s 10 $(object HEAD:) && echo 1 >web/index.js && \
         git add web",
        "read the staged content",
    )
    .inside(Told::Refused("read the staged content")),
    state(
        "a loose tree that is empty",
        "chmod +w $(object HEAD:) && truncate -s 0 $(object HEAD:)",
        &[],
    )
    .beyond_git()
    .inside(Told::Beyond(&[])),
    refused(
        "a loose tree that is dirt",
        "chmod +w $(object HEAD:) && echo dirt >$(object HEAD:) && echo 1 >web/index.js && \
         git add web",
        "read the staged content",
    )
    .inside(Told::Refused("read the staged content")),
    state(
        "a loose tree that is another",
        "mv -f $(object HEAD:web) $(object HEAD:) && echo 1 >web/index.js && git add web",
        ALL,
    )
    .beyond_git()
    .inside(Told::Beyond(ALL)),
    refused(
        "no tree of HEAD",
        "rm -f $(object HEAD:) && echo 1 >web/index.js && git add web",
        "read the staged content",
    )
    .inside(Told::Refused("read the staged content")),
    refused(
        "no tree of a directory with a change",
        "rm -f $(object HEAD:web) && echo 1 >web/index.js && git add web",
        "read the staged content",
    )
    .inside(Told::Refused("read the staged content")),
    state(
        "no tree of a directory without a change",
        "rm -f $(object HEAD:backend) && echo 1 >web/index.js && git add web",
        EDIT,
    ),
    state("no blob of what was there before", "rm -f $(object HEAD:web/index.js) && edit", EDIT),
    state("no blob of what is staged", "edit && rm -f $(object :web/index.js)", EDIT),
    state(
        "a shallow clone",
        "commit && edit && commit && git clone -q --depth 1 \"file://$PWD\" ../clone && \
         cd ../clone && mkdir -p web && echo 2 >web/index.js && git add -A",
        EDIT,
    )
    .asked("cd ../clone"),
    state(
        "a clone without blobs",
        "git config uploadpack.allowFilter true && \
         git clone -q --filter=blob:none --no-checkout \"file://$PWD\" ../clone && cd ../clone && \
         git reset -q --mixed && echo a >a && git add a",
        &["a"],
    )
    .asked("cd ../clone"),
    refused(
        "a clone without trees",
        "git config uploadpack.allowFilter true && \
         git clone -q --filter=tree:0 --no-checkout \"file://$PWD\" ../clone && cd ../clone && \
         echo a >a && git add a",
        "read the staged content",
    )
    .inside(Told::Refused("read the staged content"))
    .asked("cd ../clone"),
    state("a clone that borrows", "git clone -q --shared . ../clone && cd ../clone && edit", EDIT)
        .asked("cd ../clone"),
    state(
        "a clone that borrows from one that borrows",
        "git clone -q --shared . ../one && git clone -q --shared ../one ../clone && cd ../clone && \
         edit",
        EDIT,
    )
    .asked("cd ../clone"),
    state(
        "a clone that borrows by a relative path",
        "git clone -q --shared . ../clone && \
         echo ../../../shop/.git/objects >../clone/.git/objects/info/alternates && cd ../clone && \
         edit",
        EDIT,
    )
    .asked("cd ../clone"),
    state(
        "a clone that borrows by a quoted path, with remarks",
        "git clone -q --shared . ../clone && \
         printf '# from\\n\\n\"%s\"\\n' \"$PWD/.git/objects\" \
         >../clone/.git/objects/info/alternates && cd ../clone && edit",
        EDIT,
    )
    .asked("cd ../clone"),
    state(
        "a clone that borrows from nowhere as well",
        "git clone -q --shared . ../clone && \
         echo /nowhere >>../clone/.git/objects/info/alternates && cd ../clone && edit",
        EDIT,
    )
    .asked("cd ../clone"),
    state(
        "a clone whose lender is gone",
        "git clone -q --shared . ../clone && cd ../clone && edit && \
         mv ../shop/.git/objects ../gone",
        ALL,
    )
    .inside(Told::Unasked)
    .asked("cd ../clone"),
    state(
        "objects that lie elsewhere",
        "mv .git/objects ../objects && ln -s ../../objects .git/objects && edit",
        EDIT,
    ),
    state(
        "GIT_OBJECT_DIRECTORY",
        "mv .git/objects ../objects && mkdir .git/objects && GIT_OBJECT_DIRECTORY=../objects edit",
        EDIT,
    )
    .asked("export GIT_OBJECT_DIRECTORY=\"$PWD/../objects\""),
    state(
        "GIT_OBJECT_DIRECTORY, relative",
        "cp -r .git/objects ../objects && GIT_OBJECT_DIRECTORY=../objects edit",
        EDIT,
    )
    .asked("export GIT_OBJECT_DIRECTORY=../objects"),
    state(
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "mv .git/objects ../objects && mkdir .git/objects && \
         GIT_ALTERNATE_OBJECT_DIRECTORIES=../objects edit",
        EDIT,
    )
    .asked("export GIT_ALTERNATE_OBJECT_DIRECTORIES=\"$PWD/../objects\""),
    state(
        "GIT_ALTERNATE_OBJECT_DIRECTORIES, several, relative, quoted",
        "mv .git/objects ../objects && mkdir .git/objects && \
         GIT_ALTERNATE_OBJECT_DIRECTORIES=../objects edit",
        EDIT,
    )
    .asked("export GIT_ALTERNATE_OBJECT_DIRECTORIES='/nowhere:\"../objects\"'"),
    state(
        "a quarantine",
        "mkdir -p .git/objects/incoming && \
         GIT_QUARANTINE_PATH=$PWD/.git/objects/incoming \
         GIT_OBJECT_DIRECTORY=$PWD/.git/objects/incoming \
         GIT_ALTERNATE_OBJECT_DIRECTORIES=$PWD/.git/objects edit",
        EDIT,
    )
    .asked(
        "export GIT_QUARANTINE_PATH=$PWD/.git/objects/incoming \
            GIT_OBJECT_DIRECTORY=$PWD/.git/objects/incoming \
            GIT_ALTERNATE_OBJECT_DIRECTORIES=$PWD/.git/objects",
    )
    .inside(Told::Paths(EDIT)),
    state(
        "more packs than are looked through one by one",
        "edit && git repack -adq && pack=$(echo .git/objects/pack/*.pack) && \
         for i in $(seq 60); do cp $pack ${pack%.pack}$i.pack && \
         cp ${pack%.pack}.idx ${pack%.pack}$i.idx || exit; done",
        EDIT,
    ),
];

#[test]
fn every_object_store_is_read_or_refused() {
    each(STATES);
}
