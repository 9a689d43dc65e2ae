//! Settings and environment variables: repository formats, extensions, git's output.

use super::{EDIT, State, check_all, refused, state};

pub(super) const STATES: &[State] = &[
    state(
        "format 0, with a known extension of format 1",
        "git config extensions.noop true && edit",
        EDIT,
    ),
    state(
        "format 0, with an unknown extension",
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
        "format 1, without extensions",
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
        "format 1, with the actual extensions.objectFormat",
        "git config core.repositoryFormatVersion 1 && git config extensions.objectFormat sha1 && \
         edit",
        EDIT,
    ),
    state(
        "format 1, with the actual extensions.refStorage",
        "git config core.repositoryFormatVersion 1 && git config extensions.refStorage files && \
         edit",
        EDIT,
    ),
    refused(
        "format 1, with an invalid extensions.refStorage",
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
        "format 1, with an unknown extension",
        "edit && git config core.repositoryFormatVersion 1 && git config extensions.unheard true",
        "unknown repository extension",
    ),
    refused(
        "format 1, with an unknown extension in mixed case",
        "edit && git config core.repositoryFormatVersion 1 && \
         printf '[EXTENSIONS]\\n\\tUnHeard = 1\\n' >>.git/config",
        "unknown repository extension",
    ),
    state(
        "an unknown extension in the user's configuration",
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
        "an invalid format",
        "edit && git config core.repositoryFormatVersion dirt",
        "bad numeric",
    ),
    state("no configuration", "edit && rm .git/config", EDIT),
    state("an empty configuration", "edit && : >.git/config", EDIT),
    refused("a broken configuration", "edit && printf '[core\\n' >>.git/config", "bad config"),
    state(
        "a broken configuration of the user",
        "edit && printf '[core\\n' >>../home/.gitconfig",
        EDIT,
    )
    .refused_by_git(),
    refused("a value of the wrong type", "edit && git config core.bare dirt", "bad boolean"),
    refused("core.bare", "edit && git config core.bare true", "bare"),
    state("core.bare, with GIT_WORK_TREE", "edit && git config core.bare true", EDIT)
        .in_context("export GIT_DIR=\"$PWD/.git\" GIT_WORK_TREE=\"$PWD\""),
    state(
        "included settings",
        "printf '[core]\\n\\tignoreCase = true\\n[index]\\n\\tversion = 4\\n' >.git/more && \
         git config include.path more && edit",
        EDIT,
    ),
    state(
        "conditionally included settings",
        "printf '[index]\\n\\tskipHash = true\\n' >.git/more && \
         git config includeIf.gitdir:shop/.path more && edit",
        EDIT,
    ),
    state("a missing included file", "git config include.path none && edit", EDIT),
    state("a file that includes itself", "edit && git config include.path config", EDIT)
        .refused_by_git(),
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
        "compression settings",
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
        "settings of git's output",
        "git config diff.renames copies && git config diff.noprefix true && \
         git config diff.relative true && git config color.ui always && \
         git config core.abbrev 4 && git config diff.orderFile ../order && \
         echo '*.json' >../order && git config diff.external false && \
         git config core.pager false && git mv web/index.js web/main.js && edit",
        &["web/index.js", "web/main.js"],
    ),
    state(
        "settings of git's output, from below the top",
        "git config diff.relative true && git config status.relativePaths true && \
         echo 1 >backend/index.js && edit",
        &["backend/index.js", "web/index.js"],
    )
    .in_context("cd web"),
    state(
        "an alias for git's own commands",
        "git config alias.diff-index false && git config alias.rev-parse false && edit",
        EDIT,
    ),
    state("git -c", "edit", EDIT)
        .commit_with("git -c core.ignoreCase=true -c a.b=c commit -q -m Next"),
    state("git -c, with a setting that matters", "edit", EDIT)
        .commit_with("git -c core.splitIndex=true -c index.version=4 commit -q -m Next"),
    state("git -c, by hand", "edit", EDIT)
        .in_context("export GIT_CONFIG_PARAMETERS=\"'core.ignorecase'='true'\""),
    refused("git -c, invalid", "edit", "GIT_CONFIG_PARAMETERS")
        .in_context("export GIT_CONFIG_PARAMETERS=dirt"),
    state("git -c, with another work tree", "mkdir ../else && edit", EDIT)
        .in_context("export GIT_CONFIG_PARAMETERS=\"'core.worktree'='$PWD/../else'\""),
    state(
        "git --no-replace-objects",
        "edit && commit && git reset -q --soft HEAD~1 && git replace HEAD ORIG_HEAD",
        EDIT,
    )
    .commit_with("git --no-replace-objects commit -q -m Next"),
    state("git -C", "edit", EDIT).commit_with("cd .. && git -C shop commit -q -m Next"),
    state("git --git-dir and --work-tree", "edit", EDIT)
        .commit_with("cd .. && git --git-dir=shop/.git --work-tree=shop commit -q -m Next"),
    state("git --literal-pathspecs", "edit", EDIT)
        .commit_with("git --literal-pathspecs commit -q -m Next"),
    state("git --namespace", "edit", EDIT).commit_with("git --namespace=n commit -q -m Next"),
    state("GIT_CONFIG_COUNT", "edit", EDIT).in_context(
        "export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.ignoreCase GIT_CONFIG_VALUE_0=true",
    ),
    refused("GIT_CONFIG_COUNT, invalid", "edit", "GIT_CONFIG_COUNT")
        .in_context("export GIT_CONFIG_COUNT=dirt"),
    refused("GIT_CONFIG_COUNT, too large", "edit", "GIT_CONFIG_KEY_0")
        .in_context("export GIT_CONFIG_COUNT=1"),
    state(
        "GIT_CONFIG_GLOBAL",
        "cp ../home/.gitconfig ../global && git config -f ../global index.version 4 && edit",
        EDIT,
    )
    .in_context("export GIT_CONFIG_GLOBAL=\"$PWD/../global\""),
    state("GIT_CONFIG_SYSTEM", "git config -f ../system index.version 4 && edit", EDIT)
        .in_context("export GIT_CONFIG_SYSTEM=\"$PWD/../system\" GIT_CONFIG_NOSYSTEM="),
    state("GIT_LITERAL_PATHSPECS and similar variables", "edit", EDIT)
        .in_context("export GIT_LITERAL_PATHSPECS=1"),
    state("GIT_ICASE_PATHSPECS", "edit", EDIT).in_context("export GIT_ICASE_PATHSPECS=1"),
    state("GIT_TRACE to a file", "edit", EDIT)
        .in_context("export GIT_TRACE=\"$PWD/../trace\" GIT_TRACE2_EVENT=\"$PWD/../trace2\""),
    state("GIT_TRACE2 and GIT_TRACE_SETUP", "edit", EDIT)
        .in_context("export GIT_TRACE2=\"$PWD/../trace\" GIT_TRACE_SETUP=\"$PWD/../trace\""),
    state("GIT_EXTERNAL_DIFF, GIT_PAGER, GIT_DIFF_OPTS", "edit", EDIT)
        .in_context("export GIT_EXTERNAL_DIFF=false GIT_PAGER=false GIT_DIFF_OPTS=-u0"),
    state("GIT_OPTIONAL_LOCKS, GIT_FLUSH", "edit", EDIT)
        .in_context("export GIT_OPTIONAL_LOCKS=0 GIT_FLUSH=0"),
    state(
        "GIT_NO_REPLACE_OBJECTS",
        "edit && commit && git reset -q --soft HEAD~1 && git replace HEAD ORIG_HEAD",
        EDIT,
    )
    .in_context("export GIT_NO_REPLACE_OBJECTS=1"),
    state("GIT_SHALLOW_FILE", "commit && git rev-parse HEAD >../shallow && edit", EDIT)
        .in_context("export GIT_SHALLOW_FILE=\"$PWD/../shallow\""),
    state("GIT_GRAFT_FILE", "commit && git rev-parse HEAD >../grafts && edit", EDIT)
        .in_context("export GIT_GRAFT_FILE=\"$PWD/../grafts\""),
    state("GIT_ATTR_SOURCE, GIT_ATTR_NOSYSTEM", "edit", EDIT)
        .in_context("export GIT_ATTR_SOURCE=HEAD GIT_ATTR_NOSYSTEM=1"),
    state("GIT_DISCOVERY_ACROSS_FILESYSTEM", "edit", EDIT)
        .in_context("export GIT_DISCOVERY_ACROSS_FILESYSTEM=1 && cd web"),
    state("a nearly empty environment", "edit", EDIT)
        .in_context("unset LC_ALL GIT_CONFIG_NOSYSTEM"),
    state("a language that git has messages for", "edit", EDIT)
        .in_context("export LC_ALL=de_DE.UTF-8 LANGUAGE=de"),
    refused(
        "core.bare, without a value",
        "edit && printf '[core]\\n\\tbare\\n' >>.git/config",
        "bare",
    ),
    state(
        "core.bare, in a separate section",
        "printf '[core \"x\"]\\n\\tbare = true\\n\\tworktree = ..\\n' >>.git/config && edit",
        EDIT,
    ),
    state(
        "core.worktree, included",
        "mkdir ../else && git config -f .git/more core.worktree ../../else && \
         git config include.path more && edit",
        EDIT,
    ),
    state(
        "core.worktree, in the user's configuration",
        "git config --global core.worktree /nowhere && edit",
        EDIT,
    ),
    state(
        "core.worktree, in config.worktree",
        "git config extensions.worktreeConfig true && \
         git config --worktree core.worktree ../../shop && edit",
        EDIT,
    ),
    state(
        "core.bare, in config.worktree",
        "edit && git config extensions.worktreeConfig true && git config --worktree core.bare true",
        EDIT,
    )
    .refused_by_git(),
    state(
        "an extension in a separate section",
        "edit && git config core.repositoryFormatVersion 1 && \
         printf '[extensions \"x\"]\\n\\tworktreeConfig = true\\n' >>.git/config",
        EDIT,
    )
    .refused_by_git(),
    state(
        "a format that is set twice",
        "printf '[core]\\n\\trepositoryFormatVersion = 9\\n[core]\\n\\trepositoryFormatVersion = \
         0\\n' >>.git/config && edit",
        EDIT,
    ),
];

#[test]
fn no_setting_changes_the_answer_and_what_git_refuses_is_refused() {
    check_all(STATES);
}
