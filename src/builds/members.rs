//! The workspaces of a project.

use crate::builds::model::Builds;
use crate::formats::Syntax;
use crate::models::manifest::{PackageJson, may_have};
use crate::models::workspace::PnpmWorkspace;
use crate::project::SourceFile;
use crate::project::kinds::FileKind;
use crate::project::workspaces::Workspaces;

impl Builds {
    /// The workspaces of the project, by the patterns of the members that its files declare.
    pub(crate) fn workspaces(&self) -> Workspaces<'_> {
        let members = self.members.get_or_init(|| {
            let files = self.project.files().iter();
            files.map(|source| declared_members(source)).collect()
        });
        Workspaces::new(&self.project, members.iter().map(Option::as_deref))
    }
}

/// The patterns of the workspace members that a file declares.
fn declared_members(source: &SourceFile) -> Option<Vec<String>> {
    let path = &source.file.path;
    if FileKind::PnpmWorkspace.matches(path) {
        source.model(Syntax::Yaml, PnpmWorkspace::parse).packages.clone()
    } else if FileKind::Manifest.matches(path) && may_have(&source.file.text, "workspaces") {
        source.model(Syntax::Json, PackageJson::parse).workspaces.clone()
    } else {
        None
    }
}
