//! The states of a work tree.

/// A state of the work tree: its name, the shell commands that make it from a clean workspace, and
/// the reported paths.
pub(super) type State = (&'static str, &'static str, &'static [&'static str]);

/// A repository next to the work tree, added as a submodule.
pub(in crate::verify) const LIBRARY: &str = "git init -q -b main ../lib
(cd ../lib && echo 1 >a.c && git add a.c && git commit -q -m Start)
git -c protocol.file.allow=always submodule --quiet add ../lib lib && git commit -q -m Submodule
";

/// Two branches that differ in `web/index.js`; `main` is checked out.
pub(super) const FORK: &str =
    "git switch -q -c side && echo side >web/index.js && git commit -q -a -m Side
git switch -q main && echo main >web/index.js && git commit -q -a -m Main
";

pub(super) const STATES: &[State] = &[
    ("clean", "", &[]),
    ("modified", "echo 1 >web/index.js", &["web/index.js: modified"]),
    (
        "touched, content unchanged",
        "cp web/index.js t && mv t web/index.js && touch backend/index.js",
        &[],
    ),
    ("staged", "echo 1 >web/index.js && git add -A", &["web/index.js: staged"]),
    (
        "staged, then modified",
        "echo 1 >new.js && git add -A && echo 2 >new.js",
        &["new.js: staged, modified (new file)"],
    ),
    (
        "staged, then restored on disk only",
        "echo 1 >web/index.js && git add -A && git show HEAD:web/index.js >web/index.js",
        &["web/index.js: staged, modified"],
    ),
    (
        "staged, then restored",
        "echo 1 >web/index.js && git add -A && git restore --staged --worktree web",
        &[],
    ),
    ("deleted", "rm web/index.js", &["web/index.js: deleted"]),
    ("a directory deleted", "rm -r web", &["web/index.js: deleted", "web/package.json: deleted"]),
    (
        "deleted in the index",
        "git rm -q web/index.js",
        &["web/index.js: staged (deleted in the index)"],
    ),
    (
        "removed from the index, kept on disk",
        "git rm -q --cached web/index.js",
        &["web/index.js: staged, untracked (deleted in the index)"],
    ),
    (
        "renamed in the index",
        "git mv web/index.js web/main.js",
        &[
            "web/index.js: staged (renamed to web/main.js)",
            "web/main.js: staged (renamed from web/index.js)",
        ],
    ),
    (
        "renamed in the index, then modified",
        "git mv web/index.js web/main.js && echo 1 >web/main.js",
        &[
            "web/index.js: staged (renamed to web/main.js)",
            "web/main.js: staged, modified (renamed from web/index.js)",
        ],
    ),
    (
        "renamed on disk",
        "mv web/index.js web/main.js",
        &["web/index.js: deleted", "web/main.js: untracked"],
    ),
    ("intent to add", "echo 1 >new.js && git add -N new.js", &["new.js: modified (new file)"]),
    ("made executable", "chmod +x web/index.js", &["web/index.js: modified (mode changed)"]),
    (
        "made executable, with core.fileMode off",
        "git config core.fileMode false && chmod +x web/index.js",
        &["web/index.js: modified (mode changed)"],
    ),
    (
        "no longer executable, with core.fileMode off",
        "chmod +x web/index.js && git commit -q -a -m Mode && git config core.fileMode false && \
         chmod -x web/index.js",
        &["web/index.js: modified (mode changed)"],
    ),
    (
        "executable in the index only",
        "git update-index --chmod=+x web/index.js",
        &["web/index.js: staged, modified (mode changed)"],
    ),
    (
        "turned into a link",
        "ln -sf package.json web/index.js",
        &["web/index.js: modified (type changed)"],
    ),
    (
        "a link to another target",
        "ln -s a link && git add link && git commit -q -m Link && ln -sfn b link",
        &["link: modified"],
    ),
    (
        "a file turned into a directory",
        "rm web/index.js && mkdir web/index.js && touch web/index.js/a",
        &["web/index.js: deleted", "web/index.js/a: untracked"],
    ),
    (
        "a directory turned into a file",
        "rm -r web && touch web",
        &["web: untracked", "web/index.js: deleted", "web/package.json: deleted"],
    ),
    (
        "a directory moved and replaced by a link to it",
        "mv web ../web && ln -s ../web web",
        &["web: untracked", "web/index.js: deleted", "web/package.json: deleted"],
    ),
    (
        "a file turned into a pipe",
        "rm web/index.js && mkfifo web/index.js",
        &["web/index.js: modified"],
    ),
    (
        "untracked, one by one",
        "mkdir -p new/a && touch new/a/b.js new/c.js",
        &["new/a/b.js: untracked", "new/c.js: untracked"],
    ),
    (
        "untracked, hidden by configuration",
        "git config status.showUntrackedFiles no && touch new.js",
        &["new.js: untracked"],
    ),
    ("untracked directories without files", "mkdir -p empty/er", &[]),
    ("a pipe", "mkdir new && mkfifo new/pipe", &["new/pipe: untracked (a FIFO)"]),
    (
        "hostile names",
        "touch \"$(printf 'a\\nb \"q\"\\t\\033[2J')\" ':(top)x' '*' -- -x && \
         mkdir \"$(printf 'b\\377')\" && touch \"$(printf 'b\\377/c')\" ",
        &[
            "*: untracked",
            "-x: untracked",
            ":(top)x: untracked",
            "a\nb \"q\"\t\u{1b}[2J: untracked",
            "b\\xff/c: untracked",
        ],
    ),
    (
        "leftovers that git ignores",
        "touch package.json.bak web/PACKAGE.JSON.BAK .docker-deps/acme-ui-1.4.0.tgz && \
         ln -s /nowhere web/link.bak",
        &[
            ".docker-deps/acme-ui-1.4.0.tgz: ignored leftover",
            "package.json.bak: ignored leftover",
            "web/PACKAGE.JSON.BAK: untracked",
            "web/link.bak: ignored leftover",
        ],
    ),
    (
        "leftovers in an ignored directory, one entry for git",
        "echo dist/ >.git/info/exclude && mkdir -p dist/a dist/.docker-deps/y && \
         touch dist/a/x.bak dist/.docker-deps/y/.gitkeep dist/main.js",
        &["dist/.docker-deps/y/.gitkeep: ignored leftover", "dist/a/x.bak: ignored leftover"],
    ),
    (
        "backups that are untracked or tracked",
        ": >.gitignore && touch kept.bak && git add -A && git commit -q -m Keep && touch new.bak",
        &["new.bak: untracked"],
    ),
    (
        "included again by a negated pattern",
        "printf '!keep.bak\\n' >>.gitignore && git commit -q -a -m Keep && touch keep.bak lost.bak",
        &["keep.bak: untracked", "lost.bak: ignored leftover"],
    ),
    (
        "ignored by the user's core.excludesFile",
        "echo '*.log' >../ignore && git config core.excludesFile \"$PWD/../ignore\" && \
         touch a.log b.txt",
        &["b.txt: untracked"],
    ),
    (
        "a tracked file in an ignored directory",
        "mkdir dist && touch dist/a dist/b && echo dist/ >.git/info/exclude && \
         git add -f dist/a && git commit -q -m Dist && echo 1 >dist/a",
        &["dist/a: modified"],
    ),
    (
        "ignored node_modules with leftovers",
        "mkdir -p node_modules/a web/node_modules/.docker-deps && \
         touch node_modules/a/x.bak web/node_modules/.docker-deps/x.tgz",
        &[],
    ),
    (
        "node_modules, partly tracked",
        "mkdir -p node_modules/a && touch node_modules/a/b && git add -f node_modules && \
         git commit -q -m Vendor && echo 1 >node_modules/a/b && touch node_modules/a/x.bak",
        &["node_modules/a/b: modified"],
    ),
    (
        "node_modules, not ignored",
        ": >.gitignore && git commit -q -a -m All && mkdir node_modules && touch node_modules/a",
        &["node_modules/a: untracked"],
    ),
    (
        "a nested repository, untracked as a whole",
        "git init -q inner && touch inner/x.bak",
        &["inner/: untracked"],
    ),
    (
        "a directory with an invalid .git hides nothing",
        "mkdir -p web/fake/.git && touch web/fake/x.bak",
        &["web/fake/x.bak: ignored leftover"],
    ),
    (
        "a repository inside .docker-deps",
        "git init -q .docker-deps/inner",
        &[".docker-deps/inner/: ignored leftover"],
    ),
    (
        "a link to a directory is not followed",
        "mkdir ../else && touch ../else/x.bak && ln -s ../else else",
        &["else: untracked"],
    ),
    (
        "conflicted",
        "{FORK}! git merge -q side",
        &["web/index.js: conflicted (both modified)", "merge: unfinished"],
    ),
    (
        "conflicted, deleted by them",
        "git switch -q -c side && git rm -q web/index.js && git commit -q -m Side && \
         git switch -q main && echo 1 >web/index.js && git commit -q -a -m Main && \
         ! git merge -q side",
        &["web/index.js: conflicted (deleted by them)", "merge: unfinished"],
    ),
    (
        "conflicted, both added",
        "git switch -q -c side && echo 1 >new && git add new && git commit -q -m Side && \
         git switch -q main && echo 2 >new && git add new && git commit -q -m Main && \
         ! git merge -q side",
        &["new: conflicted (both added)", "merge: unfinished"],
    ),
    (
        "a merge before its commit",
        "git switch -q -c side && git commit -q --allow-empty -m Side && git switch -q main && \
         git merge -q --no-ff --no-commit side",
        &["merge: unfinished"],
    ),
    (
        "a stopped rebase",
        "{FORK}! git rebase -q side 2>/dev/null",
        &["web/index.js: conflicted (both modified)", "rebase: unfinished"],
    ),
    (
        "a stopped rebase --apply",
        "{FORK}! git rebase -q --apply side >/dev/null 2>&1",
        &["web/index.js: conflicted (both modified)", "rebase: unfinished"],
    ),
    (
        "a stopped cherry-pick",
        "{FORK}! git cherry-pick side 2>/dev/null",
        &["web/index.js: conflicted (both modified)", "cherry-pick: unfinished"],
    ),
    (
        "a stopped revert",
        "echo 1 >web/index.js && git commit -q -a -m One && echo 2 >web/index.js && \
         git commit -q -a -m Two && ! git revert --no-edit HEAD~1 2>/dev/null",
        &["web/index.js: conflicted (both modified)", "revert: unfinished"],
    ),
    (
        "a stopped git am",
        "{FORK}git format-patch -q -1 side -o .. && ! git am -q ../0001-Side.patch >/dev/null 2>&1",
        &["am: unfinished"],
    ),
    (
        "a bisection",
        "git commit -q --allow-empty -m More && git bisect start -q HEAD HEAD~1 >/dev/null",
        &["bisect: unfinished"],
    ),
    ("a locked index", "touch .git/index.lock", &["index.lock: unfinished"]),
    ("detached, and clean", "git switch -q --detach", &[]),
    (
        "assume-unchanged, changed",
        "git update-index --assume-unchanged web/index.js && echo 1 >web/index.js",
        &["web/index.js: modified, hidden from git (assume-unchanged)"],
    ),
    (
        "assume-unchanged, deleted",
        "git update-index --assume-unchanged web/index.js && rm web/index.js",
        &["web/index.js: deleted, hidden from git (assume-unchanged)"],
    ),
    (
        "assume-unchanged, unchanged",
        "git update-index --assume-unchanged web/index.js && touch web/index.js",
        &[],
    ),
    (
        "assume-unchanged, mode changed",
        "git update-index --assume-unchanged web/index.js && chmod +x web/index.js",
        &["web/index.js: modified, hidden from git (assume-unchanged, mode changed)"],
    ),
    (
        "skip-worktree, changed",
        "git update-index --skip-worktree web/index.js && echo 1 >web/index.js",
        &["web/index.js: modified, hidden from git (skip-worktree)"],
    ),
    (
        "skip-worktree, missing, without a sparse checkout",
        "git update-index --skip-worktree web/index.js && rm web/index.js",
        &["web/index.js: deleted, hidden from git (skip-worktree)"],
    ),
    (
        "both marks, changed at the same size",
        "git update-index --skip-worktree web/index.js && \
         git update-index --assume-unchanged backend/index.js && \
         printf 'import {};\\n' | tee web/index.js >backend/index.js",
        &[
            "backend/index.js: modified, hidden from git (assume-unchanged)",
            "web/index.js: modified, hidden from git (skip-worktree)",
        ],
    ),
    ("sparse, and clean", "git sparse-checkout set --cone backend", &[]),
    (
        "sparse, with a file that should not be there",
        "git sparse-checkout set --cone backend && mkdir web && echo 1 >web/index.js",
        &["web/index.js: modified"],
    ),
    (
        "a sparse index",
        "git sparse-checkout set --cone --sparse-index backend && echo 1 >backend/index.js && \
         touch backend/x.bak",
        &["backend/index.js: modified", "backend/x.bak: ignored leftover"],
    ),
    ("a clean submodule", "{LIBRARY}", &[]),
    (
        "a dirty submodule, hidden by configuration",
        "{LIBRARY}git config submodule.lib.ignore all && git config diff.ignoreSubmodules all && \
         echo 2 >lib/a.c && touch lib/x.bak",
        &["lib: modified (modified content, untracked content)"],
    ),
    (
        "a submodule at another commit",
        "{LIBRARY}git -C lib commit -q --allow-empty -m More",
        &["lib: modified (new commits)"],
    ),
    (
        "a submodule at another commit, staged",
        "{LIBRARY}git -C lib commit -q --allow-empty -m More && git add lib",
        &["lib: staged"],
    ),
    ("a submodule that is not initialized", "{LIBRARY}git submodule --quiet deinit -f lib", &[]),
    ("a submodule whose directory is missing", "{LIBRARY}rm -r lib", &["lib: deleted"]),
    (
        "a submodule without .gitmodules",
        "git init -q lib && git -C lib commit -q --allow-empty -m One && \
         git add lib 2>/dev/null && git commit -q -m Link && \
         git -C lib commit -q --allow-empty -m Two",
        &["lib: modified (new commits)"],
    ),
    (
        "line endings that git converts",
        "git config core.autocrlf true && rm web/index.js && git checkout -q web && \
         cp web/index.js t && mv t web/index.js",
        &[],
    ),
    (
        "line endings that git converts, but did not at checkout",
        "git config core.autocrlf true && printf 'export {};\\r\\n' >web/index.js",
        &["web/index.js: modified"],
    ),
    (
        "line endings that git converts, and an edit",
        "git config core.autocrlf true && printf 'export {};\\r\\n1\\r\\n' >web/index.js",
        &["web/index.js: modified"],
    ),
    (
        "line endings that git keeps",
        "git config core.autocrlf false && printf 'export {};\\r\\n' >web/index.js",
        &["web/index.js: modified"],
    ),
    (
        "a clean filter that reverts the change",
        "echo '*.js filter=f' >.git/info/attributes && \
         git config filter.f.clean \"sed 's/import/export/'\" && echo 'import {};' >web/index.js",
        &[],
    ),
    (
        "a clean filter that keeps the change",
        "echo '*.js filter=f' >.git/info/attributes && \
         git config filter.f.clean \"sed 's/import/export/'\" && echo 'import a;' >web/index.js",
        &["web/index.js: modified"],
    ),
    (
        "content in another place, like git-lfs",
        "echo '*.dat filter=lfs' >.gitattributes && \
         git config filter.lfs.clean 'echo version https://git-lfs.github.com/spec/v1; \
         sha256sum' && git config filter.lfs.smudge false && echo big >a.dat && git add -A && \
         git commit -q -m Big && cp a.dat b && mv b a.dat",
        &[],
    ),
    (
        "an encoding that git converts",
        "echo '*.txt working-tree-encoding=UTF-16LE' >.gitattributes && \
         printf 'a\\0\\n\\0' >a.txt && git add -A && git commit -q -m Text && touch a.txt && \
         printf 'b\\0\\n\\0' >b.txt",
        &["b.txt: untracked"],
    ),
    (
        "keywords that git expands",
        "echo '*.js ident' >.git/info/attributes && printf '// $Id$\\n' >web/index.js && \
         git commit -q -a -m Id && rm web/index.js && git checkout -q web/index.js && \
         touch web/index.js",
        &[],
    ),
    (
        "changed within the clock tick of its staging",
        "for i in 1 2 3 4 5 6 7 8 9; do echo $i >web/index.js; git add -A; done; \
         echo 0 >web/index.js",
        &["web/index.js: staged, modified"],
    ),
    (
        "replaced by a file of the same size and time, with core.checkStat minimal",
        "git config core.checkStat minimal && touch -d 2020-01-01 web/index.js && \
         git update-index --refresh -q && printf 'import {};\\n' >../t && \
         touch -r web/index.js ../t && mv ../t web/index.js",
        &["web/index.js: modified"],
    ),
    (
        "a file system monitor that reports no change",
        "printf '#!/bin/sh\\nprintf \"token\\\\0\"\\n' >../monitor && chmod +x ../monitor && \
         git config core.fsmonitor \"$PWD/../monitor\" && \
         git config core.fsmonitorHookVersion 2 && git status >/dev/null && \
         git status >/dev/null && echo 1 >web/index.js",
        &["web/index.js: modified"],
    ),
    (
        "an untracked cache",
        "git config core.untrackedCache true && git update-index --untracked-cache && \
         git status >/dev/null && touch web/new.js",
        &["web/new.js: untracked"],
    ),
    (
        "index version 4",
        "git update-index --index-version 4 && echo 1 >web/index.js",
        &["web/index.js: modified"],
    ),
    (
        "a split index",
        "git update-index --split-index && echo 1 >web/index.js && git add -A && \
         echo 2 >backend/index.js",
        &["backend/index.js: modified", "web/index.js: staged"],
    ),
    (
        "an index without a checksum",
        "git config index.skipHash true && echo 1 >web/index.js && git add -A",
        &["web/index.js: staged"],
    ),
    (
        "SHA-256",
        "rm -rf .git && git init -q -b main --object-format=sha256 && git add -A && \
         git commit -q -m Start && echo 1 >web/index.js && git mv backend/index.js backend/main.js",
        &[
            "backend/index.js: staged (renamed to backend/main.js)",
            "backend/main.js: staged (renamed from backend/index.js)",
            "web/index.js: modified",
        ],
    ),
    (
        "reftable",
        "rm -rf .git && git init -q -b main --ref-format=reftable && git add -A && \
         git commit -q -m Start && {FORK}! git cherry-pick side 2>/dev/null",
        &["web/index.js: conflicted (both modified)", "cherry-pick: unfinished"],
    ),
    (
        "an unborn branch",
        "rm -rf .git && git init -q -b main && git add web && rm web/index.js",
        &[
            ".docker-deps/.gitkeep: untracked",
            ".gitignore: untracked",
            "backend/index.js: untracked",
            "backend/package.json: untracked",
            "package.json: untracked",
            "pnpm-workspace.yaml: untracked",
            "web/index.js: staged, deleted (new file)",
            "web/package.json: staged (new file)",
        ],
    ),
    (
        "a shallow clone",
        "git commit -q --allow-empty -m More && \
         git clone -q --depth 1 \"file://$PWD\" ../shallow && mv .git ../old && \
         mv ../shallow/.git . && git reset -q && echo 1 >web/index.js",
        &["web/index.js: modified"],
    ),
    (
        "settings of git's output",
        "git config status.renames copies && git config status.relativePaths true && \
         git config color.status always && git config core.quotePath true && \
         git config status.branch true && git config status.short true && \
         git config status.showStash true && git mv web/index.js web/main.js && touch a",
        &[
            "a: untracked",
            "web/index.js: staged (renamed to web/main.js)",
            "web/main.js: staged (renamed from web/index.js)",
        ],
    ),
    (
        "more paths than are passed to git by name",
        "mkdir many && for i in $(seq 400); do echo $i >many/$i.js; done && git add -A && \
         git commit -q -m Many && rm -r many && echo 1 >web/index.js && \
         git ls-files many | wc -l >/dev/null && git checkout -q many && \
         for i in $(seq 399); do touch many/$i.txt; done && git add many && \
         git commit -q -m More && touch -d yesterday many/* && echo 2 >many/7.js",
        &["many/7.js: modified", "web/index.js: modified"],
    ),
    (
        "a new directory with one file that is not ignored",
        "printf 'logs/*\\n!logs/.gitkeep\\n' >>.gitignore && git commit -q -a -m Logs && \
         mkdir logs && touch logs/.gitkeep logs/a",
        &["logs/.gitkeep: untracked"],
    ),
    (
        "new directories with a .gitignore",
        "mkdir a b && echo '*/' >a/.gitignore && printf '*\\n!.gitignore\\n' >b/.gitignore && \
         touch a/x b/x",
        &["a/.gitignore: untracked", "a/x: untracked", "b/.gitignore: untracked"],
    ),
    (
        "a nested repository in place of tracked files",
        "git rm -rq --cached web && git init -q web",
        &[
            "web/: untracked",
            "web/index.js: staged (deleted in the index)",
            "web/package.json: staged (deleted in the index)",
        ],
    ),
    (
        "a branch whose name is not UTF-8, and an empty index",
        "git switch -q -c \"$(printf 'b\\377')\" && git rm -rq . && git commit -q -m Empty && \
         echo 1 >a && git add a && git commit -q -m One && git rm -q a",
        &["a: staged (deleted in the index)"],
    ),
    (
        "a submodule whose repository is missing",
        "{LIBRARY}rm -rf lib/.git && echo 2 >lib/b.c",
        &["lib: modified (no repository, and not empty)"],
    ),
    (
        "a submodule that hides its untracked files",
        "{LIBRARY}git -C lib config status.showUntrackedFiles no && touch lib/new",
        &["lib: modified (untracked content)"],
    ),
    (
        "a submodule with a hidden change",
        "{LIBRARY}git -C lib update-index --assume-unchanged a.c && echo 2 >lib/a.c",
        &["lib: modified (modified content)"],
    ),
    (
        "directories that look like repositories hide nothing",
        "echo dist/ >.git/info/exclude && mkdir -p dist/x dist/y/.git/objects && \
         echo 'gitdir: no' >dist/x/.git && touch dist/y/.git/HEAD dist/x/a.bak dist/y/b.bak",
        &["dist/x/a.bak: ignored leftover", "dist/y/b.bak: ignored leftover"],
    ),
    (
        "every file made executable, with core.fileMode off",
        "git config core.fileMode false && git rm -q --cached -r . && git add web/index.js && \
         git commit -q -m One && rm -r backend web/package.json .docker-deps package.json \
         pnpm-workspace.yaml .gitignore && chmod +x web/index.js",
        &["web/index.js: modified (mode changed)"],
    ),
    (
        "ignore rules outside a sparse checkout",
        "printf '!k.log\\n*.tmp\\n' >>.gitignore && echo '*.log' >.git/info/exclude && \
         git commit -q -a -m Rules && git sparse-checkout set --no-cone /web && \
         touch k.log l.log a.tmp",
        &["k.log: untracked"],
    ),
    (
        "a .git directory that is not a repository",
        "mkdir -p .docker-deps/.git/objects && \
         touch .docker-deps/.git/x .docker-deps/.git/objects/y",
        &[".docker-deps/.git/objects/y: ignored leftover", ".docker-deps/.git/x: ignored leftover"],
    ),
    (
        "both marks in a sparse checkout, present",
        "git update-index --assume-unchanged web/index.js && \
         git sparse-checkout set --cone backend && mkdir -p web && \
         git update-index --skip-worktree web/index.js && echo 1 >web/index.js",
        &["web/index.js: modified, hidden from git (assume-unchanged)"],
    ),
];
