#![doc = include_str!("../../../docs/rules/docker-deps-in-code.md")]

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::finding::{Severity, line_around};
use crate::formats::trace::{Mention, could_hold_debris, find_debris};
use crate::project::SourceFile;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup};

pub(crate) const RULE: Rule = Rule {
    id: "docker-deps-in-code",
    summary: "a hook of pnpm or a plugin of Yarn that names .docker-deps",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/docker-deps-in-code.md"),
    check: Check::File { wants: |path| FileKind::InstallCode.matches(path), judge },
    ..Rule::base(RuleGroup::Guard)
};

/// The maximum number of mentions that are judged: a hostile file has any number.
const MAX_MENTIONS: usize = 100;

fn judge(known: &SourceFile, debris: &Debris, findings: &mut Findings) {
    let file = &known.file;
    if !could_hold_debris(&file.text, debris) {
        return;
    }
    let found = mentions(file, debris).take(MAX_MENTIONS).find(|trace| is_path(&file.text, trace));
    if let Some(Mention { directory, span }) = found {
        let message = format!("this code names {}, so an install may read it", directory.name);
        findings.place(file, &span, message).help("install from another place", &[]);
    }
}

/// The places of a file that name a directory of leftovers.
fn mentions<'a>(file: &'a File, debris: &'a Debris) -> impl Iterator<Item = Mention<'a>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let Mention { directory, span } = find_debris(&file.text[from..], debris, false)?;
        let span = from + span.start..from + span.end;
        from = span.end;
        Some(Mention { directory, span })
    })
}

/// Whether a trace is a component of a path in quotes. A text with blanks is a message, and a line
/// that begins as a comment is one.
fn is_path(text: &[u8], trace: &Mention<'_>) -> bool {
    let line = line_around(text, trace.span.start);
    let before = &text[line.start..trace.span.start];
    let after = &text[trace.span.end..line.end.max(trace.span.end)];
    let Some(open) = before.iter().rposition(|byte| b"\"'`".contains(byte)) else { return false };
    let Some(close) = after.iter().position(|byte| *byte == before[open]) else { return false };
    let inside = [&before[open + 1..], &after[..close]].concat();
    let code = &before[..open];
    let is_comment =
        [&b"//"[..], b"/*", b"*"].iter().any(|mark| code.trim_ascii().starts_with(mark))
            || memchr::memmem::find(code, b" //").is_some();
    !is_comment
        && !inside.iter().any(u8::is_ascii_whitespace)
        && (close == 0 || matches!(after[0], b'/' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    fn judged(path: &str, text: &str) -> Vec<String> {
        transcript(&RULE, &Fake::default().file(path, &text.replace("DIR", ".docker-deps")))
    }

    #[test]
    fn a_path_in_a_literal_is_found() {
        for (text, place) in [
            ("p.x = 'file:../DIR/acme.tgz'", "1:16"),
            ("// a\nconst at = path.join(__dirname, \"DIR\", name)", "2:34"),
            ("x = `${__dirname}/DIR/${name}.tgz`", "1:19"),
            (r"x = '..\\DIR\\acme.tgz'", "1:10"),
            ("/* DIR */ const a = 1 // 'DIR/x'\nb('DIR/acme')", "2:4"),
            ("x = 'https://example.org' + '/DIR/x'", "1:31"),
            (r"x = '../\u002edocker-deps/x'", "1:9"),
        ] {
            let message = "this code names .docker-deps, so an install may read it";
            for path in [".pnpmfile.cjs", "a/.pnpmfile.mjs", ".yarn/plugins/@s/plugin-x.cjs"] {
                assert_eq!(judged(path, text), [format!("{path}:{place}: {message}")], "{text}");
            }
        }
    }

    #[test]
    fn other_code_passes() {
        for text in [
            "module.exports = {}",
            "// 'DIR/x'",
            "  // readPackage must not return 'file:../DIR/x'",
            "/**\n * Refuses `DIR/x`.\n */",
            "a() // 'DIR/x'",
            "if (/DIR\\//.test(spec)) throw new Error('never install from DIR/')",
            "throw new Error(\"DIR is not restored\")",
            "x = DIR",
            "x = 'my.docker-deps/x' + '.docker-deps-old/x'",
            "x = 'DIR\ny'",
            "x = 'DIR.tgz'",
            "x = DIR' + \"",
        ] {
            assert_eq!(judged(".pnpmfile.cjs", text), [""; 0], "{text}");
        }
        for path in ["pnpmfile.js", "scripts/prep.cjs", ".yarn/releases/yarn-4.cjs", "a.cjs"] {
            assert_eq!(judged(path, "x = 'DIR/x'"), [""; 0], "{path}");
        }
        assert_eq!(judged(".pnpmfile.cjs", &"DIR\n".repeat(2000)), [""; 0]);
    }
}
