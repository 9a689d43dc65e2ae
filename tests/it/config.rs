//! `bakstop.json`: what a repository may say, at every door, and what it may not.

use crate::support::{Ran, Sandbox};

mod schema;

/// What the program says of a configuration, where there is nothing to judge by it.
fn read(sandbox: &Sandbox, text: &str) -> Ran {
    let path = sandbox.outside().join("given.json");
    std::fs::write(&path, text).unwrap();
    let ran = sandbox.bakstop(&["check", "--config", "../given.json"]);
    assert!(matches!(ran.code, Some(0 | 2)), "{ran:?}");
    ran
}
