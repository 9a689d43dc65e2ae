//! Parsers: bytes in, values with their places out. They do no I/O and know no rule.

pub(crate) mod document;
pub(crate) mod joined;
pub(crate) mod json;
pub(crate) mod npmrc;
pub(crate) mod package;
pub(crate) mod shell;
pub(crate) mod dockerfile;
pub(crate) mod spec;
mod toml;
mod tool_versions;
pub(crate) mod yaml;

use crate::base::finding::Span;

use document::{Node, SyntaxError};

/// The languages that manifests and settings are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// RFC 8259, as `JSON.parse` takes it.
    Json,
    /// JSON5: comments, trailing commas, bare keys, single quotes.
    Json5,
    /// JSON with comments and trailing commas, as editors take it.
    Jsonc,
    /// YAML 1.2, with the merge keys of 1.1.
    Yaml,
    /// TOML 1.1.
    Toml,
    /// The lines of `.tool-versions`.
    ToolVersions,
}

/// Parses a file. A leading byte order mark is passed over, as the package managers do; spans count
/// it.
pub(crate) fn parse(syntax: Syntax, bytes: &[u8]) -> Result<Node, SyntaxError> {
    let text = std::str::from_utf8(bytes).map_err(|error| SyntaxError {
        span: error.valid_up_to()..error.valid_up_to() + error.error_len().unwrap_or(1),
        message: "the file is not UTF-8".into(),
    })?;
    let unmarked = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mark = text.len() - unmarked.len();
    let shift = |span: Span| span.start + mark..span.end + mark;
    match syntax {
        Syntax::Json => json::parse(unmarked, json::JsonDialect::Strict, shift),
        Syntax::Json5 => json::parse(unmarked, json::JsonDialect::Json5, shift),
        Syntax::Jsonc => json::parse(unmarked, json::JsonDialect::Jsonc, shift),
        Syntax::Yaml => yaml::parse(unmarked, shift),
        Syntax::Toml => toml::parse(unmarked, shift),
        Syntax::ToolVersions => Ok(tool_versions::parse(unmarked, shift)),
    }
}
