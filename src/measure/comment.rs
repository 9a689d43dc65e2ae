//! Comments that change the content of a file and nothing of its meaning. BuildKit compares
//! content: a new time alone changes no step.

use crate::base::path::RepoPath;

/// The ends of file names, and how a comment begins and ends there.
const KINDS: [(&[&str], &str, &str); 5] = [
    (
        &[
            "ts", "tsx", "mts", "cts", "js", "jsx", "mjs", "cjs", "go", "rs", "java", "kt", "kts",
            "c", "h", "cc", "cpp", "hpp", "cs", "swift", "scala", "dart",
        ],
        "// ",
        "",
    ),
    (&["py", "rb", "sh", "bash", "yml", "yaml", "toml"], "# ", ""),
    (&["css", "scss", "less"], "/* ", " */"),
    (&["html", "htm", "vue", "svelte"], "<!-- ", " -->"),
    (&["sql"], "-- ", ""),
];

/// A comment with a word, for a kind of file; `None` if its kind is not known.
pub(crate) fn comment(path: &RepoPath, word: &str) -> Option<String> {
    let name = std::str::from_utf8(path.file_name()).ok()?;
    let (_, end) = name.rsplit_once('.')?;
    let end = end.to_ascii_lowercase();
    let (_, open, close) = KINDS.into_iter().find(|(ends, ..)| ends.contains(&&*end))?;
    Some(format!("{open}bakstop measure {word}{close}"))
}

/// A text with a comment as its last line.
pub(crate) fn commented(text: &[u8], comment: &str) -> Vec<u8> {
    let start = if text.last().is_none_or(|&byte| byte == b'\n') { "" } else { "\n" };
    [text, start.as_bytes(), comment.as_bytes(), b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_file_has_its_comment() {
        for (path, expected) in [
            ("web/src/a.ts", Some("// bakstop measure 1")),
            ("a.test.TSX", Some("// bakstop measure 1")),
            ("a/b.py", Some("# bakstop measure 1")),
            ("a.css", Some("/* bakstop measure 1 */")),
            ("a.vue", Some("<!-- bakstop measure 1 -->")),
            ("package.json", None),
            ("Makefile", None),
            ("a.ts/b", None),
            ("a.", None),
        ] {
            assert_eq!(comment(&path.into(), "1").as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_comment_is_a_line_of_its_own() {
        for (text, expected) in [("", "# x\n"), ("a\n", "a\n# x\n"), ("a", "a\n# x\n")] {
            assert_eq!(commented(text.as_bytes(), "# x"), expected.as_bytes());
        }
    }
}
