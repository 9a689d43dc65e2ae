//! Parsers: bytes in, values with their places out. They do no I/O and know no rule.

pub mod dockerfile;
pub mod document;
pub mod json;
pub mod npmrc;
pub mod shell;
pub mod spec;
pub mod yaml;
