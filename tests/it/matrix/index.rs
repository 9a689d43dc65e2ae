//! The formats of the index: versions, extensions, split, sparse and broken ones.

use super::{EDIT, Expected, State, check_all, refused, state};

/// The extension `UNTR` holds the names of untracked files. These names look like an extension
/// `TREE` that says that nothing is staged. Its length, 0x00010064, consists of the names of two
/// directories and the number of a hundred files; it ends exactly where the index does.
const FORGED_TREE: &str = r#"
git config core.untrackedCache true && git config status.showUntrackedFiles all
git update-index --untracked-cache
names="TREE/$(git ls-files | wc -l) 0
$(bytes $(git rev-parse HEAD:))"
mkdir -p "$names" zz && touch "TREE/$(printf '\001')" && echo 1 >web/index.js && git add web
for i in $(seq 100); do : >"$names/$(printf %0200d $i)"; done
for i in $(seq 217); do : >zz/$(printf %0200d $i); done
git status >/dev/null && git status >/dev/null
at=$(LC_ALL=C tr '\000\001' '%@' <.git/index | LC_ALL=C grep -abo 'TREE%@%d%' | cut -d: -f1)
lacking=$((at + 8 + 65636 + 20 - $(wc -c <.git/index)))
while test $lacking -gt 250; do : >zz/$(printf %0198d $lacking) && lacking=$((lacking - 199)); done
: >zz/$(printf %0$((lacking - 1))d 0) && git status >/dev/null
test $((at + 8 + 65636 + 20)) = $(wc -c <.git/index)
"#;

pub(super) const STATES: &[State] = &[
    state("nothing staged", "", &[]),
    state("one file staged", "edit", EDIT),
    state("one file staged, trees written", "edit && git write-tree", EDIT),
    state("version 2", "git update-index --index-version 2 && edit", EDIT),
    state("version 3", "git update-index --skip-worktree backend/index.js && edit", EDIT),
    state(
        "version 4",
        "git update-index --index-version 4 && echo 1 >web/index.jsx && \
         git rm -q backend/index.js && edit",
        &["web/index.js", "web/index.jsx"],
    ),
    state(
        "version 4, with extended flags",
        "git update-index --index-version 4 --skip-worktree backend/index.js && edit && \
         git write-tree",
        EDIT,
    ),
    refused(
        "version 1",
        "printf '\\001' | dd of=.git/index bs=1 seek=7 conv=notrunc 2>/dev/null",
        "bad index version 1",
    ),
    refused(
        "version 5",
        "printf '\\005' | dd of=.git/index bs=1 seek=7 conv=notrunc 2>/dev/null",
        "bad index version 5",
    ),
    refused(
        "another signature",
        "printf DIRT | dd of=.git/index bs=1 conv=notrunc 2>/dev/null",
        "bad signature",
    ),
    state("split, nothing in the second file", "edit && git update-index --split-index", EDIT),
    state("split, with a change", "git update-index --split-index && edit", EDIT),
    state(
        "split, with a change and trees",
        "git update-index --split-index && edit && git write-tree",
        EDIT,
    ),
    state(
        "split, with many replaced and deleted entries",
        "git config splitIndex.maxPercentChange 100 && git update-index --split-index && \
         git rm -q backend/index.js package.json && echo 1 >a && echo 2 >web/package.json && edit",
        &["a", "web/index.js", "web/package.json"],
    ),
    state(
        "split by configuration, with an old shared file",
        "git config core.splitIndex true && edit && touch -d '60 days ago' .git/sharedindex.* && \
         echo 2 >a && git add a",
        &["a", "web/index.js"],
    ),
    state("split, version 4", "git update-index --index-version 4 --split-index && edit", EDIT),
    refused(
        "split, without its shared file",
        "git update-index --split-index && edit && rm .git/sharedindex.*",
        "sharedindex",
    ),
    state("sparse checkout", "git sparse-checkout set --cone web && edit", EDIT),
    state(
        "sparse checkout, staged outside it",
        "git sparse-checkout set --cone backend && mkdir -p web && echo 1 >web/index.js && \
         git add --sparse web/index.js",
        EDIT,
    ),
    state(
        "sparse checkout by patterns",
        "git sparse-checkout set --no-cone '/web/*.js' && edit",
        EDIT,
    ),
    state("sparse index", "git sparse-checkout set --cone --sparse-index web && edit", EDIT),
    state(
        "sparse index, trees written",
        "git sparse-checkout set --cone --sparse-index web && edit && git write-tree",
        EDIT,
    ),
    state("sparse index, nothing staged", "git sparse-checkout set --cone --sparse-index web", &[]),
    state(
        "sparse index, staged outside it",
        "git sparse-checkout set --cone --sparse-index backend && mkdir -p web && \
         echo 1 >web/index.js && git add --sparse web/index.js",
        EDIT,
    ),
    state(
        "sparse index, a whole directory from another commit",
        "edit && commit && git sparse-checkout set --cone --sparse-index backend && \
         git reset -q --soft HEAD~1",
        EDIT,
    ),
    state("no checksum", "git config index.skipHash true && edit", EDIT),
    state(
        "no checksum, trees written",
        "git config index.skipHash true && edit && git write-tree",
        EDIT,
    ),
    state(
        "untracked cache",
        "git update-index --untracked-cache && touch new && edit && touch TREE newer && \
         git status >/dev/null",
        &["new", "web/index.js"],
    ),
    state(
        "a file system monitor",
        "printf '#!/bin/sh\\nprintf \"token\\\\0/\\\\0\"\\n' >../monitor && chmod +x ../monitor && \
         git config core.fsmonitor \"$PWD/../monitor\" && \
         git config core.fsmonitorHookVersion 2 && git status >/dev/null && edit && \
         git status >/dev/null && grep -q FSMN .git/index",
        EDIT,
    ),
    state(
        "blocks and an offset table",
        "blocks && echo 1 >web/index.js && git add web && grep -q IEOT .git/index && \
         grep -q EOIE .git/index",
        EDIT,
    ),
    state(
        "blocks and an offset table, trees written",
        "blocks && echo 1 >web/index.js && git add web && git write-tree",
        EDIT,
    ),
    state(
        "blocks and an offset table, version 4",
        "blocks && git update-index --index-version 4 && echo 1 >web/index.js && git add web && \
         git write-tree && grep -q IEOT .git/index",
        EDIT,
    ),
    state(
        "an EOIE extension without an offset table",
        "git config index.recordEndOfIndexEntries true && edit && git write-tree && \
         grep -q EOIE .git/index",
        EDIT,
    ),
    state(
        "a resolved conflict in a REUC extension",
        "fork && ! git merge -q side && edit && git write-tree && grep -q REUC .git/index",
        EDIT,
    ),
    state(
        "an unknown optional extension",
        "edit && printf 'ABCD\\000\\000\\000\\003xyz' | extend",
        EDIT,
    ),
    refused(
        "an unknown required extension",
        "edit && printf 'abcd\\000\\000\\000\\003xyz' | extend",
        "extension",
    ),
    state(
        "the trees of HEAD inside an unknown extension",
        "edit && count=$(git ls-files | wc -l) && \
         { printf 'ABCD\\000\\000\\000\\043TREE\\000\\000\\000\\031\\000%d 0\\n' $count && \
         bytes $(git rev-parse HEAD^{tree}) && printf xx; } | extend",
        EDIT,
    ),
    state(
        "the trees of HEAD at the end of an unknown extension",
        "edit && count=$(git ls-files | wc -l) && \
         { printf 'ABCD\\000\\000\\000\\041TREE\\000\\000\\000\\031\\000%d 0\\n' $count && \
         bytes $(git rev-parse HEAD^{tree}); } | extend",
        EDIT,
    ),
    state(
        "the trees of HEAD at the end of an unknown extension, after the real ones",
        "edit && git write-tree && count=$(git ls-files | wc -l) && \
         { printf 'ABCD\\000\\000\\000\\041TREE\\000\\000\\000\\031\\000%d 0\\n' $count && \
         bytes $(git rev-parse HEAD^{tree}); } | extend",
        EDIT,
    ),
    state("names of untracked files that look like the trees of HEAD", FORGED_TREE, EDIT),
    state(
        "a path that ends in the signature of an extension",
        "mkdir zzz && touch zzz/TREE && git add zzz && rm web/index.js && edit",
        &["web/index.js", "zzz/TREE"],
    ),
    state(
        "a last path that ends in the signature of an extension, without extensions",
        "touch zTREE && git update-index --force-remove web/index.js && git add -A",
        &["zTREE"],
    ),
    state(
        "a submodule called like an extension",
        "git init -q TREE && (cd TREE && commit) && git add TREE 2>/dev/null && edit",
        &["TREE", "web/index.js"],
    ),
    state(
        "content that looks like the end of an index",
        "tail -c 200 .git/index >web/index.js && tail -c 60 .git/index >TREE && git add -A && \
         git write-tree",
        &["TREE", "web/index.js"],
    ),
    state(
        "an index without its last byte",
        "edit && head -c -1 .git/index >../index && mv ../index .git/index",
        EDIT,
    ),
    refused(
        "an index without its last entries",
        "edit && head -c 300 .git/index >../index && mv ../index .git/index",
        "read the staged files",
    ),
    refused(
        "an index with a header only",
        "edit && head -c 12 .git/index >../index && mv ../index .git/index",
        "index file smaller than expected",
    ),
    state("seven bytes after the checksum", "edit && printf 1234567 >>.git/index", EDIT),
    state(
        "eight bytes after the checksum",
        "edit && extend </dev/null && printf 12345678 >>.git/index",
        EDIT,
    )
    .refused_by_git(),
    state(
        "a wrong checksum",
        "edit && printf x | dd of=.git/index bs=1 seek=$(($(wc -c <.git/index) - 1)) conv=notrunc \
         2>/dev/null",
        EDIT,
    ),
    refused("an empty file as index", ": >.git/index", "index file smaller than expected"),
    refused("a directory as index", "rm .git/index && mkdir .git/index", "index"),
    state("a link as index", "edit && mv .git/index .git/other && ln -s other .git/index", EDIT),
    state("no index", "rm .git/index", &[]),
    state("an index without entries", "git rm -r -q --cached .", &[]),
    state("entries out of order", "edit && patch web/index.js aaa/index.js", &["aaa/index.js"]),
    state("an entry twice", "touch web/aaaaa.js && edit && patch web/aaaaa.js web/index.js", EDIT),
    state("a locked index", "edit && touch .git/index.lock", EDIT).in_hook(Expected::NotRun),
];

#[test]
fn every_format_of_the_index_is_judged_or_refused() {
    check_all(STATES);
}
