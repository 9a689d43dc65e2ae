//! What the gate reports.

use std::rc::Rc;

use crate::base::finding::Span;
use crate::project::SourceFile;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Odd, and harmless.
    Note,
    /// pnpm accepts it, or notices it only while it installs, and the image is wrong.
    Wrong,
    /// `pnpm install --frozen-lockfile` refuses it.
    Refused,
}

#[derive(Debug, Clone)]
pub(crate) struct Remark {
    pub weight: Weight,
    /// Its place in the lockfile; `None` for the whole file.
    pub place: Option<Span>,
    /// A short sentence without an initial capital or a full stop. Safe to print.
    pub message: String,
    /// A further place, with a few words.
    pub label: Option<(Rc<SourceFile>, Span, &'static str)>,
}
