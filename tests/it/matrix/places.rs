//! Where git finds the repository, the work tree and the index: variables, worktrees, submodules,
//! owners.

use super::{EDIT, State, check_all, refused, state};

const OTHER: &[&str] = &["other"];

pub(super) const STATES: &[State] = &[
    state(
        "GIT_INDEX_FILE",
        "GIT_INDEX_FILE=.git/other && export GIT_INDEX_FILE && git read-tree HEAD && \
         touch other && git add other",
        OTHER,
    )
    .in_context("export GIT_INDEX_FILE=\"$PWD/.git/other\""),
    state(
        "GIT_INDEX_FILE, relative",
        "GIT_INDEX_FILE=.git/other && export GIT_INDEX_FILE && git read-tree HEAD && \
         touch other && git add other",
        OTHER,
    )
    .in_context("export GIT_INDEX_FILE=.git/other"),
    state(
        "GIT_INDEX_FILE, relative, from below the top",
        "GIT_INDEX_FILE=.git/other && export GIT_INDEX_FILE && git read-tree HEAD && \
         touch other && git add other",
        OTHER,
    )
    .in_context("export GIT_INDEX_FILE=.git/other && cd web"),
    state(
        "GIT_INDEX_FILE, relative, with another of this name below",
        "GIT_INDEX_FILE=other && export GIT_INDEX_FILE && git read-tree HEAD && touch web/a && \
         git add web/a && cp .git/index web/other",
        &["web/a"],
    )
    .in_context("export GIT_INDEX_FILE=other && cd web"),
    state("GIT_INDEX_FILE, missing", "edit", &[]).in_context("export GIT_INDEX_FILE=.git/none"),
    state(
        "GIT_INDEX_FILE, split",
        "git update-index --split-index && edit && cp .git/index .git/other && git reset -q",
        EDIT,
    )
    .in_context("export GIT_INDEX_FILE=.git/other"),
    state("GIT_DIR", "edit", EDIT).in_context("export GIT_DIR=.git"),
    state("GIT_DIR, absolute", "edit", EDIT).in_context("export GIT_DIR=\"$PWD/.git\""),
    state("GIT_DIR, from below the top", "edit", EDIT)
        .in_context("export GIT_DIR=../.git && cd web"),
    state("GIT_DIR, from elsewhere", "edit", EDIT)
        .in_context("export GIT_DIR=\"$PWD/.git\" && cd .."),
    state(
        "GIT_DIR of another repository",
        "git init -q ../else && touch ../else/a && git -C ../else add a && edit",
        &["a"],
    )
    .in_context("export GIT_DIR=../else/.git"),
    refused("GIT_DIR, empty", "edit", "not a git repository").in_context("export GIT_DIR="),
    refused("GIT_DIR, missing", "edit", "not a git repository").in_context("export GIT_DIR=none"),
    state("GIT_DIR and GIT_WORK_TREE", "edit", EDIT)
        .in_context("export GIT_DIR=\"$PWD/.git\" GIT_WORK_TREE=\"$PWD\" && cd .."),
    state("GIT_DIR and GIT_WORK_TREE, relative", "edit", EDIT)
        .in_context("export GIT_DIR=shop/.git GIT_WORK_TREE=shop && cd .."),
    state("GIT_WORK_TREE alone", "edit", EDIT).in_context("export GIT_WORK_TREE=.."),
    state(
        "GIT_DIR, GIT_WORK_TREE and GIT_INDEX_FILE, relative",
        "edit && mv .git/index other",
        EDIT,
    )
    .in_context(
        "export GIT_DIR=\"$PWD/.git\" GIT_WORK_TREE=\"$PWD\" GIT_INDEX_FILE=other && cd web",
    ),
    state("GIT_COMMON_DIR", "edit", EDIT)
        .in_context("export GIT_COMMON_DIR=\"$PWD/.git\" GIT_DIR=\"$PWD/.git\""),
    state("GIT_PREFIX", "edit", EDIT).in_context("export GIT_PREFIX=web/"),
    state("GIT_IMPLICIT_WORK_TREE", "edit", EDIT).in_context("export GIT_IMPLICIT_WORK_TREE=1"),
    state("GIT_CEILING_DIRECTORIES", "edit", EDIT)
        .in_context("export GIT_CEILING_DIRECTORIES=\"$PWD\" && cd web")
        .refused_by_git(),
    state(
        "core.worktree",
        "git init -q ../else && git config core.worktree ../../else && cp -r web ../else && \
         cd ../else && echo 1 >web/index.js && git --git-dir=../shop/.git add web/index.js",
        EDIT,
    ),
    state(
        "core.worktree, and a relative GIT_INDEX_FILE",
        "mkdir ../else && git config core.worktree ../../else && cp .git/index ../else/other && \
         cd ../else && touch a && GIT_INDEX_FILE=other git --git-dir=../shop/.git add a",
        &["a"],
    )
    .in_context("export GIT_INDEX_FILE=other GIT_DIR=\"$PWD/.git\" && cd ../else"),
    state(
        "a linked worktree",
        "git worktree add -q ../linked && edit && cd ../linked && touch other && git add other",
        OTHER,
    )
    .in_context("cd ../linked"),
    state(
        "a linked worktree, detached, from below its top",
        "git worktree add -q --detach ../linked && cd ../linked && edit",
        EDIT,
    )
    .in_context("cd ../linked/web"),
    state(
        "a linked worktree with its own settings",
        "git config extensions.worktreeConfig true && git worktree add -q ../linked && \
         cd ../linked && git config --worktree core.ignoreCase true && \
         git config --worktree index.version 4 && edit",
        EDIT,
    )
    .in_context("cd ../linked"),
    state(
        "a linked worktree, sparse",
        "git worktree add -q ../linked && cd ../linked && \
         git sparse-checkout set --cone --sparse-index web && edit",
        EDIT,
    )
    .in_context("cd ../linked"),
    state(
        "a linked worktree, unborn",
        "git worktree add -q --orphan -b none ../linked && cd ../linked && touch other && \
         git add other",
        OTHER,
    )
    .in_context("cd ../linked"),
    state(
        "a linked worktree on a per-worktree ref",
        "git worktree add -q --detach ../linked && cd ../linked && \
         git update-ref refs/worktree/x HEAD && git symbolic-ref HEAD refs/worktree/x && edit",
        EDIT,
    )
    .in_context("cd ../linked"),
    state(
        "a linked worktree that was moved",
        "git worktree add -q ../linked && git worktree move ../linked ../moved && cd ../moved && \
         edit",
        EDIT,
    )
    .in_context("cd ../moved"),
    state(
        "a linked worktree of a bare repository",
        "git clone -q --bare . ../bare.git && git -C ../bare.git worktree add -q ../linked && \
         cd ../linked && edit",
        EDIT,
    )
    .in_context("cd ../linked"),
    state(
        "a linked worktree with reftable",
        "reinit --ref-format=reftable && commit && git worktree add -q ../linked && \
         cd ../linked && edit",
        EDIT,
    )
    .in_context("cd ../linked"),
    state(
        "the main work tree, with a linked one",
        "git worktree add -q ../linked && (cd ../linked && touch other && git add other) && edit",
        EDIT,
    ),
    refused(
        "a linked worktree whose repository is missing",
        "git worktree add -q ../linked && mv .git gone",
        "not a git repository",
    )
    .in_context("cd ../linked"),
    state("inside a submodule", "library && cd lib && touch other && git add other", OTHER)
        .in_context("cd lib"),
    state(
        "inside a submodule with its own .git directory",
        "git init -q lib && (cd lib && commit) && git add lib 2>/dev/null && commit && cd lib && \
         touch other && git add other",
        OTHER,
    )
    .in_context("cd lib"),
    state(
        "inside an absorbed submodule",
        "git init -q lib && (cd lib && commit) && \
         git -c protocol.file.allow=always submodule --quiet add ./lib lib 2>/dev/null && \
         git submodule --quiet absorbgitdirs lib 2>/dev/null && test -f lib/.git && commit && \
         cd lib && touch other && git add other",
        OTHER,
    )
    .in_context("cd lib"),
    state(
        "above a dirty submodule",
        "library && touch lib/other && git -C lib add other && edit",
        EDIT,
    ),
    state(
        "in a nested repository",
        "git init -q web/in && cd web/in && touch other && git add other",
        OTHER,
    )
    .in_context("cd web/in"),
    state(
        "in a directory with an invalid .git directory",
        "mkdir -p web/.git/objects && edit",
        EDIT,
    )
    .in_context("cd web"),
    refused(
        "in a directory that looks like a bare repository",
        "edit && cp -r .git/objects .git/refs .git/HEAD .git/config web",
        "",
    )
    .in_context("cd web"),
    state(
        "above a directory that looks like a bare repository",
        "mkdir -p fake/objects fake/refs && cp .git/HEAD fake && touch fake/a && git add -A",
        &["fake/HEAD", "fake/a"],
    ),
    refused("in a bare repository", "git clone -q --bare . ../bare.git", "bare")
        .in_context("cd ../bare.git"),
    state("in .git", "edit", EDIT).refused_by_git().in_context("cd .git"),
    refused("outside any repository", "rm -rf .git", "not a git repository"),
    state(".git is a file", "mv .git ../real && echo 'gitdir: ../real' >.git && edit", EDIT),
    state(
        ".git is a file with an absolute path",
        "mv .git ../real && echo \"gitdir: $PWD/../real\" >.git && edit",
        EDIT,
    ),
    state(
        ".git is a file without a line feed",
        "mv .git ../real && printf 'gitdir: ../real' >.git && edit",
        EDIT,
    ),
    refused(".git is a file with garbage", "mv .git ../real && echo dirt >.git", "git"),
    refused(".git is an empty file", "mv .git ../real && : >.git", "git"),
    refused(
        ".git is a file that names a missing directory",
        "mv .git ../real && echo 'gitdir: ../none' >.git",
        "not a git repository",
    ),
    state(".git is a link", "mv .git ../real && ln -s ../real .git && edit", EDIT),
    state("a link to the work tree", "edit && ln -s shop ../link", EDIT)
        .in_context("cd ../link/web"),
    state("a link into the work tree", "edit && ln -s shop/web ../link", EDIT)
        .in_context("cd ../link"),
    state(
        "a link that leaves the work tree",
        "git init -q ../else && touch ../else/other && git -C ../else add other && \
         ln -s ../else out && edit",
        OTHER,
    )
    .in_context("cd out"),
    state(
        "a directory with quotes and a line feed in its name",
        "edit && cd .. && name=$(printf 'a \"b\\nc') && mv shop \"$name\" && ln -s \"$name\" shop",
        EDIT,
    )
    .in_context("cd \"$(printf '../a \"b\\nc')\""),
    state(
        "a directory whose name is not UTF-8",
        "edit && cd .. && name=$(printf 'b\\377') && mv shop \"$name\" && ln -s \"$name\" shop",
        EDIT,
    )
    .in_context("cd \"$(printf '../b\\377')\""),
    state("a removed current directory", "edit && mkdir gone", EDIT)
        .in_context("cd gone && rmdir ../gone && cd .."),
    refused("another owner", "edit && chown -R 12345 .", "dubious ownership").needs_root(),
    refused(
        "another owner of the repository only",
        "edit && chown 12345 .git",
        "dubious ownership",
    )
    .needs_root(),
    refused("another owner of the work tree only", "edit && chown 12345 .", "dubious ownership")
        .needs_root(),
    state(
        "another owner, trusted",
        "edit && chown -R 12345 . && git config --global safe.directory \"$PWD\"",
        EDIT,
    )
    .needs_root(),
    state(
        "another owner, and every directory trusted",
        "edit && chown -R 12345 . && git config --global safe.directory '*'",
        EDIT,
    )
    .needs_root(),
    state(
        "another owner, and its parent trusted",
        "edit && chown -R 12345 . && git config --global safe.directory \"$(dirname \"$PWD\")/*\"",
        EDIT,
    )
    .needs_root(),
    refused(
        "another owner, trusted by the repository itself",
        "edit && git config safe.directory '*' && chown -R 12345 .",
        "dubious ownership",
    )
    .needs_root(),
    refused(
        "another owner, trusted and then not",
        "edit && chown -R 12345 . && git config --global --add safe.directory '*' && \
         git config --global --add safe.directory ''",
        "dubious ownership",
    )
    .needs_root(),
    state("another owner, trusted by a variable", "edit && chown -R 12345 .", EDIT)
        .in_context(
            "export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'",
        )
        .needs_root(),
    state("another owner, named by SUDO_UID", "edit && chown -R 12345 .", EDIT)
        .in_context("export SUDO_UID=12345")
        .needs_root(),
    refused(
        "a linked worktree of another owner",
        "git worktree add -q ../linked && cd ../linked && edit && chown 12345 .git .",
        "dubious ownership",
    )
    .in_context("cd ../linked")
    .needs_root(),
    state(
        "another owner of the index",
        "edit && chown 12345 .git/index .git/HEAD .git/config",
        EDIT,
    )
    .needs_root(),
    state(
        "in a nested repository with garbage in HEAD",
        "edit && cp -r .git web && echo dirt >web/.git/HEAD",
        EDIT,
    )
    .in_context("cd web"),
    state(
        "in a nested repository without refs",
        "edit && cp -r .git web && rm -r web/.git/refs",
        EDIT,
    )
    .in_context("cd web"),
    state(
        "in a nested repository on an unborn branch",
        "edit && git init -q web && touch web/other && git -C web add other",
        OTHER,
    )
    .in_context("cd web"),
    state("GIT_DIR with a trailing slash", "edit", EDIT).in_context("export GIT_DIR=.git/"),
    state("GIT_DIR, a file", "mv .git ../real && echo 'gitdir: ../real' >.git && edit", EDIT)
        .in_context("export GIT_DIR=.git"),
    refused("GIT_INDEX_FILE, a directory", "edit", "index").in_context("export GIT_INDEX_FILE=web"),
];

#[test]
fn the_repository_that_git_uses_is_judged() {
    check_all(STATES);
}
