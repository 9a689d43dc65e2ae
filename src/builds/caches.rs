//! The caches that a build imports and exports, as `cache-from` and `cache-to` name them.
//!
//! Buildx splits an entry at commas into `key=value`, and turns keys into lower case, but keeps
//! blanks; an entry without `=` is the name of an image, for the type `registry` (`util/buildflags`
//! of docker/buildx). Variables and expressions stay as they are written: `${{ … }}`, `${…}`,
//! `$NAME`, `$(…)`.

use crate::base::finding::Span;

/// The caches of one build.
#[derive(Debug, Default)]
pub(crate) struct BuildCaches {
    pub imports: Vec<CacheEntry>,
    pub exports: Vec<CacheEntry>,
    /// The names of the image that is built.
    pub images: Vec<String>,
    /// The input that each variant of a matrix gives another value, so that it is another build.
    pub varies: Option<&'static str>,
    /// Where `DOCKER_BUILDKIT=0` is, if it counts for the command that builds.
    pub without_buildkit: Option<Span>,
}

/// A cache of a build.
#[derive(Debug, Clone)]
pub(crate) struct CacheEntry {
    /// In the file of the origin of its build; empty if another file has it.
    pub span: Span,
    /// The type; `None` if it is unknown.
    pub kind: Option<String>,
    /// The other options, with keys in lower case.
    pub options: Vec<(String, String)>,
    /// Whether there may be more options.
    pub is_open: bool,
}

/// The maximum number of caches that a build imports, and that it exports. One more stands for all
/// others, and is unknown.
const MAX_CACHES: usize = 50;

impl BuildCaches {
    /// Adds what an option or an item of a list imports.
    pub(super) fn import(&mut self, text: &str, span: &Span) {
        add(&mut self.imports, text, span);
    }

    /// Adds where an option or an item of a list exports to.
    pub(super) fn export(&mut self, text: &str, span: &Span) {
        add(&mut self.exports, text, span);
    }
}

fn add(known: &mut Vec<CacheEntry>, text: &str, span: &Span) {
    known.extend(entries(text, span));
    if let Some(beyond) = known.get_mut(MAX_CACHES) {
        (beyond.kind, beyond.is_open) = (None, true);
        known.truncate(MAX_CACHES + 1);
    }
}

impl CacheEntry {
    /// The value of an option.
    pub(crate) fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// What names the cache within its type, with its variables; `None` if it is unknown. A tag
    /// that is missing is `latest`, and other defaults are those of BuildKit as well.
    pub(crate) fn name(&self) -> Option<String> {
        let or = |key: &str, default: &str| self.option(key).unwrap_or(default).to_owned();
        let joined = |keys: &[&str]| {
            let parts: Vec<String> = keys.iter().map(|key| or(key, "")).collect();
            format!("{} {}", parts.join(" "), or("name", "buildkit"))
        };
        if self.is_open {
            return None;
        }
        match self.kind.as_deref()? {
            "registry" => self.option("ref").map(image_name),
            "gha" => Some(or("scope", "buildkit")),
            "local" => {
                let path = self.option("dest").or_else(|| self.option("src"))?;
                Some(format!("{path} {}", or("tag", "latest")))
            }
            "s3" => Some(joined(&["endpoint_url", "bucket", "prefix", "manifests_prefix"])),
            "azblob" => Some(joined(&["account_url", "container", "prefix", "manifests_prefix"])),
            _ => None,
        }
    }
}

/// The caches of an option or of an item of a list: several names of images, or one entry.
fn entries(text: &str, span: &Span) -> Vec<CacheEntry> {
    let text = text.trim();
    let entry = |kind: Option<&str>, options, is_open| CacheEntry {
        span: span.clone(),
        kind: kind.map(str::to_owned),
        options,
        is_open,
    };
    if text.is_empty() {
        return Vec::new();
    }
    if pieces(text).all(|(literal, _)| literal.is_empty()) {
        return vec![entry(None, Vec::new(), true)];
    }
    let fields = fields(text);
    if !fields.iter().any(|field| option(field).is_some()) {
        let image =
            |name: &&str| entry(Some("registry"), vec![("ref".into(), (*name).into())], false);
        return fields.iter().map(image).collect();
    }
    let (mut kind, mut options, mut is_open) = (None, Vec::new(), false);
    for field in fields {
        let Some((key, value)) = option(field) else {
            // A template may be any options; buildx refuses other fields.
            is_open = true;
            continue;
        };
        if !key.eq_ignore_ascii_case("type") {
            options.push((key.to_ascii_lowercase(), value.to_owned()));
        } else if !value.contains(['$', '`']) {
            kind = Some(value);
        }
    }
    vec![entry(kind, options, is_open)]
}

/// The key and the value of a field; `None` if there is no `=` outside of templates.
fn option(field: &str) -> Option<(&str, &str)> {
    field.split_once('=').filter(|(key, _)| !key.contains(['$', '`']))
}

/// The fields of an entry, without quotes around them. A comma in a template is a part of it.
fn fields(text: &str) -> Vec<&str> {
    let (mut fields, mut start, mut at) = (Vec::new(), 0, 0);
    for (literal, template) in pieces(text) {
        for (offset, _) in literal.match_indices(',') {
            fields.extend(text.get(start..at + offset));
            start = at + offset + 1;
        }
        at += literal.len() + template.len();
    }
    fields.extend(text.get(start..));
    fields.iter().map(|field| field.trim_matches('"')).collect()
}

/// The length in bytes of the template at the start of a text, at least that of its first sign.
fn template_length(text: &str) -> usize {
    let until = |end: &str| text.find(end).map_or(text.len(), |at| at + end.len());
    if text.is_empty() {
        0
    } else if text.starts_with("${{") {
        until("}}")
    } else if text.starts_with("${") {
        until("}")
    } else if text.starts_with("$(") {
        until(")")
    } else if let Some(rest) = text.strip_prefix('`') {
        rest.find('`').map_or(text.len(), |at| at + 2)
    } else {
        let rest = text.get(1..).unwrap_or_default();
        let is_end = |sign: char| !sign.is_ascii_alphanumeric() && sign != '_';
        1 + rest.find(is_end).unwrap_or(rest.len())
    }
}

/// The pieces of a text: what is literal, and the template after it, which is empty at the end.
fn pieces(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (literal, after) = text.split_at(text.find(['$', '`']).unwrap_or(text.len()));
        let (template, after) = after.split_at(template_length(after));
        rest = (!template.is_empty()).then_some(after);
        Some((literal, template))
    })
}

/// The templates of a text: its variables and expressions.
pub(crate) fn templates(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).map(|(_, template)| template).filter(|template| !template.is_empty())
}

/// Whether a text may be this one, once its templates have values.
pub(crate) fn may_be(text: &str, value: &str) -> bool {
    let parts: Vec<&str> = pieces(text).map(|(literal, _)| literal).collect();
    let [first, inner @ .., last] = parts.as_slice() else { return text == value };
    let rest = value.strip_prefix(first);
    let rest = inner.iter().fold(rest, |rest, part| Some(rest?.split_once(part)?.1));
    rest.is_some_and(|rest| rest.ends_with(last))
}

/// The name of an image with its tag, as Docker compares it.
pub(crate) fn image_name(written: &str) -> String {
    let hosts = ["docker.io/library/", "index.docker.io/", "docker.io/"];
    let name = hosts.iter().find_map(|host| written.strip_prefix(host)).unwrap_or(written);
    let last = name.rsplit('/').next().unwrap_or(name);
    let has_tag = last.contains([':', '@', '$', '`']);
    if has_tag { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let line = |entry: &CacheEntry| {
            let options: Vec<String> =
                entry.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let open = if entry.is_open { " …" } else { "" };
            let (kind, name) = (entry.kind.as_deref().unwrap_or("?"), entry.name());
            format!("{kind} [{}] {}{open}", options.join("|"), name.unwrap_or("?".to_owned()))
        };
        entries(text, &(0..0)).iter().map(line).collect()
    }

    #[test]
    fn an_entry_has_a_type_and_options() {
        for (text, expected) in [
            ("", &[][..]),
            ("type=gha", &["gha [] buildkit"]),
            ("type=gha,SCOPE=x, mode=max", &["gha [scope=x| mode=max] x"]),
            ("\"type=gha\",\"scope=x\"", &["gha [scope=x] x"]),
            ("a/b", &["registry [ref=a/b] a/b:latest"]),
            (
                "a,docker.io/library/b:c",
                &["registry [ref=a] a:latest", "registry [ref=docker.io/library/b:c] b:c"],
            ),
            ("h:5000/a", &["registry [ref=h:5000/a] h:5000/a:latest"]),
            ("$A/b:c", &["registry [ref=$A/b:c] $A/b:c"]),
            ("${{ env.A }}", &["? [] ? …"]),
            ("$A", &["? [] ? …"]),
            ("`a b`", &["? [] ? …"]),
            ("type=${{ x }},scope=${{ f(1, 2) }}-y", &["? [scope=${{ f(1, 2) }}-y] ?"]),
            ("type=gha,${{ x && 'mode=max' }}", &["gha [] ? …"]),
            ("type=local,dest=/c", &["local [dest=/c] /c latest"]),
            ("type=local,src=/c,tag=t", &["local [src=/c|tag=t] /c t"]),
            ("type=s3,bucket=b,name=n", &["s3 [bucket=b|name=n]  b   n"]),
            ("type=inline", &["inline [] ?"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn a_hostile_build_is_bounded() {
        let mut caches = BuildCaches::default();
        caches.import(&"a,".repeat(1000), &(0..0));
        caches.import("type=gha", &(0..0));
        let last = caches.imports.last().unwrap();
        assert_eq!((caches.imports.len(), last.name()), (MAX_CACHES + 1, None));
        assert!(caches.imports[0].name().is_some());
    }

    #[test]
    fn a_template_may_be_any_text() {
        for (text, value, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("$A", "a", true),
            ("build-${{ matrix.x }}", "build-amd64", true),
            ("build-${{ matrix.x }}", "buildkit", false),
            ("${A}-$B-c", "x-y-c", true),
            ("${A}-$B-c", "x-c", false),
            ("a-$(b c)", "a-", true),
            ("a`b`c", "ac", true),
            ("aa$A-aa", "aa", false),
        ] {
            assert_eq!(may_be(text, value), expected, "{text} {value}");
        }
    }
}
