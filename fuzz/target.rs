//! The program of every target. src/fuzz.rs maps its name to a function.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakstop::fuzz::run(env!("CARGO_BIN_NAME"), data));
