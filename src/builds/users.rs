//! The builds that use a cache, whether their Dockerfile is known or not.

use crate::base::finding::Span;
use crate::builds::build::Build;
use crate::builds::caches::CacheEntry;
use crate::builds::described::{BuildOrigin, Given, OriginName};
use crate::builds::model::Builds;

/// A build that says which caches it uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CacheUser<'b> {
    pub origin: &'b BuildOrigin,
    pub given: &'b Given,
    /// `None` if its Dockerfile is unknown or cannot be read.
    pub build: Option<&'b Build>,
}

impl<'b> CacheUser<'b> {
    /// The place of one of its caches, in the file of its origin.
    pub(crate) fn place(&self, entry: &'b CacheEntry) -> &'b Span {
        if entry.span.is_empty() { &self.origin.span } else { &entry.span }
    }

    /// Whether a call of bake may give its target other caches.
    pub(crate) fn may_be_replaced(&self) -> bool {
        matches!(self.origin.name, Some(OriginName::Target(_))) && self.given.is_open
    }
}

impl Builds {
    /// The builds that something describes.
    pub(crate) fn cache_users(&self) -> impl Iterator<Item = CacheUser<'_>> {
        let built = self.list.iter().filter_map(|build| {
            let (origin, given) = (build.origin.as_ref()?, &build.given);
            Some(CacheUser { origin, given, build: Some(build) })
        });
        let unbuilt = self.unbuilt.iter();
        let unbuilt =
            unbuilt.map(|it| CacheUser { origin: &it.origin, given: &it.given, build: None });
        built.chain(unbuilt)
    }

    /// The caches that the builds export, each with its build.
    pub(crate) fn exports(&self) -> impl Iterator<Item = (CacheUser<'_>, &CacheEntry)> {
        self.cache_users().flat_map(|user| {
            let Given { caches, .. } = user.given;
            caches.exports.iter().map(move |entry| (user, entry))
        })
    }
}
