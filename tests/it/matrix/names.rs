//! Names that are hard to print, sort or store, and large numbers of them.

use super::{Expected, State, check_all, state};

pub(super) const STATES: &[State] = &[
    state(
        "line feeds, quotes, tabs, backslashes, escapes",
        "touch \"$(printf 'a\\nb')\" 'c \"d\" e' \"f'g\" 'h\\i' \"$(printf 'j\\tk\\rl')\" \
         \"$(printf 'm\\033[2Jn')\" && git add -A",
        &["a\\nb", "c \"d\" e", "f'g", "h\\i", "j\\tk\\rl", "m\\u{001b}[2Jn"],
    ),
    state(
        "not UTF-8, in files and directories",
        "mkdir \"$(printf 'b\\377')\" && \
         touch \"$(printf 'b\\377/c')\" \"$(printf 'a\\303')\" \"$(printf 'd\\200e')\" && \
         git add -A",
        &["a\\xc3", "b\\xff/c", "d\\x80e"],
    ),
    state(
        "names like options, pathspecs and patterns",
        "touch -- -x --all ':(top)x' ':!x' '*' '?' '[a]' '!a' '#a' '~' '$HOME' '@' && git add -A",
        &["!a", "#a", "$HOME", "*", "--all", "-x", ":(top)x", ":!x", "?", "@", "[a]", "~"],
    ),
    state(
        "bidirectional control characters",
        "touch \"$(printf 'a\\342\\200\\256b')\" \"$(printf 'c\\342\\200\\213d')\" && git add -A",
        &["a\\u{202e}b", "c\\u{200b}d"],
    ),
    state(
        "leading and trailing spaces, and names of spaces only",
        "touch ' ' ' a' 'a ' && mkdir '  ' && touch '  /b' && git add -A",
        &[" ", "  /b", " a", "a "],
    ),
    state(
        "names with leading dots",
        "mkdir ... .a && touch .../b .a/c ..d .gitx && git add -A",
        &["..d", ".../b", ".a/c", ".gitx"],
    ),
    state(
        "names that sort before and after a slash",
        "mkdir a && touch a/b a.b a0 a- 'a b' a! && git add -A && git write-tree && commit && \
         echo 1 >a/b && echo 1 >a.b && echo 1 >a0 && echo 1 >a- && git add -A",
        &["a-", "a.b", "a/b", "a0"],
    ),
    state(
        "directories that sort before and after a slash",
        "mkdir a a.b a0 a- 'a!' && for name in a a.b a0 a- 'a!'; do touch \"$name/x\"; done && \
         git add -A && commit && echo 1 >a/x && echo 1 >a0/x && touch a-/y a.b.c && git add -A && \
         git write-tree",
        &["a-/y", "a.b.c", "a/x", "a0/x"],
    ),
    state(
        "files and directories that swap types around a slash",
        "mkdir a && touch a/b a-b a.b && git add -A && commit && git rm -q -r a a-b a.b && \
         mkdir a-b a.b && touch a a-b/c a.b/c && git add -A",
        &["a", "a-b/c", "a.b/c"],
    ),
    state("a name of 255 bytes", "touch $(printf %0255d 0) && git add -A", &[]).count(1),
    state(
        "a path of 4,000 bytes",
        "printf '%0199d/' $(seq 19) >../name && printf '%0200d\\n' 0 >>../name && \
         announce <../name",
        &[],
    )
    .count(1),
    state(
        "a path of 4,000 bytes, version 4",
        "git update-index --index-version 4 && path=$(printf '%0199d/' $(seq 19)) && \
         printf \"$path%0200d\\n\" 0 1 | announce && git write-tree",
        &[],
    )
    .count(2),
    state(
        "a path of 4,095 bytes, the largest length in the index",
        "printf \"$(printf '%0199d/' $(seq 20))%095d\\n\" 0 | announce",
        &[],
    )
    .count(1),
    state(
        "a path of 4,096 bytes",
        "printf \"$(printf '%0199d/' $(seq 20))%096d\\n\" 0 | announce && git write-tree",
        &[],
    )
    .count(1),
    state(
        "a path of 6,000 bytes, too long for a work tree",
        "printf \"$(printf '%0199d/' $(seq 30))a\\n\" | announce",
        &[],
    )
    .count(1),
    state("a name of 5,000 bytes", "printf '%05000d\\n' 0 | announce && git write-tree", &[])
        .count(1),
    state("three thousand files in a directory", "seq -f many/%g.js 3000 | announce", &[])
        .count(3000),
    state(
        "three thousand files in a directory, one of them changed",
        "seq -f many/%g.js 3000 | announce && commit && \
         git update-index --cacheinfo 100644,$(git rev-parse HEAD:package.json),many/1500.js",
        &["many/1500.js"],
    ),
    state(
        "three thousand directories",
        "seq -f many/%g/index.js 3000 | announce && commit && \
         seq -f many/%g/index.ts 10 3000 | head -n 20 | announce && git write-tree",
        &[],
    )
    .count(20),
    state(
        "two hundred directories deep",
        "printf '%s/index.js\\n' $(seq -s / 200) | announce && commit && \
         printf '%s/index.ts\\n' $(seq -s / 200) | announce",
        &[],
    )
    .count(1),
    state(
        "two hundred directories deep, and trees written",
        "printf '%s/index.js\\n' $(seq -s / 200) | announce && commit && \
         printf '%s/index.ts\\n' $(seq -s / 200) | announce && git write-tree",
        &[],
    )
    .count(1),
    state(
        "names that differ only in case",
        "touch A a && mkdir B b && touch B/c b/c && git add -A",
        &["A", "B/c", "a", "b/c"],
    ),
    state(
        "names that differ only in case, where case is ignored",
        "git config core.ignoreCase true && printf '%s\\n' A a B/c b/c | announce",
        &["A", "B/c", "a", "b/c"],
    ),
    state(
        "a name staged in another case",
        "git config core.ignoreCase true && git mv web/index.js web/INDEX.js",
        &["web/INDEX.js"],
    ),
    state(
        "composed and decomposed characters",
        "git config core.precomposeUnicode true && \
         touch \"$(printf '\\303\\244')\" \"$(printf 'a\\314\\210')\" && git add -A",
        &["a\u{308}", "\u{e4}"],
    ),
    state(
        "core.quotePath and core.protectNTFS",
        "git config core.quotePath true && git config core.protectNTFS false && \
         touch 'ä' 'a\\b' && git add -A",
        &["a\\b", "ä"],
    ),
    state(
        "every byte that a name can have",
        "file=$(git rev-parse HEAD:package.json) && \
         for byte in $(seq 1 255); do case $byte in 10 | 47) ;; \
         *) printf '100644 %s\\tx%by\\000' $file \"\\\\0$(printf %03o $byte)\" ;; esac; done | \
         git update-index --add -z --index-info",
        &[],
    )
    .count(253),
    state(
        "a path that a tree must not contain",
        "edit_blob=$(git rev-parse HEAD:package.json) && \
         printf '100644 %s\\taaaa/x\\n' $edit_blob | git update-index --index-info && \
         patch aaaa/x .git/x",
        &[".git/x"],
    )
    .in_hook(Expected::Paths(&[".git/x"])),
];

#[test]
fn every_name_is_reported() {
    check_all(STATES);
}
