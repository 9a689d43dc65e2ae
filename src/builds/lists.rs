//! The files of a project that several rules look through, listed once: a large repository has
//! thousands of others.

use std::cell::OnceCell;

use crate::pins::may_declare;
use crate::project::kinds::FileKind;
use crate::project::{Project, SourceFile};

/// Numbers of files in a project, each list made once it is asked for.
#[derive(Debug, Default)]
pub(super) struct FileLists {
    locks: OnceCell<Vec<usize>>,
    settings: OnceCell<Vec<usize>>,
    declaring: OnceCell<Vec<usize>>,
}

impl FileLists {
    /// The lockfiles.
    pub(super) fn locks(&self, project: &Project) -> &[usize] {
        listed(&self.locks, project, |source| {
            FileKind::of(&source.file.path, FileKind::is_lockfile).is_some()
        })
    }

    /// The files that may set where a package manager keeps its packages.
    pub(super) fn settings(&self, project: &Project) -> &[usize] {
        let sets = |kind: FileKind| kind.credentials().is_some() || kind == FileKind::PnpmWorkspace;
        listed(&self.settings, project, |source| FileKind::of(&source.file.path, sets).is_some())
    }

    /// The files that may declare the version of a package manager.
    pub(super) fn declaring(&self, project: &Project) -> &[usize] {
        listed(&self.declaring, project, may_declare)
    }
}

fn listed<'l>(
    list: &'l OnceCell<Vec<usize>>,
    project: &Project,
    is_in: impl Fn(&SourceFile) -> bool,
) -> &'l [usize] {
    list.get_or_init(|| {
        let files = project.files().iter().enumerate();
        files.filter(|(_, source)| is_in(source)).map(|(number, _)| number).collect()
    })
}
