//! What judges a lockfile: the image, the version of pnpm, and what was found so far.

use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

use crate::base::finding::Span;
use crate::locks::generation::Generation;
use crate::locks::remark::{Remark, Weight};
use crate::locks::settings::LockSettings;
use crate::locks::view::ImageView;
use crate::project::SourceFile;

/// The result for one lockfile.
#[derive(Debug, Default)]
pub(crate) struct LockJudgement {
    pub remarks: Vec<Remark>,
    /// What was not judged. Safe to print.
    pub doubts: BTreeSet<String>,
    /// What only an install can tell.
    pub hints: BTreeSet<&'static str>,
    /// Whether nothing was judged.
    pub is_unjudged: bool,
}

impl LockJudgement {
    /// The messages of the remarks. Two versions of pnpm, or two states, report the same with the
    /// same message.
    pub(crate) fn messages(&self) -> HashSet<&str> {
        self.remarks.iter().map(|remark| &*remark.message).collect()
    }
}

/// A lockfile for an image, and what the gate reports of it.
#[derive(Debug)]
pub(crate) struct JudgedLock {
    pub view: ImageView,
    pub judged: LockJudgement,
}

pub(super) struct Gate<'v> {
    pub(super) view: &'v ImageView,
    pub(super) generation: Generation,
    pub(super) settings: LockSettings,
    pub(super) judged: LockJudgement,
}

impl Gate<'_> {
    pub(super) fn add(&mut self, weight: Weight, place: Option<Span>, message: String) {
        self.judged.remarks.push(Remark { weight, place, message, label: None });
    }

    pub(super) fn add_lock(&mut self, weight: Weight, span: &Span, message: String) {
        self.add(weight, Some(span.clone()), message);
    }

    /// Adds a further place to the last remark.
    pub(super) fn label(&mut self, source: &Rc<SourceFile>, span: &Span, text: &'static str) {
        if let Some(last) = self.judged.remarks.last_mut() {
            last.label = Some((Rc::clone(source), span.clone(), text));
        }
    }

    pub(super) fn doubt(&mut self, reason: String) {
        self.judged.doubts.insert(reason);
    }
}
