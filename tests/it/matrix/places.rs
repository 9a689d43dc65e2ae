//! Where git finds the repository, the work tree and the index: variables, worktrees, submodules,
//! owners.

use super::{State, each, refused, state};

const EDIT: &[&str] = &["web/index.js"];
const OTHER: &[&str] = &["other"];

pub(super) const STATES: &[State] = &[
    state(
        "GIT_INDEX_FILE",
        "GIT_INDEX_FILE=.git/other && export GIT_INDEX_FILE && git read-tree HEAD && \
         touch other && git add other",
        OTHER,
    )
    .asked("export GIT_INDEX_FILE=\"$PWD/.git/other\""),
    state(
        "GIT_INDEX_FILE, relative",
        "GIT_INDEX_FILE=.git/other && export GIT_INDEX_FILE && git read-tree HEAD && \
         touch other && git add other",
        OTHER,
    )
    .asked("export GIT_INDEX_FILE=.git/other"),
    state(
        "GIT_INDEX_FILE, relative, from below the top",
        "GIT_INDEX_FILE=.git/other && export GIT_INDEX_FILE && git read-tree HEAD && \
         touch other && git add other",
        OTHER,
    )
    .asked("export GIT_INDEX_FILE=.git/other && cd web"),
    state(
        "GIT_INDEX_FILE, relative, and another of the name below",
        "GIT_INDEX_FILE=other && export GIT_INDEX_FILE && git read-tree HEAD && touch web/a && \
         git add web/a && cp .git/index web/other",
        &["web/a"],
    )
    .asked("export GIT_INDEX_FILE=other && cd web"),
    state("GIT_INDEX_FILE that is not there", "edit", &[]).asked("export GIT_INDEX_FILE=.git/none"),
    state(
        "GIT_INDEX_FILE of an index in two files",
        "git update-index --split-index && edit && cp .git/index .git/other && git reset -q",
        EDIT,
    )
    .asked("export GIT_INDEX_FILE=.git/other"),
    state("GIT_DIR", "edit", EDIT).asked("export GIT_DIR=.git"),
    state("GIT_DIR, absolute", "edit", EDIT).asked("export GIT_DIR=\"$PWD/.git\""),
    state("GIT_DIR, from below the top", "edit", EDIT).asked("export GIT_DIR=../.git && cd web"),
    state("GIT_DIR, from elsewhere", "edit", EDIT).asked("export GIT_DIR=\"$PWD/.git\" && cd .."),
    state(
        "GIT_DIR of another repository",
        "git init -q ../else && touch ../else/a && git -C ../else add a && edit",
        &["a"],
    )
    .asked("export GIT_DIR=../else/.git"),
    refused("GIT_DIR that is empty", "edit", "not a git repository").asked("export GIT_DIR="),
    refused("GIT_DIR that is not there", "edit", "not a git repository")
        .asked("export GIT_DIR=none"),
    state("GIT_DIR and GIT_WORK_TREE", "edit", EDIT)
        .asked("export GIT_DIR=\"$PWD/.git\" GIT_WORK_TREE=\"$PWD\" && cd .."),
    state("GIT_DIR and GIT_WORK_TREE, relative", "edit", EDIT)
        .asked("export GIT_DIR=shop/.git GIT_WORK_TREE=shop && cd .."),
    state("GIT_WORK_TREE alone", "edit", EDIT).asked("export GIT_WORK_TREE=.."),
    state(
        "GIT_DIR, GIT_WORK_TREE and GIT_INDEX_FILE, relative",
        "edit && mv .git/index other",
        EDIT,
    )
    .asked("export GIT_DIR=\"$PWD/.git\" GIT_WORK_TREE=\"$PWD\" GIT_INDEX_FILE=other && cd web"),
    state("GIT_COMMON_DIR", "edit", EDIT)
        .asked("export GIT_COMMON_DIR=\"$PWD/.git\" GIT_DIR=\"$PWD/.git\""),
    state("GIT_PREFIX", "edit", EDIT).asked("export GIT_PREFIX=web/"),
    state("GIT_IMPLICIT_WORK_TREE", "edit", EDIT).asked("export GIT_IMPLICIT_WORK_TREE=1"),
    state("GIT_CEILING_DIRECTORIES", "edit", EDIT)
        .asked("export GIT_CEILING_DIRECTORIES=\"$PWD\" && cd web")
        .beyond_git(),
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
    .asked("export GIT_INDEX_FILE=other GIT_DIR=\"$PWD/.git\" && cd ../else"),
    state(
        "a linked worktree",
        "git worktree add -q ../linked && edit && cd ../linked && touch other && git add other",
        OTHER,
    )
    .asked("cd ../linked"),
    state(
        "a linked worktree, detached, from below its top",
        "git worktree add -q --detach ../linked && cd ../linked && edit",
        EDIT,
    )
    .asked("cd ../linked/web"),
    state(
        "a linked worktree with settings of its own",
        "git config extensions.worktreeConfig true && git worktree add -q ../linked && \
         cd ../linked && git config --worktree core.ignoreCase true && \
         git config --worktree index.version 4 && edit",
        EDIT,
    )
    .asked("cd ../linked"),
    state(
        "a linked worktree, sparse",
        "git worktree add -q ../linked && cd ../linked && \
         git sparse-checkout set --cone --sparse-index web && edit",
        EDIT,
    )
    .asked("cd ../linked"),
    state(
        "a linked worktree that is unborn",
        "git worktree add -q --orphan -b none ../linked && cd ../linked && touch other && \
         git add other",
        OTHER,
    )
    .asked("cd ../linked"),
    state(
        "a linked worktree on a ref of its own",
        "git worktree add -q --detach ../linked && cd ../linked && \
         git update-ref refs/worktree/x HEAD && git symbolic-ref HEAD refs/worktree/x && edit",
        EDIT,
    )
    .asked("cd ../linked"),
    state(
        "a linked worktree that was moved",
        "git worktree add -q ../linked && git worktree move ../linked ../moved && cd ../moved && \
         edit",
        EDIT,
    )
    .asked("cd ../moved"),
    state(
        "a linked worktree of a bare repository",
        "git clone -q --bare . ../bare.git && git -C ../bare.git worktree add -q ../linked && \
         cd ../linked && edit",
        EDIT,
    )
    .asked("cd ../linked"),
    state(
        "a linked worktree in the format of refs of its own",
        "rm -r .git && git init -q --ref-format=reftable && git add -A && commit && \
         git worktree add -q ../linked && cd ../linked && edit",
        EDIT,
    )
    .asked("cd ../linked"),
    state(
        "the main work tree beside a linked one",
        "git worktree add -q ../linked && (cd ../linked && touch other && git add other) && edit",
        EDIT,
    ),
    refused(
        "a linked worktree whose repository is gone",
        "git worktree add -q ../linked && mv .git gone",
        "not a git repository",
    )
    .asked("cd ../linked"),
    state("inside a submodule", "library && cd lib && touch other && git add other", OTHER)
        .asked("cd lib"),
    state(
        "inside a submodule that keeps its own repository",
        "git init -q lib && (cd lib && commit) && git add lib 2>/dev/null && commit && cd lib && \
         touch other && git add other",
        OTHER,
    )
    .asked("cd lib"),
    state(
        "inside a submodule that was absorbed",
        "git init -q lib && (cd lib && commit) && \
         git -c protocol.file.allow=always submodule --quiet add ./lib lib 2>/dev/null && \
         git submodule --quiet absorbgitdirs lib 2>/dev/null && test -f lib/.git && commit && \
         cd lib && touch other && git add other",
        OTHER,
    )
    .asked("cd lib"),
    state(
        "above a submodule that is dirty",
        "library && touch lib/other && git -C lib add other && edit",
        EDIT,
    ),
    state(
        "in a nested repository",
        "git init -q web/in && cd web/in && touch other && git add other",
        OTHER,
    )
    .asked("cd web/in"),
    state(
        "in a directory that is called as a repository, and is none",
        "mkdir -p web/.git/objects && edit",
        EDIT,
    )
    .asked("cd web"),
    refused(
        "in a directory that looks like a bare repository",
        "edit && cp -r .git/objects .git/refs .git/HEAD .git/config web",
        "",
    )
    .asked("cd web"),
    state(
        "above a directory that looks like a bare repository",
        "mkdir -p fake/objects fake/refs && cp .git/HEAD fake && touch fake/a && git add -A",
        &["fake/HEAD", "fake/a"],
    ),
    refused("in a bare repository", "git clone -q --bare . ../bare.git", "bare")
        .asked("cd ../bare.git"),
    state("in .git", "edit", EDIT).beyond_git().asked("cd .git"),
    refused("nowhere", "rm -rf .git", "not a git repository"),
    state(".git is a file", "mv .git ../real && echo 'gitdir: ../real' >.git && edit", EDIT),
    state(
        ".git is a file with an absolute path",
        "mv .git ../real && echo \"gitdir: $PWD/../real\" >.git && edit",
        EDIT,
    ),
    state(
        ".git is a file without a line end",
        "mv .git ../real && printf 'gitdir: ../real' >.git && edit",
        EDIT,
    ),
    refused(".git is a file of dirt", "mv .git ../real && echo dirt >.git", "git"),
    refused(".git is an empty file", "mv .git ../real && : >.git", "git"),
    refused(
        ".git is a file that leads nowhere",
        "mv .git ../real && echo 'gitdir: ../none' >.git",
        "not a git repository",
    ),
    state(".git is a link", "mv .git ../real && ln -s ../real .git && edit", EDIT),
    state("a link to the work tree", "edit && ln -s shop ../link", EDIT).asked("cd ../link/web"),
    state("a link into the work tree", "edit && ln -s shop/web ../link", EDIT).asked("cd ../link"),
    state(
        "a link in the work tree that leads out",
        "git init -q ../else && touch ../else/other && git -C ../else add other && \
         ln -s ../else out && edit",
        OTHER,
    )
    .asked("cd out"),
    state(
        "a directory whose name is odd",
        "edit && cd .. && name=$(printf 'a \"b\\nc') && mv shop \"$name\" && ln -s \"$name\" shop",
        EDIT,
    )
    .asked("cd \"$(printf '../a \"b\\nc')\""),
    state(
        "a directory whose name is not UTF-8",
        "edit && cd .. && name=$(printf 'b\\377') && mv shop \"$name\" && ln -s \"$name\" shop",
        EDIT,
    )
    .asked("cd \"$(printf '../b\\377')\""),
    state("a directory that is gone", "edit && mkdir gone", EDIT)
        .asked("cd gone && rmdir ../gone && cd .."),
    refused("of another owner", "edit && chown -R 12345 .", "dubious ownership").as_root(),
    refused(
        "of another owner, the repository alone",
        "edit && chown 12345 .git",
        "dubious ownership",
    )
    .as_root(),
    refused("of another owner, the work tree alone", "edit && chown 12345 .", "dubious ownership")
        .as_root(),
    state(
        "of another owner, and trusted",
        "edit && chown -R 12345 . && git config --global safe.directory \"$PWD\"",
        EDIT,
    )
    .as_root(),
    state(
        "of another owner, and everything is trusted",
        "edit && chown -R 12345 . && git config --global safe.directory '*'",
        EDIT,
    )
    .as_root(),
    state(
        "of another owner, and its parent is trusted",
        "edit && chown -R 12345 . && git config --global safe.directory \"$(dirname \"$PWD\")/*\"",
        EDIT,
    )
    .as_root(),
    refused(
        "of another owner, trusted by itself",
        "edit && git config safe.directory '*' && chown -R 12345 .",
        "dubious ownership",
    )
    .as_root(),
    refused(
        "of another owner, trusted and then not",
        "edit && chown -R 12345 . && git config --global --add safe.directory '*' && \
         git config --global --add safe.directory ''",
        "dubious ownership",
    )
    .as_root(),
    state("of another owner, and trusted by a variable", "edit && chown -R 12345 .", EDIT)
        .asked("export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'")
        .as_root(),
    state("of another owner, whom sudo names", "edit && chown -R 12345 .", EDIT)
        .asked("export SUDO_UID=12345")
        .as_root(),
    refused(
        "a linked worktree of another owner",
        "git worktree add -q ../linked && cd ../linked && edit && chown 12345 .git .",
        "dubious ownership",
    )
    .asked("cd ../linked")
    .as_root(),
    state(
        "an index of another owner",
        "edit && chown 12345 .git/index .git/HEAD .git/config",
        EDIT,
    )
    .as_root(),
    state(
        "in a repository whose HEAD is dirt, inside of another",
        "edit && cp -r .git web && echo dirt >web/.git/HEAD",
        EDIT,
    )
    .asked("cd web"),
    state(
        "in a repository without refs, inside of another",
        "edit && cp -r .git web && rm -r web/.git/refs",
        EDIT,
    )
    .asked("cd web"),
    state(
        "in a repository whose HEAD is a branch that is not born, inside of another",
        "edit && git init -q web && touch web/other && git -C web add other",
        OTHER,
    )
    .asked("cd web"),
    state("GIT_DIR with a slash at its end", "edit", EDIT).asked("export GIT_DIR=.git/"),
    state(
        "GIT_DIR that is a file",
        "mv .git ../real && echo 'gitdir: ../real' >.git && edit",
        EDIT,
    )
    .asked("export GIT_DIR=.git"),
    refused("GIT_INDEX_FILE that is a directory", "edit", "index")
        .asked("export GIT_INDEX_FILE=web"),
];

#[test]
fn everywhere_the_repository_that_git_uses_is_judged() {
    each(STATES);
}
