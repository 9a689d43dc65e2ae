//! A project: those files of one state of a repository that are judged together. The state is the
//! index, a commit, a tree or the work tree. It does no I/O, and knows no pins.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::change::File;
use crate::base::path::RepoPath;
use crate::formats::document::{Node, SyntaxError};
use crate::formats::{self, Syntax};

pub(crate) mod defaults;
pub(crate) mod directories;
pub(crate) mod kinds;
mod image_locks;
pub(crate) mod workspaces;

use kinds::FileKind;

/// A file, and a cache of the values that are computed from it.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub file: File,
    /// Whether it has its text.
    is_read: bool,
    views: RefCell<Vec<Rc<dyn Any>>>,
}

impl SourceFile {
    pub(crate) fn new(file: File) -> Self {
        Self { file, is_read: true, views: RefCell::default() }
    }

    /// A file that takes part by its name, and whose text is empty: nothing has asked for it yet.
    pub(crate) fn unread(file: File) -> Self {
        Self { is_read: false, ..Self::new(file) }
    }

    /// A value that depends on this file alone, such as the parsed document. It is computed once;
    /// there is one value of each type.
    pub(crate) fn view<V: 'static>(&self, compute: impl FnOnce(&File) -> V) -> Rc<V> {
        let known =
            self.views.borrow().iter().find_map(|view| Rc::clone(view).downcast::<V>().ok());
        known.unwrap_or_else(|| {
            let view = Rc::new(compute(&self.file));
            self.views.borrow_mut().push(Rc::<V>::clone(&view));
            view
        })
    }

    /// The parsed document. The syntax must be the same in every call.
    pub(crate) fn document(&self, syntax: Syntax) -> Rc<Result<Node, SyntaxError>> {
        self.view(|file| formats::parse(syntax, &file.text))
    }

    /// A model of the document; the default if the file cannot be parsed.
    pub(crate) fn model<M: Default + 'static>(
        &self,
        syntax: Syntax,
        parse: impl Fn(&Node) -> M,
    ) -> Rc<M> {
        let document = self.document(syntax);
        self.view(|_| document.as_ref().as_ref().map_or_else(|_| M::default(), parse))
    }
}

/// The files of one state, sorted by path. Clones share the files and their caches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Project {
    files: Vec<Rc<SourceFile>>,
}

impl FromIterator<Rc<SourceFile>> for Project {
    fn from_iter<I: IntoIterator<Item = Rc<SourceFile>>>(files: I) -> Self {
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_unstable_by(|a, b| a.file.path.cmp(&b.file.path));
        Self { files }
    }
}

impl FromIterator<File> for Project {
    fn from_iter<I: IntoIterator<Item = File>>(files: I) -> Self {
        files.into_iter().map(|file| Rc::new(SourceFile::new(file))).collect()
    }
}

impl Project {
    /// The files; the number of a file is its index.
    pub(crate) fn files(&self) -> &[Rc<SourceFile>] {
        &self.files
    }

    pub(crate) fn file(&self, number: usize) -> &File {
        &self.files[number].file
    }

    /// The number of the file at a path.
    pub(crate) fn number(&self, path: &[u8]) -> Option<usize> {
        self.files.binary_search_by(|source| source.file.path.as_bytes().cmp(path)).ok()
    }

    /// A copy with the texts of some files replaced, by their numbers.
    pub(crate) fn with(&self, texts: &BTreeMap<usize, Vec<u8>>) -> Self {
        let mut files = self.files.clone();
        for (number, text) in texts {
            let file = File { text: text.clone(), ..self.file(*number).clone() };
            files[*number] = Rc::new(SourceFile::new(file));
        }
        Self { files }
    }

    /// Whether there is a file at a path, with its text.
    pub(crate) fn has_read(&self, path: &[u8]) -> bool {
        self.number(path).is_some_and(|number| self.files[number].is_read)
    }

    /// Replaces a file that was not read; returns its number.
    pub(crate) fn fill(&mut self, source: Rc<SourceFile>) -> Option<usize> {
        let number = self.number(source.file.path.as_bytes())?;
        self.files[number] = source;
        Some(number)
    }

    /// The directories that contain a `package.json`.
    pub(crate) fn manifest_directories(&self) -> BTreeSet<&[u8]> {
        let paths = self.files.iter().map(|source| &source.file.path);
        paths.filter(|path| FileKind::Manifest.matches(path)).map(RepoPath::parent).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::models::compose::Compose;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into(), fresh: true, replaces: false }
    }

    #[test]
    fn a_view_is_computed_once_and_shared_by_copies() {
        let project: Project = [file("b", "2"), file("a", "1")].into_iter().collect();
        let changed = project.with(&BTreeMap::from([(1, b"3".to_vec())]));
        let computed = Cell::new(0);
        let texts = |project: &Project| -> Vec<String> {
            let view = |file: &File| {
                computed.set(computed.get() + 1);
                String::from_utf8(file.text.clone()).unwrap()
            };
            project.files().iter().map(|source| source.view(view).to_string()).collect()
        };
        assert_eq!(texts(&project), ["1", "2"]);
        assert_eq!(texts(&changed), ["1", "3"]);
        assert_eq!(texts(&project), ["1", "2"]);
        assert_eq!(computed.get(), 3);
        assert_eq!(*project.files()[0].view(|file| file.text.len()), 1);
        assert_eq!((project.number(b"b"), project.number(b"c")), (Some(1), None));
    }

    #[test]
    fn the_model_of_a_file_that_cannot_be_parsed_is_empty() {
        for (text, services) in [("services: {a: {}}", 1), ("services: [", 0)] {
            let source = SourceFile::new(file("compose.yaml", text));
            let compose = source.model(Syntax::Yaml, Compose::parse);
            assert_eq!(compose.services.len(), services, "{text}");
        }
    }

    #[test]
    fn manifests_are_found_in_any_case() {
        let files = ["a/Package.json", "b/pac\u{212a}age.json", "c/package.json5", "package.json"];
        let project: Project = files.map(|path| file(path, "{}")).into_iter().collect();
        assert_eq!(project.manifest_directories(), BTreeSet::from([&b""[..], b"a", b"b"]));
    }
}
