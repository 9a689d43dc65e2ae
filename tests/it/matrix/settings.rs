//! Settings, and the variables that carry them: formats of the repository, extensions, what git
//! prints and how.

use super::{State, each, refused, state};

const EDIT: &[&str] = &["web/index.js"];

pub(super) const STATES: &[State] = &[
    state(
        "format 0, with an extension of format 1 that is known",
        "git config extensions.noop true && edit",
        EDIT,
    ),
    state(
        "format 0, with an extension that is unknown",
        "git config extensions.unheard true && edit",
        EDIT,
    ),
    state(
        "format 0, with extensions.preciousObjects",
        "git config extensions.preciousObjects true && edit",
        EDIT,
    ),
    refused(
        "format 0, with extensions.objectFormat",
        "edit && git config extensions.objectFormat sha256",
        "format",
    ),
    refused(
        "format 0, with extensions.refStorage",
        "edit && git config extensions.refStorage reftable",
        "extension",
    ),
    state(
        "format 1, without an extension",
        "git config core.repositoryFormatVersion 1 && edit",
        EDIT,
    ),
    state(
        "format 1, with extensions.noop",
        "git config core.repositoryFormatVersion 1 && git config extensions.noop true && edit",
        EDIT,
    ),
    state(
        "format 1, with extensions.noop-v1",
        "git config core.repositoryFormatVersion 1 && git config extensions.noop-v1 true && edit",
        EDIT,
    ),
    state(
        "format 1, with extensions.preciousObjects",
        "git config core.repositoryFormatVersion 1 && \
         git config extensions.preciousObjects true && edit",
        EDIT,
    ),
    state(
        "format 1, with extensions.objectFormat of what it is",
        "git config core.repositoryFormatVersion 1 && git config extensions.objectFormat sha1 && \
         edit",
        EDIT,
    ),
    state(
        "format 1, with extensions.refStorage of what it is",
        "git config core.repositoryFormatVersion 1 && git config extensions.refStorage files && \
         edit",
        EDIT,
    ),
    refused(
        "format 1, with extensions.refStorage of what it is not",
        "edit && git config core.repositoryFormatVersion 1 && \
         git config extensions.refStorage dirt",
        "git",
    ),
    state(
        "format 1, with extensions.partialClone",
        "git config core.repositoryFormatVersion 1 && git config extensions.partialClone origin && \
         edit",
        EDIT,
    ),
    state(
        "format 1, with extensions.worktreeConfig",
        "git config core.repositoryFormatVersion 1 && git config extensions.worktreeConfig true && \
         git config --worktree core.ignoreCase true && edit",
        EDIT,
    ),
    refused(
        "format 1, with an extension that is unknown",
        "edit && git config core.repositoryFormatVersion 1 && git config extensions.unheard true",
        "unknown repository extension",
    ),
    refused(
        "format 1, with an unknown extension in capitals",
        "edit && git config core.repositoryFormatVersion 1 && \
         printf '[EXTENSIONS]\\n\\tUnHeard = 1\\n' >>.git/config",
        "unknown repository extension",
    ),
    state(
        "an unknown extension where nobody looks",
        "git config core.repositoryFormatVersion 1 && \
         git config --global extensions.unheard true && edit",
        EDIT,
    ),
    refused(
        "format 2",
        "edit && git config core.repositoryFormatVersion 2",
        "Expected git repo version",
    ),
    refused(
        "a format of dirt",
        "edit && git config core.repositoryFormatVersion dirt",
        "bad numeric",
    ),
    state("no configuration", "edit && rm .git/config", EDIT),
    state("an empty configuration", "edit && : >.git/config", EDIT),
    refused(
        "a configuration that is broken",
        "edit && printf '[core\\n' >>.git/config",
        "bad config",
    ),
    state(
        "a configuration of the user that is broken",
        "edit && \
                                                         printf '[core\\n' \
                                                         >>../home/.gitconfig",
        EDIT,
    )
    .beyond_git(),
    refused("a value of the wrong kind", "edit && git config core.bare dirt", "bad boolean"),
    refused("core.bare", "edit && git config core.bare true", "bare"),
    state("core.bare, and a work tree that is named", "edit && git config core.bare true", EDIT)
        .asked("export GIT_DIR=\"$PWD/.git\" GIT_WORK_TREE=\"$PWD\""),
    state(
        "settings that are included",
        "printf '[core]\\n\\tignoreCase = true\\n[index]\\n\\tversion = 4\\n' >.git/more && \
         git config include.path more && edit",
        EDIT,
    ),
    state(
        "settings that are included here alone",
        "printf '[index]\\n\\tskipHash = true\\n' >.git/more && \
         git config includeIf.gitdir:shop/.path more && edit",
        EDIT,
    ),
    state("settings that are included from nowhere", "git config include.path none && edit", EDIT),
    state("settings that include themselves", "edit && git config include.path config", EDIT)
        .beyond_git(),
    state(
        "core.fileMode off",
        "git config core.fileMode false && chmod +x web/index.js && edit",
        EDIT,
    ),
    state("core.symlinks off", "git config core.symlinks false && edit", EDIT),
    state(
        "core.useReplaceRefs on",
        "git config core.useReplaceRefs true && edit && commit && git reset -q --soft HEAD~1 && \
         git replace HEAD^{tree} ORIG_HEAD^{tree}",
        EDIT,
    ),
    state(
        "core.sparseCheckout without patterns",
        "git config core.sparseCheckout true && edit",
        EDIT,
    ),
    state(
        "core.trustctime, core.checkStat",
        "git config core.trustctime false && git config core.checkStat minimal && edit",
        EDIT,
    ),
    state(
        "core.preloadIndex, index.threads",
        "git config core.preloadIndex true && git config index.threads 4 && edit",
        EDIT,
    ),
    state(
        "feature.manyFiles",
        "git config feature.manyFiles true && git update-index --force-write-index && edit",
        EDIT,
    ),
    state(
        "feature.experimental",
        "git config feature.experimental true && git gc -q && edit",
        EDIT,
    ),
    state(
        "core.compression and its kin",
        "git config core.compression 9 && git config core.bigFileThreshold 1 && \
         git config pack.compression 0 && git gc -q && edit",
        EDIT,
    ),
    state(
        "core.excludesFile, core.attributesFile",
        "git config core.excludesFile /nowhere && git config core.attributesFile /nowhere && edit",
        EDIT,
    ),
    state(
        "habits of printing",
        "git config diff.renames copies && git config diff.noprefix true && \
         git config diff.relative true && git config color.ui always && \
         git config core.abbrev 4 && git config diff.orderFile ../order && \
         echo '*.json' >../order && git config diff.external false && \
         git config core.pager false && git mv web/index.js web/main.js && edit",
        &["web/index.js", "web/main.js"],
    ),
    state(
        "habits of printing, from below the top",
        "git config diff.relative true && git config status.relativePaths true && \
         echo 1 >backend/index.js && edit",
        &["backend/index.js", "web/index.js"],
    )
    .asked("cd web"),
    state(
        "an alias for what is asked",
        "git config alias.diff-index false && git config alias.rev-parse false && edit",
        EDIT,
    ),
    state("git -c", "edit", EDIT).by("git -c core.ignoreCase=true -c a.b=c commit -q -m Next"),
    state("git -c, of what matters", "edit", EDIT)
        .by("git -c core.splitIndex=true -c index.version=4 commit -q -m Next"),
    state("git -c, by hand", "edit", EDIT)
        .asked("export GIT_CONFIG_PARAMETERS=\"'core.ignorecase'='true'\""),
    refused("git -c, of dirt", "edit", "GIT_CONFIG_PARAMETERS")
        .asked("export GIT_CONFIG_PARAMETERS=dirt"),
    state("git -c, of another work tree", "mkdir ../else && edit", EDIT)
        .asked("export GIT_CONFIG_PARAMETERS=\"'core.worktree'='$PWD/../else'\""),
    state(
        "git --no-replace-objects",
        "edit && commit && git reset -q --soft HEAD~1 && git replace HEAD ORIG_HEAD",
        EDIT,
    )
    .by("git --no-replace-objects commit -q -m Next"),
    state("git -C", "edit", EDIT).by("cd .. && git -C shop commit -q -m Next"),
    state("git --git-dir and --work-tree", "edit", EDIT)
        .by("cd .. && git --git-dir=shop/.git --work-tree=shop commit -q -m Next"),
    state("git --literal-pathspecs", "edit", EDIT).by("git --literal-pathspecs commit -q -m Next"),
    state("git --namespace", "edit", EDIT).by("git --namespace=n commit -q -m Next"),
    state("GIT_CONFIG_COUNT", "edit", EDIT).asked(
        "export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.ignoreCase \
                GIT_CONFIG_VALUE_0=true",
    ),
    refused("GIT_CONFIG_COUNT, of dirt", "edit", "GIT_CONFIG_COUNT")
        .asked("export GIT_CONFIG_COUNT=dirt"),
    refused("GIT_CONFIG_COUNT, of more than there are", "edit", "GIT_CONFIG_KEY_0")
        .asked("export GIT_CONFIG_COUNT=1"),
    state(
        "GIT_CONFIG_GLOBAL",
        "cp ../home/.gitconfig ../global && git config -f ../global index.version 4 && edit",
        EDIT,
    )
    .asked("export GIT_CONFIG_GLOBAL=\"$PWD/../global\""),
    state("GIT_CONFIG_SYSTEM", "git config -f ../system index.version 4 && edit", EDIT)
        .asked("export GIT_CONFIG_SYSTEM=\"$PWD/../system\" GIT_CONFIG_NOSYSTEM="),
    state("GIT_LITERAL_PATHSPECS and its kin", "edit", EDIT)
        .asked("export GIT_LITERAL_PATHSPECS=1"),
    state("GIT_ICASE_PATHSPECS", "edit", EDIT).asked("export GIT_ICASE_PATHSPECS=1"),
    state("GIT_TRACE into a file", "edit", EDIT)
        .asked("export GIT_TRACE=\"$PWD/../trace\" GIT_TRACE2_EVENT=\"$PWD/../trace2\""),
    state("GIT_TRACE into the answer", "edit", EDIT)
        .asked("export GIT_TRACE2=\"$PWD/../trace\" GIT_TRACE_SETUP=\"$PWD/../trace\""),
    state("GIT_EXTERNAL_DIFF, GIT_PAGER, GIT_DIFF_OPTS", "edit", EDIT)
        .asked("export GIT_EXTERNAL_DIFF=false GIT_PAGER=false GIT_DIFF_OPTS=-u0"),
    state("GIT_OPTIONAL_LOCKS, GIT_FLUSH", "edit", EDIT)
        .asked("export GIT_OPTIONAL_LOCKS=0 GIT_FLUSH=0"),
    state(
        "GIT_NO_REPLACE_OBJECTS",
        "edit && commit && git reset -q --soft HEAD~1 && \
                                     git replace HEAD ORIG_HEAD",
        EDIT,
    )
    .asked("export GIT_NO_REPLACE_OBJECTS=1"),
    state("GIT_SHALLOW_FILE", "commit && git rev-parse HEAD >../shallow && edit", EDIT)
        .asked("export GIT_SHALLOW_FILE=\"$PWD/../shallow\""),
    state("GIT_GRAFT_FILE", "commit && git rev-parse HEAD >../grafts && edit", EDIT)
        .asked("export GIT_GRAFT_FILE=\"$PWD/../grafts\""),
    state("GIT_ATTR_SOURCE, GIT_ATTR_NOSYSTEM", "edit", EDIT)
        .asked("export GIT_ATTR_SOURCE=HEAD GIT_ATTR_NOSYSTEM=1"),
    state("GIT_DISCOVERY_ACROSS_FILESYSTEM", "edit", EDIT)
        .asked("export GIT_DISCOVERY_ACROSS_FILESYSTEM=1 && cd web"),
    state("an environment with little in it", "edit", EDIT)
        .asked("unset LC_ALL GIT_CONFIG_NOSYSTEM"),
    state("a language of which git has messages", "edit", EDIT)
        .asked("export LC_ALL=de_DE.UTF-8 LANGUAGE=de"),
    refused(
        "core.bare, without a value",
        "edit && printf '[core]\\n\\tbare\\n' >>.git/config",
        "bare",
    ),
    state(
        "core.bare, in a section of its own",
        "printf '[core \"x\"]\\n\\tbare = true\\n\\tworktree = ..\\n' >>.git/config && edit",
        EDIT,
    ),
    state(
        "core.worktree, that is included",
        "mkdir ../else && git config -f .git/more core.worktree ../../else && \
         git config include.path more && edit",
        EDIT,
    ),
    state("core.worktree, of the user", "git config --global core.worktree /nowhere && edit", EDIT),
    state(
        "core.worktree, in the configuration of this work tree alone",
        "git config extensions.worktreeConfig true && \
         git config --worktree core.worktree ../../shop && edit",
        EDIT,
    ),
    state(
        "core.bare, in the configuration of this work tree alone",
        "edit && git config extensions.worktreeConfig true && git config --worktree core.bare true",
        EDIT,
    )
    .beyond_git(),
    state(
        "an extension in a section of its own",
        "edit && git config core.repositoryFormatVersion 1 && \
         printf '[extensions \"x\"]\\n\\tworktreeConfig = true\\n' >>.git/config",
        EDIT,
    )
    .beyond_git(),
    state(
        "a format that is said twice",
        "printf '[core]\\n\\trepositoryFormatVersion = 9\\n[core]\\n\\trepositoryFormatVersion = \
         0\\n' >>.git/config && edit",
        EDIT,
    ),
];

#[test]
fn no_setting_changes_what_is_staged_and_what_git_refuses_is_refused() {
    each(STATES);
}
