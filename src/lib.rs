//! Keeps leftovers of Docker build preparation out of git history.
//!
//! The modules are listed in the order of their layers: each uses only those above it. See
//! docs/architecture.md.

// Vocabulary, the process and the machine, files.
mod base;
mod os;
mod disk;
// States and measurements.
mod snapshot;
mod measure;
// Parsers, typed views, edits, pins, builds, rules, restoring, preparing, configuration, engine.
mod formats;
mod models;
mod project;
mod edit;
mod pins;
mod builds;
mod locks;
mod rule;
mod rules;
mod restore;
mod prepare;
mod config;
mod engine;
// Many repositories.
mod fleet;
// The repository and its hooks.
mod git;
mod hooks;
// Next steps.
mod cure;
// Output.
mod report;
mod commands;
mod cli;
mod program;

// Fuzz targets; see fuzz/.
#[cfg(any(fuzzing, test))]
pub mod fuzz;
#[cfg(test)]
mod tidy;

pub use os::crash::report_panics;
pub use program::{Answer, ignore_file_size_signal, run};
