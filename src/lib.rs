//! bakstop keeps the leftovers of Docker build preparation out of git history.
//!
//! The modules are listed in the order of their layers: each uses only those above it. See
//! docs/architecture.md.

// Inert vocabulary, then the process, the machine and the files of users.
mod base;
mod os;
mod disk;
// Values that are compared over time.
mod snapshot;
mod measure;
// Parsers, typed views of what they parse, rules, configuration, and the engine that brings them
// together.
mod formats;
mod models;
mod project;
mod edit;
mod pins;
mod rule;
mod rules;
mod config;
mod engine;
// The repository and its hooks.
mod git;
mod hooks;
// What a person does next.
mod cure;
// Output.
mod report;
mod commands;
mod cli;
mod program;

// Feeds the parsers with any bytes; see fuzz/.
#[cfg(any(fuzzing, test))]
pub mod fuzz;
#[cfg(test)]
mod tidy;

pub use os::crash::report_panics;
pub use program::{Answer, ignore_file_size_signal, run};
