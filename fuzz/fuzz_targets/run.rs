#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gradus_fuzz::check("run", input));
