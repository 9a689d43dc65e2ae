//! Every kind of staged change, and every way to commit it.

use super::{EDIT, Expected, State, check_all, refused, state};

const BOTH: &[&str] = &["backend/index.js", "web/index.js"];

pub(super) const STATES: &[State] = &[
    state(
        "added",
        "mkdir -p new/dir && touch new/dir/a new/b c && git add -A",
        &["c", "new/b", "new/dir/a"],
    ),
    state("added, then changed on disk", "edit && echo 2 >web/index.js", EDIT),
    state("added, then deleted on disk", "edit && rm web/index.js", EDIT),
    state("staged, then restored", "edit && git restore --staged --worktree web", &[]),
    state("staged as it was before", "edit && commit && git checkout -q HEAD~1 -- web", EDIT),
    state("deleted", "git rm -q web/index.js", &[]),
    state("a directory deleted", "git rm -qr web", &[]),
    state("everything deleted", "git rm -qr .", &[]),
    state("renamed", "git mv web/index.js web/main.js", &["web/main.js"]),
    state("a directory renamed", "git mv web site", &["site/index.js", "site/package.json"]),
    state("copied", "cp web/index.js web/copy.js && git add -A", &["web/copy.js"]),
    state(
        "two swapped",
        "mv web a && mv backend web && mv a backend && git add -A",
        &["backend/package.json", "web/package.json"],
    ),
    state("made executable", "git update-index --chmod=+x web/index.js", EDIT),
    state(
        "made executable, and trees written",
        "git update-index --chmod=+x web/index.js && git write-tree",
        EDIT,
    ),
    state(
        "no longer executable",
        "git update-index --chmod=+x web/index.js && commit && \
         git update-index --chmod=-x web/index.js",
        EDIT,
    ),
    state("a file turned into a link", "ln -sf package.json web/index.js && git add -A", EDIT),
    state(
        "a file turned into a link, of the same blob",
        "printf a >web/index.js && git add -A && commit && ln -sf a web/index.js && git add -A",
        EDIT,
    ),
    state(
        "a link turned into a file",
        "ln -s a web/link && git add -A && commit && rm web/link && echo 1 >web/link && git add -A",
        &["web/link"],
    ),
    state(
        "a link to another target",
        "ln -s a web/link && git add -A && commit && ln -sfn b web/link && git add -A",
        &["web/link"],
    ),
    state(
        "a file turned into a directory",
        "rm web/index.js && mkdir web/index.js && touch web/index.js/a && git add -A",
        &["web/index.js/a"],
    ),
    state(
        "a file turned into a directory, and back",
        "rm web/index.js && mkdir web/index.js && touch web/index.js/a && git add -A && commit && \
         rm -r web/index.js && echo 1 >web/index.js && git add -A && git write-tree",
        EDIT,
    ),
    state("a directory turned into a file", "rm -r web && echo 1 >web && git add -A", &["web"]),
    state(
        "a directory turned into a link",
        "mv web site && ln -s site web && git add -A",
        &["site/index.js", "site/package.json", "web"],
    ),
    state(
        "a file turned into a submodule",
        "rm web/index.js && git init -q web/index.js && (cd web/index.js && commit) && \
         git add -A 2>/dev/null",
        EDIT,
    ),
    state(
        "a submodule turned into a file",
        "library && git rm -q --cached lib && rm -rf lib && echo 1 >lib && git add -A",
        &["lib"],
    ),
    state(
        "a submodule turned into a directory",
        "library && git rm -q --cached lib && rm lib/.git && git add -A",
        &["lib/a.c"],
    ),
    state(
        "a directory turned into a submodule",
        "git rm -rq --cached web && git init -q web && (cd web && commit) && \
         git add -A 2>/dev/null",
        &["web"],
    ),
    state("a submodule at another commit", "library && (cd lib && commit) && git add -A", &["lib"]),
    state(
        "a submodule at another commit, hidden by configuration",
        "library && git config diff.ignoreSubmodules all && \
         git config -f .gitmodules submodule.lib.ignore all && git add .gitmodules && (cd lib && \
         commit) && git update-index lib",
        &[".gitmodules", "lib"],
    ),
    state(
        "a new submodule",
        "git init -q -b main ../lib && (cd ../lib && commit) && \
         git -c protocol.file.allow=always submodule --quiet add ../lib lib",
        &[".gitmodules", "lib"],
    ),
    state(
        "a submodule without .gitmodules",
        "git init -q lib && (cd lib && commit) && git add -A 2>/dev/null",
        &["lib"],
    ),
    state("a removed submodule", "library && git rm -q lib", &[".gitmodules"]),
    state(
        "a submodule whose commit is missing",
        "git update-index --add --cacheinfo 160000,1234567890123456789012345678901234567890,lib",
        &["lib"],
    ),
    state(
        "a missing blob",
        "git update-index --add --cacheinfo 100644,1234567890123456789012345678901234567890,a",
        &["a"],
    ),
    state("intent to add", "touch new && git add -N new", &[]),
    state(
        "intent to add, with other changes",
        "touch new web/a && git add -N new web/a && git add web/index.js && \
         echo 1 >web/index.js && git add web/index.js",
        EDIT,
    ),
    state(
        "intent to add in place of a committed file",
        "git rm -q --cached web/index.js && git add -N web/index.js",
        &[],
    ),
    state(
        "intent to add, version 4",
        "git update-index --index-version 4 && touch new && git add -N new && \
         echo 1 >web/index.js && git add web/index.js",
        EDIT,
    ),
    state(
        "assume-unchanged",
        "git update-index --assume-unchanged backend/index.js && echo 2 >backend/index.js && edit",
        EDIT,
    ),
    state(
        "staged, and then assume-unchanged",
        "edit && git update-index --assume-unchanged web/index.js",
        EDIT,
    ),
    state(
        "staged, and then skip-worktree",
        "edit && git update-index --skip-worktree web/index.js",
        EDIT,
    ),
    state(
        "line endings that git converts",
        "git config core.autocrlf true && printf '1\\r\\n' >web/index.js && git add -A",
        EDIT,
    ),
    state(
        "a clean filter",
        "echo '*.js filter=f' >.git/info/attributes && \
         git config filter.f.clean \"sed 's/1/2/'\" && edit",
        EDIT,
    ),
    state(
        "an encoding that git converts",
        "echo '*.txt working-tree-encoding=UTF-16LE' >.gitattributes && \
         printf 'a\\0\\n\\0' >a.txt && git add -A",
        &[".gitattributes", "a.txt"],
    ),
    // Ways to commit.
    state("commit --allow-empty", "", &[]).commit_with("git commit -q --allow-empty -m Next"),
    state("commit -a", "echo 1 >web/index.js", &[])
        .commit_with("git commit -q -a -m Next")
        .in_hook(Expected::Paths(EDIT)),
    state(
        "commit -a, with other content staged",
        "edit && echo 2 >web/index.js && echo 2 >backend/index.js",
        EDIT,
    )
    .commit_with("git commit -q -a -m Next")
    .in_hook(Expected::Paths(BOTH)),
    state("commit PATH", "echo 1 >backend/index.js && edit", BOTH)
        .commit_with("git commit -q -m Next web/index.js")
        .in_hook(Expected::Paths(EDIT)),
    state(
        "commit PATH, not staged",
        "echo 1 >backend/index.js && git add -A && echo 1 >web/index.js",
        &["backend/index.js"],
    )
    .commit_with("git commit -q -m Next web")
    .in_hook(Expected::Paths(EDIT)),
    state("commit --only", "touch a && git add a && echo 1 >web/index.js", &["a"])
        .commit_with("git commit -q --only -m Next web/index.js")
        .in_hook(Expected::Paths(EDIT)),
    state("commit --include", "touch a && git add a && echo 1 >web/index.js", &["a"])
        .commit_with("git commit -q --include -m Next web/index.js")
        .in_hook(Expected::Paths(&["a", "web/index.js"])),
    state("commit -p", "echo 1 >web/index.js && echo 1 >backend/index.js", &[])
        .commit_with("printf 'n\\ny\\n' | git commit -q -p -m Next")
        .in_hook(Expected::Paths(EDIT)),
    state("commit --amend", "edit && commit", &[]).commit_with("git commit -q --amend -m Next"),
    state(
        "commit --amend with more changes",
        "edit && commit && echo 2 >backend/index.js && git add -A",
        &["backend/index.js"],
    )
    .commit_with("git commit -q --amend -m Next"),
    state("commit --amend -a", "edit && commit && echo 2 >web/index.js", &[])
        .commit_with("git commit -q --amend -a -m Next")
        .in_hook(Expected::Paths(EDIT)),
    state("commit --amend of the first commit", "edit", EDIT)
        .commit_with("git commit -q --amend -m Next"),
    state(
        "commit PATH, with a split index",
        "git update-index --split-index && echo 1 >backend/index.js && edit",
        BOTH,
    )
    .commit_with("git commit -q -m Next web/index.js")
    .in_hook(Expected::Paths(EDIT)),
    state(
        "commit -a, with a sparse index",
        "git sparse-checkout set --cone --sparse-index web && echo 1 >web/index.js",
        &[],
    )
    .commit_with("git commit -q -a -m Next")
    .in_hook(Expected::Paths(EDIT)),
    state(
        "commit PATH, with a sparse index",
        "git sparse-checkout set --cone --sparse-index web && echo 1 >web/package.json && edit",
        &["web/index.js", "web/package.json"],
    )
    .commit_with("git commit -q -m Next web/index.js")
    .in_hook(Expected::Paths(EDIT)),
    state("merge --no-ff", "side_branch", &[])
        .commit_with("git merge -q --no-ff -m Next side")
        .in_hook(Expected::Paths(EDIT)),
    state(
        "a merge of two branches",
        "fork && git reset -q --hard HEAD~1 && touch a && git add a && commit",
        &[],
    )
    .commit_with("git merge -q -m Next side")
    .in_hook(Expected::Paths(EDIT)),
    state("merge --no-commit", "side_branch && git merge -q --no-ff --no-commit side", EDIT),
    state("merge --squash", "side_branch && git merge -q --squash side >/dev/null", EDIT),
    state("a merge that keeps ours", "fork", &[]).commit_with("git merge -q -s ours -m Next side"),
    state("a resolved conflict", "fork && ! git merge -q side && edit", EDIT),
    state(
        "a merge of three branches",
        "for name in a b; do git switch -q -c $name main && touch $name && git add $name && \
         commit || exit; done && git switch -q main && touch c && git add c && commit",
        &[],
    )
    .commit_with("git merge -q -m Next a b")
    .in_hook(Expected::Paths(&["a", "b"])),
    state("cherry-pick", "fork && git reset -q --hard HEAD~1", &[])
        .commit_with("git cherry-pick side")
        .in_hook(Expected::Paths(EDIT)),
    state("cherry-pick -n", "fork && git reset -q --hard HEAD~1 && git cherry-pick -n side", EDIT),
    state("cherry-pick --continue", "fork && ! git cherry-pick side 2>/dev/null && edit", EDIT)
        .commit_with("git -c core.editor=true cherry-pick --continue"),
    state("revert", "edit && commit", &[])
        .commit_with("git revert --no-edit HEAD")
        .in_hook(Expected::Paths(EDIT)),
    state("rebase", "side_branch && touch a && git add a && commit && git switch -q side", &[])
        .commit_with("git rebase -q main")
        .in_hook(Expected::Paths(EDIT)),
    state(
        "rebase --continue",
        "fork && ! git rebase -q side 2>/dev/null && echo 3 >web/index.js && git add -A",
        EDIT,
    )
    .commit_with("git -c core.editor=true rebase --continue"),
    state("from below the top", "echo 1 >backend/index.js && edit", BOTH).in_context("cd web"),
    state("commit -a from below the top", "echo 1 >web/index.js", &[])
        .in_context("cd web")
        .commit_with("git commit -q -a -m Next")
        .in_hook(Expected::Paths(EDIT)),
    state(
        "commit PATH from below the top",
        "echo 1 >web/index.js && echo 1 >backend/index.js",
        &[],
    )
    .in_context("cd web")
    .commit_with("git commit -q -m Next index.js")
    .in_hook(Expected::Paths(EDIT)),
    // An unmerged path has more than one staged content.
    refused("both modified", "fork && ! git merge -q side", "web/index.js is unmerged"),
    refused(
        "both modified, with other files staged",
        "fork && ! git merge -q side && touch a z && git add a z",
        "web/index.js is unmerged",
    ),
    refused(
        "both added",
        "git switch -q -c side && echo 1 >new && git add new && commit && git switch -q main && \
         echo 2 >new && git add new && commit && ! git merge -q side",
        "new is unmerged",
    ),
    refused(
        "deleted by them",
        "git switch -q -c side && git rm -q web/index.js && commit && git switch -q main && \
         edit && commit && ! git merge -q side",
        "web/index.js is unmerged",
    ),
    refused(
        "deleted by us",
        "side_branch && git rm -q web/index.js && commit && ! git merge -q side",
        "web/index.js is unmerged",
    ),
    refused(
        "renamed by both",
        "git switch -q -c side && git mv web/index.js web/a.js && commit && git switch -q main && \
         git mv web/index.js web/b.js && commit && ! git merge -q side",
        "are unmerged",
    ),
    refused(
        "a file against a directory",
        "git switch -q -c side && mkdir new && touch new/a && git add new && commit && \
         git switch -q main && echo 1 >new && git add new && commit && ! git merge -q side",
        "unmerged",
    ),
    refused(
        "a submodule at two commits",
        "library && git switch -q -c side && (cd lib && commit) && git add lib && commit && \
         git switch -q main && (cd lib && git switch -q --detach HEAD~1 && commit Other) && \
         git add lib && commit && ! git merge -q side 2>/dev/null",
        "lib is unmerged",
    ),
    refused(
        "a cherry-pick in conflict",
        "fork && ! git cherry-pick side 2>/dev/null",
        "web/index.js is unmerged",
    ),
    refused(
        "a stash in conflict",
        "echo 1 >web/index.js && git stash -q && echo 2 >web/index.js && \
         git commit -q -a -m Two && ! git stash pop -q",
        "web/index.js is unmerged",
    ),
    refused(
        "unmerged in a sparse index",
        "fork && git sparse-checkout set --cone --sparse-index web && ! git merge -q side",
        "web/index.js is unmerged",
    ),
    refused(
        "unmerged in a split index",
        "fork && git update-index --split-index && ! git merge -q side",
        "web/index.js is unmerged",
    ),
];

#[test]
fn every_kind_of_change_is_judged_in_every_way_to_commit() {
    check_all(STATES);
}
