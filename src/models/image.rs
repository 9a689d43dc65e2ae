//! References to images: `registry.example:5000/group/name:tag@digest`.

use crate::formats::shell::Resolved;

/// A reference to an image, parsed as Docker does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageReference {
    /// The host of the registry; `None` for Docker Hub and for Amazon's copy of its official
    /// images.
    pub host: Option<String>,
    /// The path of the repository, without `library/`.
    pub repository: String,
    pub tag: Option<String>,
    /// The digest, which overrides the tag.
    pub digest: Option<String>,
    /// The parsed word, which has the places of the parts.
    pub word: Resolved,
}

const HUB: [&str; 2] = ["docker.io/", "index.docker.io/"];

/// Amazon's copy of the official images.
const OFFICIAL_AT_AMAZON: &str = "public.ecr.aws/docker/library/";

impl ImageReference {
    /// Parses a word; `None` for `scratch`, for other words, or if a variable is unknown.
    pub(crate) fn parse(word: Resolved) -> Option<Self> {
        let text = word.known()?;
        let (name, digest) =
            text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
        // A colon before a slash is the port of a registry.
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (name, None),
        };
        let on_hub = HUB.iter().find_map(|host| name.strip_prefix(host)).unwrap_or(name);
        let short = on_hub.strip_prefix("library/").unwrap_or(on_hub);
        let short = short.strip_prefix(OFFICIAL_AT_AMAZON).unwrap_or(short);
        if short.is_empty() || name == "scratch" {
            return None;
        }
        let is_host = |first: &str| first == "localhost" || first.contains(['.', ':']);
        let (host, repository) = match short.split_once('/') {
            Some((first, path)) if is_host(first) => (Some(first.to_owned()), path),
            _ => (None, short),
        };
        if repository.is_empty() || repository.contains(':') {
            return None;
        }
        let owned = |part: Option<&str>| part.map(str::to_owned);
        let (repository, tag, digest) = (repository.to_owned(), owned(tag), owned(digest));
        Some(Self { host, repository, tag, digest, word })
    }

    /// The tag, by default `latest`.
    pub(crate) fn tag(&self) -> &str {
        self.tag.as_deref().unwrap_or("latest")
    }

    /// Whether it is a Docker Official Image.
    pub(crate) fn is_official(&self) -> bool {
        self.host.is_none() && !self.repository.contains('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_the_parts_that_docker_sees() {
        for (text, expected) in [
            ("node", "- node - - official"),
            ("node:22-alpine", "- node 22-alpine - official"),
            ("docker.io/library/node:22@sha256:abc", "- node 22 sha256:abc official"),
            ("public.ecr.aws/docker/library/node", "- node - - official"),
            ("library/node", "- node - - official"),
            ("pnpm/pnpm:10", "- pnpm/pnpm 10 -"),
            ("index.docker.io/me/x", "- me/x - -"),
            ("ghcr.io/pnpm/pnpm:10.6.5-slim", "ghcr.io pnpm/pnpm 10.6.5-slim -"),
            ("localhost/node", "localhost node - -"),
            ("localhost:5000/a/b", "localhost:5000 a/b - -"),
            ("host:5000/a:1@sha256:b", "host:5000 a 1 sha256:b"),
            ("node:", "- node  - official"),
        ] {
            let (text, span) = (text.to_owned(), 0..text.len());
            let word = Resolved { text, is_open: false, span, used: Vec::new(), unset: Vec::new() };
            let image = ImageReference::parse(word.clone()).unwrap();
            let part = |part: &Option<String>| part.clone().unwrap_or("-".to_owned());
            let official = if image.is_official() { " official" } else { "" };
            let (host, tag, digest) = (part(&image.host), part(&image.tag), part(&image.digest));
            assert_eq!(format!("{host} {} {tag} {digest}{official}", image.repository), expected);
            assert_eq!(ImageReference::parse(Resolved { is_open: true, ..word }), None);
        }
        for text in ["", "scratch", ":1", "host.example/:1", "node:22:1"] {
            let word = Resolved { text: text.to_owned(), ..Resolved::default() };
            assert_eq!(ImageReference::parse(word), None, "{text}");
        }
    }
}
