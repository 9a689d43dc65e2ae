//! How a file of a repository differs from a canonical one and its history.
//!
//! Two cases need opposite actions: a copy of an older version may be overwritten; one that
//! somebody edited may have a fix that the canonical file lacks.

use crate::edit::diff::differing_lines;
use crate::fleet::list::LinePattern;
use crate::fleet::{Cell, CellState};

/// The largest file that is compared, in bytes.
pub(crate) const LIMIT: u64 = 256 * 1024;

/// The maximum number of versions that an edited file is compared with line by line.
const NEAREST: usize = 200;

/// A canonical file with its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Canonical {
    /// The mode of the newest version, as git has it.
    pub mode: u32,
    /// The committed texts, the newest first, without duplicates.
    pub versions: Vec<Vec<u8>>,
    /// Whether these are all that were ever committed.
    pub is_whole: bool,
}

/// What a repository has at the path of a template, in HEAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Committed {
    Missing,
    /// A directory, a symbolic link or a submodule.
    Irregular,
    TooLarge,
    /// A file, with its mode as git has it.
    File {
        mode: u32,
        text: Vec<u8>,
    },
}

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Drift {
    AsTemplate,
    /// It equals the version before so many others: it is safe to overwrite.
    Behind(usize),
    /// It equals a version but for the ends of lines.
    LineEnds {
        /// Whether it has CRLF.
        is_crlf: bool,
    },
    /// It is no version.
    Edited {
        /// The lines that differ from the most similar version.
        lines: usize,
        /// How far that one is behind.
        behind: usize,
    },
    Missing,
    Irregular,
    TooLarge,
    /// It is none of the known versions, and others are not known.
    Unknown,
}

/// Compares a file with every version of the canonical one.
pub(crate) fn compare(
    canonical: &Canonical,
    may_differ: &[LinePattern],
    found: &Committed,
) -> Drift {
    let text = match found {
        Committed::Missing => return Drift::Missing,
        Committed::Irregular => return Drift::Irregular,
        Committed::TooLarge => return Drift::TooLarge,
        Committed::File { text, .. } => text,
    };
    let own = comparable(text, may_differ);
    let versions: Vec<String> =
        canonical.versions.iter().map(|version| comparable(version, may_differ)).collect();
    match versions.iter().position(|version| *version == own) {
        Some(0) => return Drift::AsTemplate,
        Some(behind) => return Drift::Behind(behind),
        None if !canonical.is_whole => return Drift::Unknown,
        None => {}
    }
    let plain = |text: &str| text.replace("\r\n", "\n");
    let plain_own = plain(&own);
    if versions.iter().any(|version| plain(version) == plain_own) {
        return Drift::LineEnds { is_crlf: own.contains("\r\n") };
    }
    let near = versions.iter().take(NEAREST).enumerate();
    let (lines, behind) = near
        .map(|(behind, version)| (differing_lines(version, &own), behind))
        .min()
        .unwrap_or_default();
    Drift::Edited { lines, behind }
}

/// The text with each line that may differ replaced by the number of its pattern: two texts are
/// equal if and only if these are. A byte that is not UTF-8 stays distinct.
fn comparable(text: &[u8], may_differ: &[LinePattern]) -> String {
    let mut whole = String::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        match may_differ.iter().position(|pattern| pattern.0.is_match(content)) {
            // No line of a text file begins so.
            Some(number) => whole.push_str(&format!("\0{number}\n")),
            None => {
                for chunk in line.utf8_chunks() {
                    whole.push_str(chunk.valid());
                    chunk.invalid().iter().for_each(|byte| whole.push_str(&format!("\0{byte:x}")));
                }
            }
        }
    }
    whole
}

impl Drift {
    /// The cell about a file with this mode.
    pub(crate) fn cell(&self, canonical: &Canonical, found: &Committed) -> Cell {
        let cell = match self {
            Self::AsTemplate => Cell::good("as the template"),
            Self::Behind(behind) => Cell::new(CellState::Bad, format!("{behind} behind"))
                .detail("it equals an older version: safe to overwrite"),
            Self::LineEnds { is_crlf } => Cell::new(CellState::Bad, "line ends")
                .detail(if *is_crlf { "CRLF instead of LF" } else { "LF instead of CRLF" }),
            Self::Edited { lines, behind } => {
                let version = match behind {
                    0 => "newest version".to_owned(),
                    behind => format!("version {behind} behind"),
                };
                let verb = if *lines == 1 { "line differs" } else { "lines differ" };
                Cell::new(CellState::Bad, "edited").detail(format!(
                    "{lines} {verb} from the {version}: perhaps a fix that the canonical file lacks"
                ))
            }
            Self::Missing => Cell::new(CellState::Bad, "missing").detail("HEAD lacks it"),
            Self::Irregular => {
                Cell::new(CellState::Bad, "no file").detail("HEAD has something else there")
            }
            Self::TooLarge => Cell::new(CellState::Bad, "edited").detail("it is far longer"),
            Self::Unknown => Cell::new(CellState::Unknown, "unknown")
                .detail("it is no known version, and the history of the canonical file is cut off"),
        };
        match found {
            Committed::File { mode, .. } if *mode != canonical.mode => {
                let wanted = format!("instead of {:o}", canonical.mode);
                let mode = format!("mode {mode:o}");
                let (text, detail) = match cell.detail {
                    Some(detail) => (cell.text, format!("{mode} {wanted}; {detail}")),
                    None => (mode, wanted),
                };
                Cell::new(cell.state.max(CellState::Bad), text).detail(detail)
            }
            _ => cell,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: u32 = 0o100_644;
    const EXECUTABLE: u32 = 0o100_755;

    fn canonical(versions: &[&str]) -> Canonical {
        let versions = versions.iter().map(|text| text.as_bytes().to_vec()).collect();
        Canonical { mode: EXECUTABLE, versions, is_whole: true }
    }

    fn file(text: &[u8]) -> Committed {
        Committed::File { mode: EXECUTABLE, text: text.to_vec() }
    }

    fn patterns(texts: &[&str]) -> Vec<LinePattern> {
        texts.iter().map(|text| LinePattern::try_from((*text).to_owned()).unwrap()).collect()
    }

    #[test]
    fn each_answer() {
        let known = canonical(&["a\nb\nS=new\nc\n", "a\nb\nS=old\n", "a\nS=old\n"]);
        let compare = |text: &str| compare(&known, &patterns(&["^S="]), &file(text.as_bytes()));
        for (text, drift) in [
            ("a\nb\nS=mine\nc\n", Drift::AsTemplate),
            ("a\nb\nS=mine\n", Drift::Behind(1)),
            ("a\nS=mine\n", Drift::Behind(2)),
            ("a\r\nb\r\nS=mine\r\nc\r\n", Drift::LineEnds { is_crlf: true }),
            ("a\nb\nS=mine\nC\n", Drift::Edited { lines: 1, behind: 0 }),
            ("a\nx\nS=mine\n", Drift::Edited { lines: 1, behind: 1 }),
            // The line that may differ must be there.
            ("a\nb\nc\n", Drift::Edited { lines: 1, behind: 0 }),
            ("a\nb\nS=new\nc", Drift::Edited { lines: 1, behind: 0 }),
            ("", Drift::Edited { lines: 2, behind: 2 }),
        ] {
            assert_eq!(compare(text), drift, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_file_is_said() {
        let known = canonical(&["a\n"]);
        for (found, drift, text) in [
            (Committed::Missing, Drift::Missing, "missing"),
            (Committed::Irregular, Drift::Irregular, "no file"),
            (Committed::TooLarge, Drift::TooLarge, "edited"),
        ] {
            assert_eq!(compare(&known, &[], &found), drift);
            assert_eq!(drift.cell(&known, &found).text, text);
        }
    }

    #[test]
    fn a_history_that_is_cut_off_proves_no_edit() {
        let cut = Canonical { is_whole: false, ..canonical(&["a\n", "b\n"]) };
        assert_eq!(compare(&cut, &[], &file(b"a\n")), Drift::AsTemplate);
        assert_eq!(compare(&cut, &[], &file(b"b\n")), Drift::Behind(1));
        assert_eq!(compare(&cut, &[], &file(b"c\n")), Drift::Unknown);
        assert_eq!(Drift::Unknown.cell(&cut, &file(b"c\n")).state, CellState::Unknown);
    }

    #[test]
    fn another_mode_is_bad_in_itself() {
        let known = canonical(&["a\n", "b\n"]);
        let plain = |text: &[u8]| Committed::File { mode: PLAIN, text: text.to_vec() };
        let cell = |text: &[u8]| {
            let found = plain(text);
            compare(&known, &[], &found).cell(&known, &found)
        };
        let mode = "mode 100644 instead of 100755";
        let alone = Cell::new(CellState::Bad, "mode 100644").detail("instead of 100755");
        assert_eq!(cell(b"a\n"), alone);
        let behind = cell(b"b\n");
        assert_eq!(behind.text, "1 behind");
        assert!(behind.detail.unwrap().starts_with(&format!("{mode}; it equals")));
    }

    #[test]
    fn bytes_that_are_no_text_are_compared() {
        let one =
            Canonical { mode: EXECUTABLE, versions: vec![b"a\xff\n".to_vec()], is_whole: true };
        assert_eq!(compare(&one, &[], &file(b"a\xff\n")), Drift::AsTemplate);
        let other = compare(&one, &[], &file(b"a\xfe\n"));
        assert_eq!(other, Drift::Edited { lines: 1, behind: 0 });
    }
}
