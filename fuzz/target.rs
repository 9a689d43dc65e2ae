//! Every target: what its name stands for is said in src/fuzz.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bakstop::fuzz::run(env!("CARGO_BIN_NAME"), data));
