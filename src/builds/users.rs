//! The builds that use a cache, whether their Dockerfile is known or not.

use crate::base::credentials::holds_secret;
use crate::base::escape::Escaped;
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

    /// The part of this place that a report may show: of an entry with a credential, such as
    /// `secret_access_key`, what is before the first comma, or nothing.
    pub(crate) fn shown(&self, builds: &Builds, entry: &'b CacheEntry) -> Span {
        let place = self.place(entry);
        let text = builds.file(self.origin.file).text.get(place.clone()).unwrap_or_default();
        if !holds_secret(text) {
            return place.clone();
        }
        let first = memchr::memchr(b',', text).filter(|end| !holds_secret(&text[..*end]));
        place.start..place.start + first.unwrap_or_default()
    }

    /// Whether a call of bake may give its target other caches.
    pub(crate) fn may_be_replaced(&self) -> bool {
        matches!(self.origin.name, Some(OriginName::Target(_))) && self.given.is_open
    }
}

/// The name of a cache, safe to print: an address may have a password.
pub(crate) fn shown_name(name: &str) -> String {
    let name = name.trim_end();
    if holds_secret(name.as_bytes()) {
        "********".to_owned()
    } else {
        Escaped(name.as_bytes()).to_string()
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
