//! The files of a project that several rules look through, listed once: a large repository has
//! thousands of others.

use std::cell::OnceCell;

use crate::builds::model::Builds;
use crate::pins::may_declare;
use crate::project::SourceFile;
use crate::project::kinds::FileKind;

/// Numbers of files in a project, each list made once it is asked for.
#[derive(Debug, Default)]
pub(super) struct FileLists {
    locks: OnceCell<Vec<usize>>,
    settings: OnceCell<Vec<usize>>,
    declaring: OnceCell<Vec<usize>>,
}

impl Builds {
    /// The lockfiles.
    pub(crate) fn locks(&self) -> &[usize] {
        self.listed(&self.lists.locks, |source| {
            FileKind::of(&source.file.path, FileKind::is_lockfile).is_some()
        })
    }

    /// The files that may set where a package manager keeps its packages.
    pub(crate) fn settings_files(&self) -> &[usize] {
        let sets = |kind: FileKind| kind.credentials().is_some() || kind == FileKind::PnpmWorkspace;
        self.listed(&self.lists.settings, |source| FileKind::of(&source.file.path, sets).is_some())
    }

    /// The files that may declare the version of a package manager.
    pub(crate) fn declaring_files(&self) -> &[usize] {
        self.listed(&self.lists.declaring, may_declare)
    }

    fn listed<'b>(
        &self,
        list: &'b OnceCell<Vec<usize>>,
        is_in: impl Fn(&SourceFile) -> bool,
    ) -> &'b [usize] {
        list.get_or_init(|| {
            let files = self.project.files().iter().enumerate();
            files.filter(|(_, source)| is_in(source)).map(|(number, _)| number).collect()
        })
    }
}
