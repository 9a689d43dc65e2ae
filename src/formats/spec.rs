//! Dependency specs: what a string in a dependency field makes a package manager install.

use std::borrow::Cow;

use crate::debris::{DOCKER_DEPS, is_docker_deps};
use crate::finding::Span;

/// Whether a spec in a dependency field installs from a `.docker-deps` directory.
///
/// `directory` is that of the manifest, relative to the top of the work tree. Decided on the meaning: the protocol is
/// stripped, `\` read as `/`, and `.`, `..` and doubled slashes are resolved; a spec that only passes through the
/// directory (`file:.docker-deps/../vendor/x.tgz`) does not count. Package managers resolve against different
/// directories (the manifest's, the workspace's, the dependent's), so any `.docker-deps` of the resolved path counts.
/// Percent-escapes are undone as often as yarn undoes them: twice inside `patch:`.
pub fn installs_from_docker_deps(spec: &str, directory: &str) -> bool {
    let once = percent_decoded(spec);
    let twice = percent_decoded(&once);
    [spec, &once, &twice]
        .into_iter()
        // `@scope/x@file:…`, the way an alias or a resolution may name its target.
        .flat_map(|spec| [Some(spec), behind(spec, "@file:"), behind(spec, "@link:")])
        .filter_map(|spec| local_path(spec?.trim()))
        .any(|path| leads_into_docker_deps(path, directory))
}

/// Protocols that name something elsewhere: a registry, a server, a catalog whose own entry is judged where it stands.
const REMOTE: [&str; 16] = [
    "npm",
    "jsr",
    "catalog",
    "http",
    "https",
    "git",
    "git+http",
    "git+https",
    "git+ssh",
    "git+rsync",
    "ssh",
    "github",
    "gitlab",
    "bitbucket",
    "gist",
    "runtime",
];

/// What stands behind the last of these marks.
fn behind<'a>(spec: &'a str, mark: &str) -> Option<&'a str> {
    spec.rsplit_once(mark).map(|(_, rest)| rest)
}

/// The path that a spec names on this machine; `None` if it names something elsewhere.
fn local_path(spec: &str) -> Option<&str> {
    if let Some((protocol, path)) = split_protocol(spec) {
        let remote = REMOTE.iter().any(|known| known.eq_ignore_ascii_case(protocol));
        return (!remote).then_some(path);
    }
    // `owner/repository` is a GitHub shorthand unless it is spelled as a path or names a tarball.
    let path_like = spec.starts_with(['.', '/', '\\', '~']) || is_tarball(spec) || spec.contains('\\');
    let components = spec.split('/').count();
    (path_like || components != 2).then_some(spec)
}

/// Splits `file:../x` into protocol and path. A single letter is a Windows drive, not a protocol.
fn split_protocol(spec: &str) -> Option<(&str, &str)> {
    let (protocol, path) = spec.split_once(':')?;
    let scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let valid = protocol.len() > 1 && protocol.as_bytes()[0].is_ascii_alphabetic() && protocol.bytes().all(scheme);
    valid.then_some((protocol, path))
}

fn is_tarball(spec: &str) -> bool {
    let spec = spec.to_ascii_lowercase();
    [".tgz", ".tar.gz", ".tar"].iter().any(|ending| spec.ends_with(ending))
}

fn leads_into_docker_deps(path: &str, directory: &str) -> bool {
    let path = path.trim_start();
    let absolute = path.starts_with(['/', '\\']) || path.as_bytes().get(1) == Some(&b':');
    let base = if absolute { "" } else { directory };
    let mut resolved: Vec<&str> = Vec::new();
    for component in base.split('/').chain(path.split(['/', '\\', '#', '?'])) {
        match component {
            "" | "." => {}
            ".." => {
                resolved.pop();
            }
            _ => resolved.push(component),
        }
    }
    resolved.iter().any(|component| is_docker_deps(component.as_bytes()))
}

/// Undoes `%2e` and its kin; anything that is no escape stays.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let (decoded, _) = unescaped(text.as_bytes());
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

/// Whether a text of unknown structure mentions `.docker-deps`, in whatever escapes: two layers of them, as a URL in a
/// string has. Where; at the start, if two layers hide the place.
pub fn mention(text: &[u8]) -> Option<Span> {
    find_docker_deps(text).or_else(|| find_docker_deps(&unescaped(text).0).map(|_| 0..0))
}

/// Finds the first `.docker-deps` path component in a text of unknown structure: a lockfile's line, or a manifest that
/// does not parse. Escapes of JSON, YAML and URLs are undone for the comparison; the span is that of the source.
///
/// A name that only begins or ends like it (`my.docker-deps`, `.docker-deps-old`) is another name.
pub fn find_docker_deps(text: &[u8]) -> Option<Span> {
    if !text.iter().any(|byte| matches!(byte, b'\\' | b'%')) {
        return find_component(text);
    }
    let (plain, offsets) = unescaped(text);
    let found = find_component(&plain)?;
    Some(offsets[found.start]..offsets[found.end])
}

fn find_component(text: &[u8]) -> Option<Span> {
    let part_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte) || !byte.is_ascii();
    let mut from = 0;
    // `.docker-deps` has one dot, at its start: each dot of the text is a candidate.
    while let Some(dot) = text[from..].iter().position(|&byte| byte == b'.') {
        let start = from + dot;
        let end = start + DOCKER_DEPS.len();
        from = start + 1;
        let same = text.get(start..end).is_some_and(is_docker_deps);
        let begins = start == 0 || !part_of_name(&text[start - 1]);
        if same && begins && !text.get(end).is_some_and(part_of_name) {
            return Some(start..end);
        }
    }
    None
}

/// The text with `\uXXXX`, `\xXX` and `%XX` of ASCII characters undone and `\` read as `/`, and for each of its bytes
/// the offset in the source, with one more for the end.
fn unescaped(text: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let hex = |digits: Option<&[u8]>| {
        let digits = std::str::from_utf8(digits?).ok().filter(|digits| !digits.starts_with('+'))?;
        u8::try_from(u32::from_str_radix(digits, 16).ok()?).ok().filter(u8::is_ascii)
    };
    let mut plain = Vec::with_capacity(text.len());
    let mut offsets = Vec::with_capacity(text.len() + 1);
    let mut at = 0;
    while at < text.len() {
        let (byte, length) = match &text[at..] {
            [b'\\', b'u', ..] => hex(text.get(at + 2..at + 6)).map_or((b'/', 1), |byte| (byte, 6)),
            [b'\\', b'x', ..] => hex(text.get(at + 2..at + 4)).map_or((b'/', 1), |byte| (byte, 4)),
            [b'%', ..] => hex(text.get(at + 1..at + 3)).map_or((b'%', 1), |byte| (byte, 3)),
            [b'\\', ..] => (b'/', 1),
            [byte, ..] => (*byte, 1),
            [] => break,
        };
        plain.push(byte);
        offsets.push(at);
        at += length;
    }
    offsets.push(text.len());
    (plain, offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installs(spec: &str) -> bool {
        installs_from_docker_deps(spec, "backend")
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
        ] {
            assert!(installs(spec), "{spec}");
        }
    }

    #[test]
    fn what_installs_from_elsewhere_does_not_count() {
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
        ] {
            assert!(!installs(spec), "{spec}");
        }
    }

    #[test]
    fn a_manifest_inside_the_directory_is_resolved_from_there() {
        assert!(installs_from_docker_deps("file:./y.tgz", "backend/.docker-deps/x"));
        assert!(!installs_from_docker_deps("file:../../../y.tgz", "backend/.docker-deps/x"));
        assert!(!installs_from_docker_deps("^1.0.0", "backend"));
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
            let span = find_docker_deps(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(&text[span], found);
        }
    }

    #[test]
    fn other_names_are_no_trace() {
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
            assert_eq!(find_docker_deps(text.as_bytes()), None, "{text}");
        }
    }

    mod spellings {
        use proptest::prelude::*;

        use super::super::*;

        /// A separator, and steps that lead nowhere.
        fn joint() -> impl Strategy<Value = String> {
            let detour = prop_oneof![Just(""), Just("./"), Just("/"), Just("a/../"), Just("./b/.././"), Just("//")];
            (prop_oneof![Just("/"), Just(r"\")], detour).prop_map(|(separator, detour)| format!("{separator}{detour}"))
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
            let directory = prop_oneof![Just(".docker-deps"), Just(".Docker-Deps")].prop_map(str::to_owned);
            let start = prop_oneof![Just(".."), Just("."), Just("/srv/app"), Just("~"), Just("C:")];
            (protocol, start, joint(), directory.prop_flat_map(percent_escaped), joint())
                .prop_map(|(protocol, start, a, directory, b)| format!("{protocol}{start}{a}{directory}{b}x.tgz"))
        }

        proptest! {
            #[test]
            fn any_way_into_the_directory_is_found(spec in spec()) {
                prop_assert!(installs_from_docker_deps(&spec, "backend"), "{spec}");
            }

            #[test]
            fn a_trace_is_found_where_a_spec_is(spec in spec()) {
                let line = format!("  '@s/x@{spec}': 1");
                let span = find_docker_deps(line.as_bytes());
                prop_assert!(span.is_some(), "{line}");
            }

            #[test]
            fn no_text_is_too_odd(text in any::<Vec<u8>>()) {
                let _ = find_docker_deps(&text).map(|span| &text[span]);
                let _ = installs_from_docker_deps(&String::from_utf8_lossy(&text), "a/b");
            }
        }
    }
}
