#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ftr_monitor::fuzz::tried(bytes));
