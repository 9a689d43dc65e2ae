//! The files of a context that a build takes: several rules follow the same steps.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::finding::Span;

/// A file of the context in an image.
#[derive(Debug, Clone)]
pub(crate) struct ImageFile {
    /// Its number in the project.
    pub file: usize,
    /// What brings it, in the Dockerfile.
    pub span: Span,
}

/// The files of a step, by their paths in the image.
type StepFiles = Rc<[(Rc<str>, ImageFile)]>;

/// The maximum number of files that are kept for a build. A hostile Dockerfile may have any number
/// of steps; what is not kept is found again.
const MAX_KEPT: usize = 20_000;

#[derive(Debug, Default)]
pub(crate) struct BuildFiles {
    /// The files of the context that an install may read, by their paths in the context, with their
    /// numbers in the project, once they are needed.
    pub of_context: OnceCell<Vec<(String, usize)>>,
    /// What `COPY` steps and mounts bring, by their places in the Dockerfile.
    steps: RefCell<BTreeMap<usize, StepFiles>>,
    kept: Cell<usize>,
}

impl BuildFiles {
    /// The files of the step or the mount that starts here; kept as far as there is room.
    pub(super) fn at_or(
        &self,
        start: usize,
        find: impl FnOnce() -> Vec<(Rc<str>, ImageFile)>,
    ) -> StepFiles {
        if let Some(known) = self.steps.borrow().get(&start) {
            return Rc::clone(known);
        }
        let files: StepFiles = find().into();
        let kept = self.kept.get() + files.len() + 1;
        if kept <= MAX_KEPT {
            self.kept.set(kept);
            self.steps.borrow_mut().insert(start, Rc::clone(&files));
        }
        files
    }
}
