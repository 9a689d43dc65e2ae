//! Tests in real repositories. They run the program as a user, git or a hook manager does.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene should stop")]
#![allow(clippy::disallowed_methods, reason = "tests pass the machine's PATH on")]

mod act;
mod adversarial;
mod build;
mod check;
mod ci;
mod commits;
mod config;
mod doctor;
mod doors;
mod environments;
mod facts;
mod fleet;
mod formats;
mod hazards;
mod history;
mod hooks;
mod in_place;
mod injection;
mod irregular;
mod killed;
mod lockfile;
mod matrix;
mod measure;
mod new_pins;
mod picture;
mod pins;
mod prep;
mod prep_around;
mod prep_real;
mod printed_commands;
mod prove;
mod push;
mod real;
mod restore;
mod server;
mod spellings;
mod support;
mod transcripts;
mod verify;
