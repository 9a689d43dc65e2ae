//! Dependency specs: where package managers install a dependency from.

use std::borrow::Cow;

use crate::base::debris::{Debris, Directory};
use crate::base::finding::{Span, line_around};
use crate::base::path::{FOLDED_BY, Folded, fold};
use crate::base::pattern::alternatives;
use crate::formats::npmrc::without_variables;

/// The directory of leftovers that a spec in a dependency field installs from.
///
/// `directory` is that of the manifest, relative to the top of the work tree. The protocol is
/// removed, `\` is read as `/`, and `.`, `..` and doubled slashes are resolved, so a path through
/// the directory (`file:.docker-deps/../vendor/x.tgz`) does not count. Package managers resolve
/// against different directories (the manifest's, the workspace's, the dependent's), so any
/// component of the resolved path counts. Where they read a character differently, one that
/// installs from there is enough.
pub(crate) fn installs_from<'a>(
    spec: &str,
    directory: &str,
    debris: &'a Debris,
) -> Option<&'a Directory> {
    let readings = readings(spec);
    readings
        .iter()
        // `@scope/x@file:…`, as in an alias or a resolution.
        .flat_map(|spec| {
            let aliased = |mark| spec.rsplit_once(mark).map(|(_, target)| target);
            [Some(&**spec), aliased("@file:"), aliased("@link:")]
        })
        .filter_map(|spec| local_path(spec?.trim()))
        .chain(readings.iter().flat_map(|spec| patch_files(spec)))
        .find_map(|path| leads_into(path, directory, debris))
}

/// The directory of leftovers that the path in a setting leads into.
pub(crate) fn points_into<'a>(
    path: &str,
    directory: &str,
    debris: &'a Debris,
) -> Option<&'a Directory> {
    readings(path).iter().find_map(|path| leads_into(path, directory, debris))
}

/// The directory of leftovers that a pattern of workspace members includes by its name. A pattern
/// that excludes members does not count.
pub(crate) fn includes<'a>(
    pattern: &str,
    directory: &str,
    debris: &'a Debris,
) -> Option<&'a Directory> {
    let included = pattern.trim_start_matches('!');
    if (pattern.len() - included.len()) % 2 == 1 {
        return None;
    }
    let matched = |path: &str, separators: &[char]| {
        let components = resolved(path, separators, directory);
        components.into_iter().find_map(|glob| debris.directory_like(glob))
    };
    alternatives(included)
        .iter()
        .find_map(|path| matched(path, &['/', '\\']).or_else(|| matched(path, &['/'])))
}

/// The spec, and its forms after the decoding of yarn: variables are expanded in settings, and
/// percent-escapes are decoded, twice in `patch:`.
fn readings(spec: &str) -> Vec<Cow<'_, str>> {
    let mut readings = vec![Cow::Borrowed(spec)];
    for step in [with_variables, percent_decoded, percent_decoded] {
        for at in 0..readings.len() {
            if let Some(reading) = step(&readings[at]) {
                readings.push(Cow::Owned(reading));
            }
        }
    }
    readings
}

/// The text with the defaults of `${NAME-default}`, as tools expand unset variables; `None` if it
/// has no variables.
fn with_variables(text: &str) -> Option<String> {
    text.contains("${").then(|| without_variables(text))
}

/// Decodes escapes such as `%2e`; `None` if there are none.
fn percent_decoded(text: &str) -> Option<String> {
    text.contains('%').then(|| String::from_utf8_lossy(&unescaped(text.as_bytes())).into_owned())
}

/// Protocols of packages in a registry. The entry that `catalog:` refers to is judged itself.
const REGISTRIES: [&str; 2] = ["npm", "catalog"];

/// Protocols of URLs, before `//`. Without it, some tool reads a local path.
const URLS: &str = "http https git git+http git+https git+ssh git+rsync ssh";

/// Protocols of repositories, before `owner/repository`.
const HOSTS: [&str; 4] = ["github", "gitlab", "bitbucket", "gist"];

/// The local path that a spec names; `None` if it names a registry, a server or a repository.
/// Protocols are compared with their case: pnpm and bun read a local path after `HTTP:`.
fn local_path(spec: &str) -> Option<&str> {
    let Some((protocol, path)) = split_protocol(spec) else {
        return (!is_shorthand(spec)).then_some(spec);
    };
    let is_remote = REGISTRIES.contains(&protocol)
        || path.starts_with("//") && URLS.split(' ').any(|known| known == protocol)
        || HOSTS.contains(&protocol) && is_shorthand(path);
    (!is_remote).then_some(path)
}

/// The paths of the patches in `patch:x@1#a.patch&optional!b.patch`.
fn patch_files(spec: &str) -> impl Iterator<Item = &str> {
    let parts =
        spec.trim().strip_prefix("patch:").map(|patch| patch.split(['#', '&', '!']).skip(1));
    parts.into_iter().flatten()
}

/// Splits `file:../x` into protocol and path. A single letter is a Windows drive.
fn split_protocol(spec: &str) -> Option<(&str, &str)> {
    let (protocol, path) = spec.split_once(':')?;
    let scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let valid = protocol.len() > 1
        && protocol.as_bytes()[0].is_ascii_alphabetic()
        && protocol.bytes().all(scheme);
    valid.then_some((protocol, path))
}

/// Whether this is `owner/repository` on GitHub, with or without `#branch`. A tarball is a local
/// path, and so are names that GitHub does not allow (`a b/x`, `a@b/x`), to npm, pnpm and yarn.
fn is_shorthand(spec: &str) -> bool {
    let name = spec.split('#').next().unwrap_or_default();
    let named = |part: &str, more: &[u8]| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    let parts = name.split_once('/');
    parts.is_some_and(|(owner, repository)| {
        named(owner, b"-_")
            && !owner.starts_with('-')
            && named(repository, b"-_.")
            && !is_tarball(spec)
    })
}

fn is_tarball(spec: &str) -> bool {
    let spec = spec.to_ascii_lowercase();
    [".tgz", ".tar.gz", ".tar"].iter().any(|ending| spec.ends_with(ending))
}

/// The directory of leftovers that contains a path. Tools differ in whether `#`, `?` and `\` belong
/// to a name, so each reading is tried.
fn leads_into<'a>(path: &str, directory: &str, debris: &'a Debris) -> Option<&'a Directory> {
    let path = path.trim_start();
    let before = |mark: char| path.split_once(mark).map(|(path, _)| path);
    let ways = [Some(path), before('#'), before('?')].into_iter().flatten();
    ways.flat_map(|path| [(path, &['/', '\\'][..]), (path, &['/'])]).find_map(
        |(path, separators)| {
            let components = resolved(path, separators, directory);
            components.iter().find_map(|component| debris.directory(component.as_bytes()))
        },
    )
}

/// The components of a path without `.` and `..`; those of `directory` first if it is relative.
fn resolved<'a>(path: &'a str, separators: &[char], directory: &'a str) -> Vec<&'a str> {
    let absolute = path.starts_with(['/', '\\']) || path.as_bytes().get(1) == Some(&b':');
    let base = if absolute { "" } else { directory };
    let mut resolved: Vec<&str> = Vec::new();
    for component in base.split('/').chain(path.split(separators)) {
        match component {
            "" | "." => {}
            ".." => {
                resolved.pop();
            }
            _ => resolved.push(component),
        }
    }
    resolved
}

/// A directory of leftovers that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace<'a> {
    pub directory: &'a Directory,
    /// Its name in the text.
    pub span: Span,
}

/// The first mention of a directory of leftovers in a text of unknown structure, in UTF-8, UTF-16
/// or UTF-32, and under up to three layers of escapes, as in a URL in a URL in a string. The span
/// is empty, at the start, if the encoding or a second layer hides the place.
pub(crate) fn mention<'a>(text: &[u8], debris: &'a Debris) -> Option<Trace<'a>> {
    let hidden =
        |text: &[u8]| find_debris(text, debris, false).map(|trace| Trace { span: 0..0, ..trace });
    let deeper = |text: &[u8]| {
        let once = unescaped(text);
        hidden(&once).or_else(|| hidden(&unescaped(&once)))
    };
    // UTF-16 and UTF-32 put zeros between the letters.
    let narrow = || {
        text.contains(&0)
            .then(|| text.iter().copied().filter(|&byte| byte != 0).collect::<Vec<_>>())
    };
    find_debris(text, debris, false)
        .or_else(|| deeper(text))
        .or_else(|| hidden(&unquoted(text)))
        .or_else(|| narrow().and_then(|text| hidden(&text).or_else(|| deeper(&text))))
}

/// The text without the `\` that strings of JSON5 and YAML ignore: at the end of a line, which it
/// joins to the next, and before a character that needs no escape.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        at += match &text[at..] {
            [b'\\', b'\r', b'\n', rest @ ..] | [b'\\', b'\r' | b'\n', rest @ ..] => {
                let indent = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
                text.len() - at - rest.len() + indent
            }
            [b'\\', b'u' | b'U' | b'x' | b'\\', ..] => {
                plain.extend_from_slice(&text[at..at + 2]);
                2
            }
            [b'\\', _, ..] => 1,
            [byte, ..] => {
                plain.push(*byte);
                1
            }
            [] => break,
        };
    }
    plain
}

/// The first path component of a text that is a directory of leftovers: for a line of a lockfile,
/// or a manifest that does not parse. Escapes of JSON, YAML and URLs are decoded for the
/// comparison.
///
/// A name that only starts or ends like it (`my.docker-deps`, `.docker-deps-old`) is another name,
/// unless the text is `packed`: its strings follow each other without a separator. A name without a
/// leading dot may be that of a package, so it counts only before a slash.
pub(crate) fn find_debris<'a>(text: &[u8], debris: &'a Debris, packed: bool) -> Option<Trace<'a>> {
    if memchr::memchr2(b'\\', b'%', text).is_none() && text.is_ascii() {
        return find_first(text, debris, packed);
    }
    let Trace { directory, span } = find_first(&unescaped(text), debris, packed)?;
    let mut offsets = characters(text).map(|(at, _)| at).skip(span.start);
    let start = offsets.next().unwrap_or(text.len());
    let end = offsets.nth(span.len().saturating_sub(1)).unwrap_or(text.len());
    Some(Trace { directory, span: start..end })
}

fn find_first<'a>(text: &[u8], debris: &'a Debris, packed: bool) -> Option<Trace<'a>> {
    let traces = debris.directories().iter().filter_map(|directory| {
        find_component(text, directory.name.as_bytes(), packed)
            .map(|span| Trace { directory, span })
    });
    traces.min_by_key(|trace| trace.span.start)
}

/// Whether a text may contain a trace. Fast, for large texts without one.
pub(crate) fn could_hold_debris(text: &[u8], debris: &Debris) -> bool {
    // Only lines with escapes, or with characters that file systems fold, are decoded: few are.
    let [a, b, c] = FOLDED_BY;
    find_first(text, debris, true).is_some()
        || any_line(text, |text| memchr::memchr2(b'\\', b'%', text), debris)
        || (!text.is_ascii() && any_line(text, |text| memchr::memchr3(a, b, c, text), debris))
}

/// Whether a line contains a trace, among the lines with a byte that `next` finds.
fn any_line(text: &[u8], next: impl Fn(&[u8]) -> Option<usize>, debris: &Debris) -> bool {
    let mut from = 0;
    while let Some(at) = next(&text[from..]).map(|at| from + at) {
        let line = line_around(text, at);
        from = line.end;
        if find_debris(&text[line], debris, true).is_some() {
            return true;
        }
    }
    false
}

/// The letters, the rarest in source texts first. A name is searched for by its rarest letter.
const RAREST_FIRST: &[u8] = b"qzjxkvywbhgfupmdlcnorsitae";

fn find_component(text: &[u8], name: &[u8], packed: bool) -> Option<Span> {
    let part_of_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte) || !byte.is_ascii();
    let dotted = name.starts_with(b".");
    let rarity =
        |byte: u8| RAREST_FIRST.iter().position(|letter| *letter == byte.to_ascii_lowercase());
    let mark = (0..name.len()).min_by_key(|&at| rarity(name[at]).unwrap_or(usize::MAX))?;
    let (lower, upper) = (name[mark].to_ascii_lowercase(), name[mark].to_ascii_uppercase());
    for at in memchr::memchr2_iter(lower, upper, text) {
        let Some(start) = at.checked_sub(mark) else { continue };
        let end = start + name.len();
        let same = text.get(start..end).is_some_and(|found| found.eq_ignore_ascii_case(name));
        let begins = packed || start == 0 || !part_of_name(&text[start - 1]);
        let ends = |next: Option<&u8>| {
            if dotted { packed || !next.is_some_and(part_of_name) } else { next == Some(&b'/') }
        };
        if same && begins && ends(text.get(end)) {
            return Some(start..end);
        }
    }
    None
}

/// The text with its escapes decoded by [`characters`].
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    plain.extend(characters(text).map(|(_, byte)| byte));
    plain
}

/// The bytes of a text and their offsets in it. `\uXXXX`, `\UXXXXXXXX`, `\xXX` and `%XX` of ASCII
/// characters are decoded, `\` is read as `/`, and characters that file systems fold into ASCII are
/// folded.
fn characters(text: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let mut next = 0;
    std::iter::from_fn(move || {
        loop {
            let at = next;
            let escaped = |start: usize, digits: usize| {
                Some((escape(&text[at + start..], digits)?, start + digits))
            };
            let (read, length) = match &text[at..] {
                [] => return None,
                [b'\\', b'u', ..] => escaped(2, 4).unwrap_or((Folded::To(b'/'), 1)),
                [b'\\', b'U', ..] => escaped(2, 8).unwrap_or((Folded::To(b'/'), 1)),
                [b'\\', b'x', ..] => escaped(2, 2).unwrap_or((Folded::To(b'/'), 1)),
                [b'\\', ..] => (Folded::To(b'/'), 1),
                [b'%', ..] => escaped(1, 2).unwrap_or((Folded::To(b'%'), 1)),
                [byte, ..] if FOLDED_BY.contains(byte) => {
                    folded_at(&text[at..]).unwrap_or((Folded::To(*byte), 1))
                }
                [byte, ..] => (Folded::To(*byte), 1),
            };
            next += length;
            if let Folded::To(byte) = read {
                return Some((at, byte));
            }
        }
    })
}

/// The character of so many hexadecimal digits, if it is ASCII or folds into ASCII.
fn escape(text: &[u8], digits: usize) -> Option<Folded> {
    let digits =
        std::str::from_utf8(text.get(..digits)?).ok().filter(|digits| !digits.starts_with('+'))?;
    let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    let ascii = u8::try_from(character).ok().filter(u8::is_ascii);
    ascii.map(Folded::To).or_else(|| fold(character))
}

/// The first character of a text, if file systems fold it into ASCII, and its length.
fn folded_at(text: &[u8]) -> Option<(Folded, usize)> {
    // None of these characters has more than three bytes.
    let character = text[..text.len().min(3)].utf8_chunks().next()?.valid().chars().next()?;
    Some((fold(character)?, character.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installs(spec: &str) -> bool {
        installs_in(spec, "backend")
    }

    fn installs_in(spec: &str, directory: &str) -> bool {
        installs_from(spec, directory, &Debris::default()).is_some()
    }

    fn traced(text: &[u8], debris: &Debris) -> Option<Span> {
        find_debris(text, debris, false).map(|trace| trace.span)
    }

    /// The default, and directories of these names.
    fn with_directories(names: &[&str]) -> Debris {
        let mut debris = Debris::default();
        debris.remove(crate::base::debris::DOCKER_DEPS);
        for name in names {
            debris.add(Directory::new(*name));
        }
        debris
    }

    #[test]
    fn every_spelling_of_the_tarball_counts() {
        for spec in [
            "file:../.docker-deps/scope-x-1.0.0.tgz",
            "file:./../.docker-deps/x.tgz",
            "file:..//.docker-deps//x.tgz",
            "file:../backend/../.docker-deps/x.tgz",
            r"file:..\.docker-deps\x.tgz",
            "../.docker-deps/x.tgz",
            "../.docker-deps/x",
            ".docker-deps/x.tgz",
            "backend/.docker-deps/x.tgz",
            "/srv/app/.docker-deps/x.tgz",
            r"C:\app\.docker-deps\x.tgz",
            "~/app/.docker-deps/x.tgz",
            "file:/srv/.docker-deps/x.tgz",
            "file:///srv/.docker-deps/x.tgz",
            "FILE:../.docker-deps/x.tgz",
            " file:../.docker-deps/x.tgz ",
            "file: ../.docker-deps/x.tgz",
            "link:../.docker-deps/x",
            "portal:../.docker-deps/x",
            "workspace:../.docker-deps/x",
            "git+file:///srv/.docker-deps/x.git",
            "file:../.docker-deps",
            "file:../.docker-deps/x.tgz#sha512",
            "file:../%2edocker-deps/x.tgz",
            "file:..%2f.docker-deps%2Fx.tgz",
            "patch:@s/x@file%3A../.docker-deps/x.tgz#./x.patch",
            "patch:@s/x@file%253A..%252F%252edocker-deps%252Fx.tgz#~/x.patch",
            "exec:../.docker-deps/pack.js",
            "file://.docker-deps/x.tgz",
            "file:/../.docker-deps/x.tgz",
            "@s/x@file:../.docker-deps/x.tgz",
            "file:../.docker-deps/a@file:b.tgz",
            "file:../.Docker-Deps/x.tgz",
            "a b/.docker-deps",
            "a@b/.docker-deps",
            "a:b/.docker-deps",
            "-a/.docker-deps",
            "file:../.docker-deps/a#../../vendor/x.tgz",
            "file:../.docker-deps/a?../../vendor/x.tgz",
            r"file:../.docker-deps/x\..\..\vendor\x.tgz",
            "file:../.docker${A-}-deps/x.tgz",
            "file:../${A:-.docker}-${B}deps/${C-${D}x.tgz",
            "é:../${ü-ö}/${A:-.docker-deps}/ñ${",
            "file:../.doc\u{212a}er-dep\u{17f}/x.tgz",
            "file:${A:-../${B:-.docker-deps}/x.tgz}",
            "Npm:x/../../.docker-deps/x.tgz",
            "HTTP://../.docker-deps/x.tgz",
            "http:x/../../.docker-deps/x.tgz",
            "jsr:x/../../.docker-deps/x.tgz",
            "github:x/../../.docker-deps/x.tgz",
            "npm:@s/x@file:../.docker-deps/x.tgz",
            "patch:@s/x@1.0.0#.docker-deps/x.patch",
            "patch:@s/x@npm%3A1.0.0#a.patch&optional!.docker-deps/x.patch",
        ] {
            assert!(installs(spec), "{spec}");
        }
    }

    #[test]
    fn specs_of_other_places_do_not_count() {
        for spec in [
            "",
            "1.2.3",
            "^1.0.0 || ~2",
            "latest",
            "workspace:*",
            "workspace:^",
            "catalog:",
            "npm:@s/y@1",
            "file:./vendor/x.tgz",
            "link:../ui",
            "file:../.docker-deps/../vendor/x.tgz",
            "file:../.docker-deps-old/x.tgz",
            "file:../my.docker-deps/x.tgz",
            "https://example.org/.docker-deps/x.tgz",
            "git+ssh://git@example.org/.docker-deps/x.git",
            "github:owner/.docker-deps",
            "owner/.docker-deps",
            "owner/.docker-deps#next",
            "npm:../.docker-deps/x.tgz",
            "jsr:@s/x@1",
            "gist:0123abcd",
            "gitlab:owner/.docker-deps#next",
            "patch:@s/x@1.0.0#../.docker-deps/../x.patch",
            "owner/repository#.docker-deps/x",
            "file:../${A-vendor}/x.tgz",
            "file:../${A/.docker-dep",
        ] {
            assert!(!installs(spec), "{spec}");
        }
    }

    #[test]
    fn a_manifest_inside_the_directory_is_resolved_from_there() {
        assert!(installs_in("file:./y.tgz", "backend/.docker-deps/x"));
        assert!(!installs_in("file:../../../y.tgz", "backend/.docker-deps/x"));
        assert!(!installs_in("^1.0.0", "backend"));
    }

    #[test]
    fn a_path_in_a_setting_is_judged_as_a_path() {
        let points = |path| points_into(path, "backend", &Debris::default()).is_some();
        for path in
            [".docker-deps", "web/.docker-deps", "../.docker-deps/x.cjs", "${A-.docker-deps}"]
        {
            assert!(points(path), "{path}");
        }
        for path in ["", "vendor", ".docker-deps/../vendor", ".docker-deps-old"] {
            assert!(!points(path), "{path}");
        }
    }

    #[test]
    fn a_pattern_includes_a_directory_if_a_component_is_about_its_name() {
        let includes = |pattern: &str| includes(pattern, "backend", &Debris::default()).is_some();
        for pattern in [
            ".docker-deps",
            ".docker-deps/*",
            "../.docker-deps/acme",
            "./.docker-deps/**",
            "packages/../.docker-deps/*",
            ".docker-dep[s]/*",
            "[.]docker-deps/*",
            ".docker*/*",
            ".*/acme",
            "{.docker-deps,x}/*",
            ".docker-{x,deps/acme}",
            "{x,.docker-{deps,x}/acme}",
            "@(x|.docker-deps)/*",
            "!!.docker-deps/*",
            r".docker-deps\*",
        ] {
            assert!(includes(pattern), "{pattern}");
        }
        for pattern in [
            "",
            "*",
            "**",
            "packages/*",
            "**/acme",
            "../*/acme",
            "*-deps/*",
            "{packages,apps}/*",
            "!.docker-deps/*",
            "!(.docker-deps)/*",
            ".docker-deps/../packages/*",
            ".docker-deps-old/*",
            ".config/*",
            "}{",
            "{a,b",
            &"{a,b}".repeat(400),
            &format!("{}a{}", "{".repeat(490), "}".repeat(490)),
            &"{}".repeat(490),
        ] {
            assert!(!includes(pattern), "{pattern}");
        }
    }

    #[test]
    fn a_trace_is_found_through_escapes() {
        for (text, found) in [
            ("  version: file:.docker-deps/x.tgz", ".docker-deps"),
            ("  '@s/x@file:.docker-deps/x.tgz':", ".docker-deps"),
            (r#""resolved": "file:..\/.docker-deps/x""#, ".docker-deps"),
            (r#""file:../\u002edocker-deps/x""#, r"\u002edocker-deps"),
            (r#""file:..\\.docker-deps\\x""#, ".docker-deps"),
            ("patch:x@file%3A..%2F%2Edocker-deps%2fx", "%2Edocker-deps"),
            ("a .docker-deps-old/.DOCKER-DEPS/x", ".DOCKER-DEPS"),
        ] {
            let span =
                traced(text.as_bytes(), &Debris::default()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(text.get(span), Some(found));
        }
    }

    #[test]
    fn other_names_are_not_a_trace() {
        for text in [
            "",
            ".",
            ".docker-dep",
            "my.docker-deps/x",
            ".docker-deps-old/x",
            "..docker-deps",
            ".docker-depsé",
            r"\u002",
            "%",
        ] {
            assert_eq!(traced(text.as_bytes(), &Debris::default()), None, "{text}");
        }
    }

    #[test]
    fn configured_directories_are_found_in_the_same_spellings() {
        let debris = with_directories(&[".packed", "packages.tmp"]);
        for (spec, name) in [
            ("file:../.packed/x.tgz", ".packed"),
            ("file:..%2f%2ePACKED%2Fx.tgz", ".packed"),
            (r"link:..\packages.TMP\x", "packages.tmp"),
        ] {
            assert_eq!(installs_from(spec, "backend", &debris).unwrap().name, name, "{spec}");
            assert_eq!(
                find_debris(spec.as_bytes(), &debris, false).unwrap().directory.name,
                name,
                "{spec}"
            );
        }
        for text in [
            "packages.tmp@1.0.0",
            "my-packages.tmp/x",
            ".packed-old/x",
            "file:../.docker-deps/x.tgz",
        ] {
            assert_eq!(find_debris(text.as_bytes(), &debris, false), None, "{text}");
            assert_eq!(installs_from(text, "", &debris), None, "{text}");
        }
        // The first in the text.
        let text = r#""a": "file:../packages.tmp/x", "b": "file:../\u002epacked/y""#;
        assert_eq!(text.get(traced(text.as_bytes(), &debris).unwrap()), Some("packages.tmp"));
        let (_, rest) = text.split_at(20);
        assert_eq!(rest.get(traced(rest.as_bytes(), &debris).unwrap()), Some(r"\u002epacked"));
        assert_eq!(traced(b"file:../.docker-deps/x", &with_directories(&[])), None);
    }

    mod spellings {
        use proptest::prelude::*;

        use super::super::*;

        /// A separator, with components that resolve to nothing.
        fn joint() -> impl Strategy<Value = String> {
            let detour = prop_oneof![
                Just(""),
                Just("./"),
                Just("/"),
                Just("a/../"),
                Just("./b/.././"),
                Just("//")
            ];
            (prop_oneof![Just("/"), Just(r"\")], detour)
                .prop_map(|(separator, detour)| format!("{separator}{detour}"))
        }

        /// A character, or its percent escape.
        fn percent_escaped(text: String) -> impl Strategy<Value = String> {
            proptest::collection::vec(0..4_u8, text.len()).prop_map(move |choices| {
                text.bytes()
                    .zip(choices)
                    .map(|(byte, choice)| match choice {
                        0 => format!("%{byte:02x}"),
                        1 => format!("%{byte:02X}"),
                        _ => char::from(byte).to_string(),
                    })
                    .collect()
            })
        }

        fn spec() -> impl Strategy<Value = String> {
            let protocol = prop_oneof![
                Just(""),
                Just("file:"),
                Just("link:"),
                Just("portal:"),
                Just("file://"),
                Just("git+file://")
            ];
            let directory =
                prop_oneof![Just(".docker-deps"), Just(".Docker-Deps")].prop_map(str::to_owned);
            let start = prop_oneof![Just(".."), Just("."), Just("/srv/app"), Just("~"), Just("C:")];
            (protocol, start, joint(), directory.prop_flat_map(percent_escaped), joint()).prop_map(
                |(protocol, start, a, directory, b)| {
                    format!("{protocol}{start}{a}{directory}{b}x.tgz")
                },
            )
        }

        proptest! {
            #[test]
            fn any_way_into_the_directory_is_found(spec in spec()) {
                let found = installs_from(&spec, "backend", &Debris::default()).is_some();
                prop_assert!(found, "{spec}");
            }

            #[test]
            fn a_trace_is_found_where_a_spec_is(spec in spec()) {
                let line = format!("  '@s/x@{spec}': 1");
                let found = find_debris(line.as_bytes(), &Debris::default(), false).is_some();
                prop_assert!(found, "{line}");
                let text = format!("a: 1\n{line}\nb: %2f\n");
                prop_assert!(could_hold_debris(text.as_bytes(), &Debris::default()), "{text}");
            }

            #[test]
            fn every_text_is_searched(text in any::<Vec<u8>>()) {
                let debris = Debris::default();
                let _ = find_debris(&text, &debris, false).map(|trace| &text[trace.span]);
                let text = String::from_utf8_lossy(&text);
                let _ = installs_from(&text, "a/b", &debris);
                let _ = points_into(&text, "a/b", &debris);
                let _ = includes(&text, "a/b", &debris);
            }
        }
    }
}
