//! Dependency specs: where package managers install a dependency from.

use std::borrow::Cow;

use crate::base::debris::{Debris, Directory};
use crate::base::pattern::LONGEST;
use crate::formats::npmrc::without_variables;
use crate::formats::trace::unescaped;

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
    if is_name(spec) {
        let components = directory.split('/').chain([spec.trim()]);
        return components.into_iter().find_map(|name| debris.directory(name.as_bytes()));
    }
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

/// The directory of leftovers that the path in a setting leads into. It may be written like a
/// spec.
pub(crate) fn points_into<'a>(
    spelled: &str,
    directory: &str,
    debris: &'a Debris,
) -> Option<&'a Directory> {
    let path = |text| if split_protocol(text).is_some() { local_path(text) } else { Some(text) };
    let readings = readings(spelled);
    readings
        .iter()
        .filter_map(|text| path(text))
        .find_map(|path| leads_into(path, directory, debris))
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

/// The maximum number of alternatives of a glob that are judged: a hostile one has any number.
const MAX_ALTERNATIVES: usize = 64;

/// A glob of another tool with each choice from its groups: `{a,b}` and `@(a|b)`.
fn alternatives(glob: &str) -> Vec<String> {
    let mut plain = Vec::new();
    let mut open = vec![glob.to_owned()];
    while let Some(glob) = open.pop().filter(|_| plain.len() < MAX_ALTERNATIVES) {
        // The first group that has no group in it.
        let group = glob.find(['}', ')']).filter(|_| glob.len() <= LONGEST).and_then(|end| {
            let (before, after) = glob.split_at(end);
            let (head, choices) = before.rsplit_once(['{', '('])?;
            let sign = if after.starts_with(')') { &['@', '+', '?', '*'][..] } else { &[] };
            Some((head.trim_end_matches(sign), choices, after.get(1..)?))
        });
        let Some((head, choices, tail)) = group else {
            plain.push(glob);
            continue;
        };
        let choices = choices.split([',', '|']).take(MAX_ALTERNATIVES);
        open.extend(choices.map(|choice| [head, choice, tail].concat()));
        open.truncate(MAX_ALTERNATIVES);
    }
    plain
}

/// Whether a spec can only be read as one name: most are a version.
fn is_name(spec: &str) -> bool {
    let is_special = |byte: u8| matches!(byte, b'/' | b'\\' | b'%' | b'$' | b':' | b'#' | b'?');
    !spec.trim_start().starts_with('.') && !spec.bytes().any(is_special)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::finding::Span;
    use crate::formats::trace::find_debris;

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
            [".docker-deps", "web/.docker-deps", "file:.docker-deps/x.tgz", "${A-.docker-deps}"]
        {
            assert!(points(path), "{path}");
        }
        for path in ["", "vendor", ".docker-deps/../vendor", "https://x.org/.docker-deps/x"] {
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
            "*(.docker-deps)/*",
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
    fn groups_of_other_tools_have_alternatives() {
        for (glob, expected) in [
            ("", ""),
            ("a/*", "a/*"),
            ("{a,b}/c", "b/c a/c"),
            ("x{a,{b,c}d}", "xcd xa xbd xa"),
            ("@(a|b)?{c}+(d)", "b?cd a?cd"),
            ("{a", "{a"),
            ("a}{b,c}", "a}{b,c}"),
            ("{é,}ü", "ü éü"),
        ] {
            assert_eq!(alternatives(glob).join(" "), expected, "{glob}");
        }
        for hostile in ["{a,b}".repeat(200), "{}".repeat(499), format!("{{{}}}", ",".repeat(900))] {
            assert!(alternatives(&hostile).len() <= MAX_ALTERNATIVES, "{hostile}");
        }
        assert_eq!(alternatives(&"{a,b}".repeat(201)).len(), 1);
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
        use crate::formats::trace::{could_hold_debris, find_debris};

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

    proptest::proptest! {
        #[test]
        fn a_spec_that_is_one_name_is_read_as_any_other(
            spec in "[ .a-c0-9^~*|-]{0,6}(\\.Docker-deps|\\.docker-dep\u{17f})?[ .1-]{0,2}",
            directory in "(|a|a/\\.docker-deps|\\.docker-deps/a)",
        ) {
            let debris = Debris::default();
            let by_path = leads_into(spec.trim(), &directory, &debris);
            proptest::prop_assert_eq!(installs_from(&spec, &directory, &debris), by_path);
        }
    }
}
