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

/// What a build takes from its context, found once.
#[derive(Debug, Default)]
pub(crate) struct BuildFiles {
    /// The files of the context that an install may read, by their paths in the context, with their
    /// numbers in the project, once they are needed.
    pub of_context: OnceCell<Vec<(String, usize)>>,
    /// What `COPY` steps and mounts bring, by their addresses: in a Dockerfile that another file
    /// spells with escapes, all steps have one place. They do not move while rules look at them.
    steps: RefCell<BTreeMap<usize, StepFiles>>,
    kept: Cell<usize>,
}

impl BuildFiles {
    /// The files of this step or mount of the build; kept as far as there is room.
    pub(super) fn of_or<T>(
        &self,
        step: &T,
        find: impl FnOnce() -> Vec<(Rc<str>, ImageFile)>,
    ) -> StepFiles {
        let address = std::ptr::from_ref(step).addr();
        if let Some(known) = self.steps.borrow().get(&address) {
            return Rc::clone(known);
        }
        let files: StepFiles = find().into();
        let kept = self.kept.get() + files.len() + 1;
        if kept <= MAX_KEPT {
            self.kept.set(kept);
            self.steps.borrow_mut().insert(address, Rc::clone(&files));
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use crate::builds::model::tests::builds;
    use crate::builds::visits::visits;

    /// The files in the image at each install of a Dockerfile, in a string with escapes.
    fn seen(lines: &str) -> Vec<String> {
        let compose = format!("services: {{a: {{build: {{dockerfile_inline: {lines:?}}}}}}}");
        let files = [("compose.yaml", &*compose), ("package.json", "{}"), (".npmrc", "")];
        let builds = builds(&files);
        let found = visits(&builds, &builds.list[0]);
        let paths = found.iter().map(|visit| visit.image.files().map(|(path, _)| path.to_owned()));
        paths.map(|paths| paths.collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn steps_with_one_place_bring_different_files() {
        for (steps, expected) in [
            ("COPY package.json /a/\nCOPY .npmrc /a/\nRUN npm ci", "/a/.npmrc /a/package.json"),
            (
                "COPY package.json /a/\nRUN --mount=type=bind,source=.npmrc,target=/a/.npmrc \
                 npm ci",
                "/a/.npmrc /a/package.json",
            ),
        ] {
            assert_eq!(seen(&format!("FROM node:22\n{steps}\n")), [expected], "{steps}");
        }
    }
}
