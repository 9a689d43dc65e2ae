//! Parsers: bytes in, values with spans out. They do no I/O.

pub(crate) mod document;
mod hcl;
mod json;
mod toml;
mod tool_versions;
mod yaml;
pub(crate) mod lockfile;
pub(crate) mod joined;
pub(crate) mod npmrc;
pub(crate) mod package;
pub(crate) mod shell;
pub(crate) mod dockerfile;
pub(crate) mod dockerignore;
pub(crate) mod gitignore;
pub(crate) mod trace;
pub(crate) mod spec;

pub(crate) use document::Syntax;
use document::{Node, SyntaxError};

/// Parses a file. A leading byte order mark is skipped, as the package managers do; spans count it.
pub(crate) fn parse(syntax: Syntax, bytes: &[u8]) -> Result<Node, SyntaxError> {
    let text = std::str::from_utf8(bytes).map_err(|error| SyntaxError {
        span: error.valid_up_to()..error.valid_up_to() + error.error_len().unwrap_or(1),
        message: "the file is not UTF-8".into(),
    })?;
    let unmarked = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parsed = match syntax {
        Syntax::Json | Syntax::Json5 | Syntax::Jsonc => json::parse(unmarked, syntax),
        Syntax::Yaml => yaml::parse(unmarked),
        Syntax::Toml => toml::parse(unmarked),
        Syntax::Hcl => hcl::parse(unmarked),
        Syntax::ToolVersions => Ok(tool_versions::parse(unmarked)),
    };
    let mark = text.len() - unmarked.len();
    if mark > 0 {
        match &mut parsed {
            Ok(root) => root.shift(mark),
            Err(error) => error.span = document::shifted(&error.span, mark),
        }
    }
    parsed
}
