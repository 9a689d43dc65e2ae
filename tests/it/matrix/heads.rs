//! Every form of HEAD and refs, and replaced objects.

use super::{ALL, EDIT, Expected, State, check_all, refused, state};

pub(super) const STATES: &[State] = &[
    state("unborn, with everything staged", "reinit", ALL),
    state("unborn, trees written", "reinit && git write-tree", ALL),
    state("unborn, with nothing", "rm -r .git && git init -q", &[]),
    state(
        "unborn, with another branch",
        "git switch -q --orphan other && touch a && git add a",
        &["a"],
    ),
    state(
        "unborn, with packed branches",
        "git pack-refs --all && git symbolic-ref HEAD refs/heads/none && edit",
        ALL,
    ),
    refused(
        "unborn, with an invalid packed-refs file",
        "git symbolic-ref HEAD refs/heads/none && edit && echo dirt >.git/packed-refs",
        "packed-refs",
    ),
    state(
        "unborn, an empty directory in place of the branch",
        "mkdir -p .git/refs/heads/none/x && git symbolic-ref HEAD refs/heads/none && edit",
        ALL,
    ),
    state(
        "unborn, a dangling link in place of the branch",
        "git symbolic-ref HEAD refs/heads/none && ln -s refs/heads/gone .git/refs/heads/none && \
         edit",
        ALL,
    ),
    state(
        "unborn, a link to another branch in place of the branch",
        "git symbolic-ref HEAD refs/heads/none && ln -s refs/heads/main .git/refs/heads/none && \
         edit",
        EDIT,
    ),
    state("unborn, below a branch", "echo 'ref: refs/heads/main/x' >.git/HEAD && edit", ALL),
    state("unborn, a name that is not ASCII", "git symbolic-ref HEAD refs/heads/ä && edit", ALL),
    state("unborn, a name that git refuses", "echo 'ref: refs/heads/.x' >.git/HEAD && edit", ALL),
    state(
        "unborn, a reftable directory that no setting names",
        "mkdir .git/reftable && git symbolic-ref HEAD refs/heads/none && edit",
        ALL,
    ),
    state(
        "unborn, SHA-256, with packed branches",
        "reinit --object-format=sha256 && commit && git pack-refs --all && \
         git symbolic-ref HEAD refs/heads/none && edit",
        ALL,
    ),
    state(
        "SHA-256, packed",
        "reinit --object-format=sha256 && commit && git gc -q && edit && git write-tree",
        EDIT,
    ),
    state("detached", "git switch -q --detach && edit", EDIT),
    state("HEAD is a link", "ln -sf refs/heads/main .git/HEAD && edit", EDIT),
    state("HEAD is a dangling link", "ln -sf refs/heads/none .git/HEAD && edit", ALL),
    state(
        "a branch that is only packed",
        "git pack-refs --all && edit && test ! -e .git/refs/heads/main",
        EDIT,
    ),
    state(
        "a branch that is packed and loose",
        "git pack-refs --all --no-prune && edit && commit && echo 2 >a && git add a && \
         test -e .git/refs/heads/main",
        &["a"],
    ),
    state(
        "packed refs without a header",
        "git pack-refs --all && sed -i '/^#/d' .git/packed-refs && edit",
        EDIT,
    ),
    state(
        "packed refs out of order, without a header",
        "git branch zz && git branch a && git pack-refs --all && \
         sort -r .git/packed-refs | grep -v '^#' >../refs && cp ../refs .git/packed-refs && edit",
        EDIT,
    ),
    state(
        "packed refs with peeled tags",
        "git tag -m x v1 && git tag -m x a && git pack-refs --all && edit",
        EDIT,
    ),
    state(
        "an empty directory in place of a packed branch",
        "git pack-refs --all && mkdir -p .git/refs/heads/main/x && edit",
        EDIT,
    ),
    refused(
        "an invalid packed-refs file",
        "git pack-refs --all && echo dirt >.git/packed-refs && edit",
        "packed-refs",
    ),
    state(
        "a branch with punctuation in its name",
        "git switch -q -c \"a/b-c_d.e'f\\\"g#h%i(j)\" && edit",
        EDIT,
    ),
    state("a branch whose name is not ASCII", "git switch -qc 'ä/日本/\u{1F980}' && edit", EDIT),
    state(
        "a branch whose name is not UTF-8",
        "git switch -q -c \"$(printf 'b\\377')\" && edit",
        EDIT,
    ),
    state(
        "a branch called HEAD",
        "git update-ref refs/heads/HEAD HEAD && git symbolic-ref HEAD refs/heads/HEAD && edit",
        EDIT,
    ),
    state(
        "a branch called @",
        "git update-ref refs/heads/@ HEAD && git symbolic-ref HEAD refs/heads/@ && edit",
        EDIT,
    ),
    state(
        "a branch, a tag and a file called HEAD",
        "commit && git tag HEAD HEAD~1 && git branch -q -f refs/heads/HEAD HEAD~1 && \
         cp .git/HEAD HEAD && edit",
        &["HEAD", "web/index.js"],
    ),
    state(
        "HEAD on a ref of this work tree",
        "git update-ref refs/worktree/x HEAD && git symbolic-ref HEAD refs/worktree/x && edit",
        EDIT,
    ),
    state(
        "HEAD on a ref of a bisection",
        "git update-ref refs/bisect/bad HEAD && git symbolic-ref HEAD refs/bisect/bad && edit",
        EDIT,
    ),
    state(
        "HEAD on a lightweight tag",
        "git tag v1 && git symbolic-ref HEAD refs/tags/v1 && edit",
        EDIT,
    ),
    state(
        "a bisection",
        "commit && commit && git bisect start -q HEAD HEAD~2 >/dev/null && edit",
        EDIT,
    ),
    state(
        "a symbolic branch",
        "git symbolic-ref refs/heads/alias refs/heads/main && \
         git symbolic-ref HEAD refs/heads/alias && edit",
        EDIT,
    ),
    state(
        "a symbolic branch that points to an unborn branch",
        "git symbolic-ref refs/heads/alias refs/heads/none && \
         git symbolic-ref HEAD refs/heads/alias && edit",
        ALL,
    ),
    state(
        "symbolic branches that point to each other",
        "git symbolic-ref refs/heads/a refs/heads/b && \
         git symbolic-ref refs/heads/b refs/heads/a && git symbolic-ref HEAD refs/heads/a && edit",
        ALL,
    ),
    state(
        "a long chain of symbolic branches",
        "for i in 1 2 3 4 5 6; do \
         git symbolic-ref refs/heads/a$i refs/heads/a$((i + 1)) || exit; \
         done && git symbolic-ref refs/heads/a7 refs/heads/main && \
         git symbolic-ref HEAD refs/heads/a1 && edit",
        ALL,
    ),
    state(
        "HEAD on an annotated tag",
        "git tag -m x v1 && git rev-parse v1 >../id && cp ../id .git/HEAD && edit",
        EDIT,
    ),
    state(
        "HEAD on a blob",
        "git rev-parse HEAD:package.json >../id && cp ../id .git/HEAD && edit",
        ALL,
    )
    .in_hook(Expected::NotRun),
    state("HEAD on a tree", "git rev-parse HEAD: >../id && cp ../id .git/HEAD && edit", ALL)
        .in_hook(Expected::NotRun),
    state(
        "a branch on a tree",
        "git rev-parse HEAD: >../id && cp ../id .git/refs/heads/main && edit",
        ALL,
    )
    .in_hook(Expected::NotRun),
    state(
        "a branch on a missing object",
        "echo 1234567890123456789012345678901234567890 >.git/refs/heads/main && edit",
        ALL,
    )
    .in_hook(Expected::NotRun),
    state("a branch file with garbage", "echo dirt >.git/refs/heads/main && edit", ALL),
    state("an empty branch file", ": >.git/refs/heads/main && edit", ALL),
    state(
        "a truncated id in a branch file",
        "git rev-parse HEAD | head -c 30 >../id && cp ../id .git/refs/heads/main && edit",
        ALL,
    ),
    state(
        "a branch on the null id",
        "echo 0000000000000000000000000000000000000000 >.git/refs/heads/main && edit",
        ALL,
    )
    .in_hook(Expected::NotRun),
    state(
        "an uppercase id in a branch file",
        "git rev-parse HEAD | tr a-f A-F >../ref && cp ../ref .git/refs/heads/main && edit",
        EDIT,
    ),
    state(
        "a branch file without a line feed",
        "git rev-parse HEAD | head -c 40 >../ref && cp ../ref .git/refs/heads/main && edit",
        EDIT,
    ),
    state(
        "a branch file with text after the id",
        "echo \"$(git rev-parse HEAD) words\" >../ref && cp ../ref .git/refs/heads/main && edit",
        EDIT,
    ),
    state(
        "a branch file with a carriage return",
        "printf '%s\\r\\n' $(git rev-parse HEAD) >../ref && cp ../ref .git/refs/heads/main && edit",
        EDIT,
    ),
    state("a symbolic HEAD without a space", "echo ref:refs/heads/main >.git/HEAD && edit", EDIT),
    state(
        "a symbolic HEAD with extra whitespace",
        "printf 'ref: \\t refs/heads/main \\n\\n' >.git/HEAD && edit",
        EDIT,
    ),
    state(
        "a symbolic HEAD with a carriage return",
        "printf 'ref: refs/heads/main\\r\\n' >.git/HEAD && edit",
        EDIT,
    ),
    state(
        "a symbolic HEAD with a second line",
        "printf 'ref: refs/heads/main\\nref: refs/heads/side\\n' >.git/HEAD && edit",
        ALL,
    ),
    refused(
        "a symbolic HEAD outside refs",
        "git rev-parse HEAD >.git/FOO && echo 'ref: FOO' >.git/HEAD",
        "not a git repository",
    ),
    state(
        "a symbolic HEAD with .. in its path",
        "echo 'ref: refs/../../x' >.git/HEAD && edit",
        ALL,
    ),
    refused("HEAD with garbage", "echo dirt >.git/HEAD", "not a git repository"),
    refused("an empty HEAD", ": >.git/HEAD", "not a git repository"),
    refused("no HEAD", "rm .git/HEAD", "not a git repository"),
    refused("HEAD is a directory", "rm .git/HEAD && mkdir .git/HEAD", "not a git repository"),
    state("reftable", "reinit --ref-format=reftable && commit && edit", EDIT),
    state("reftable, unborn", "reinit --ref-format=reftable", ALL),
    state(
        "SHA-256",
        "reinit --object-format=sha256 && commit && edit && git rm -q package.json",
        EDIT,
    ),
    state(
        "SHA-256, trees written",
        "reinit --object-format=sha256 && commit && edit && git write-tree",
        EDIT,
    ),
    state("SHA-256, unborn", "reinit --object-format=sha256", ALL),
    state(
        "SHA-256, version 4, split",
        "reinit --object-format=sha256 && commit && \
         git update-index --index-version 4 --split-index && edit",
        EDIT,
    ),
    state(
        "SHA-256 and reftable",
        "reinit --object-format=sha256 --ref-format=reftable && commit && edit",
        EDIT,
    ),
    // A replacement counts in this repository only; the commit is judged as others will see it.
    state(
        "the commit replaced by the staged one",
        "edit && commit && git reset -q --soft HEAD~1 && git replace HEAD ORIG_HEAD",
        EDIT,
    ),
    state(
        "the commit replaced by the staged one, trees written",
        "edit && commit && git reset -q --soft HEAD~1 && git write-tree && \
         git replace HEAD ORIG_HEAD",
        EDIT,
    ),
    state(
        "the tree replaced by the staged one",
        "edit && commit && git reset -q --soft HEAD~1 && git replace HEAD^{tree} ORIG_HEAD^{tree}",
        EDIT,
    ),
    state(
        "a subtree replaced",
        "edit && commit && git reset -q --soft HEAD~1 && git replace HEAD:web ORIG_HEAD:web",
        EDIT,
    ),
    state(
        "the tree replaced, and nothing staged",
        "edit && commit && git reset -q --hard HEAD~1 && git replace HEAD^{tree} ORIG_HEAD^{tree}",
        &[],
    ),
    state(
        "the staged blob replaced",
        "edit && git replace $(git rev-parse :web/index.js) $(git rev-parse HEAD:web/index.js)",
        EDIT,
    ),
    state(
        "replaced under GIT_REPLACE_REF_BASE",
        "edit && commit && git reset -q --soft HEAD~1 && \
         git update-ref refs/other/$(git rev-parse HEAD) ORIG_HEAD",
        EDIT,
    )
    .in_context("export GIT_REPLACE_REF_BASE=refs/other/"),
    state("grafts", "commit && commit && git rev-parse HEAD >.git/info/grafts && edit", EDIT),
    state("grafts, as refs", "commit && commit && git replace --graft HEAD && edit", EDIT),
    state(
        "a commit with headers of all kinds",
        "{ git cat-file commit HEAD | sed '/^$/,$d'; \
         printf 'encoding ISO-8859-1\\ngpgsig -----BEGIN\\n tree 1234\\n \\n -----END\\nx-other \
         y\\n\\ntree 12\\n'; } | git hash-object -t commit -w --stdin >../id && \
         git reset -q $(cat ../id) && edit",
        EDIT,
    ),
    state(
        "a commit with many parents",
        "commit && tree=$(git rev-parse HEAD:) && \
         git reset -q $(git commit-tree -p HEAD -p HEAD~1 -m Octopus $tree) && edit",
        EDIT,
    ),
    state(
        "a commit without a tree",
        "git cat-file commit HEAD | sed 1d | \
         git hash-object --literally -t commit -w --stdin >../id && \
         cp ../id .git/refs/heads/main && edit",
        ALL,
    )
    .in_hook(Expected::NotRun),
    state(
        "a tree with old file modes",
        "echo 1 >a && git add a && commit && \
         { git cat-file tree HEAD: | LC_ALL=C sed 's/100644 a/100664 a/'; } | head_tree && edit",
        EDIT,
    ),
    state(
        "a tree that lists a directory twice",
        "{ git cat-file tree HEAD: && printf '40000 web\\000' && \
         bytes $(git rev-parse HEAD:backend); } | head_tree && edit",
        EDIT,
    ),
    state(
        "a tree out of order",
        "{ printf '40000 web\\000' && bytes $(git rev-parse HEAD:web) && \
         printf '40000 backend\\000' && bytes $(git rev-parse HEAD:backend); } | head_tree && edit",
        EDIT,
    )
    .same_as_git(),
    refused("a tree with garbage", "echo dirt | head_tree && edit", "tree")
        .in_hook(Expected::Refused("tree")),
    state(
        "a tree with a file and a directory of the same name",
        "{ printf '100644 web\\000' && bytes $(git rev-parse HEAD:package.json) && \
         printf '40000 web\\000' && bytes $(git rev-parse HEAD:web); } | head_tree && \
         rm -r backend package.json pnpm-workspace.yaml .gitignore .docker-deps && edit",
        EDIT,
    ),
    state(
        "a branch file with trailing spaces",
        "printf '%s  \\n\\n' $(git rev-parse HEAD) >../id && cp ../id .git/refs/heads/main && edit",
        EDIT,
    ),
    state(
        "a detached HEAD with text after the id",
        "echo \"$(git rev-parse HEAD) words\" >../id && cp ../id .git/HEAD && edit",
        EDIT,
    ),
];

#[test]
fn every_form_of_head_is_judged_or_refused() {
    check_all(STATES);
}
