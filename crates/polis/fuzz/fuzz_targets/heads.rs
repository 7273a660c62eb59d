//! Any bytes as the head of a request: refused with a sentence, or read so that every part of it
//! lies in the bytes that came.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use polis::Head;

fuzz_target!(|raw: &[u8]| {
    let raw = Bytes::copy_from_slice(raw);
    match Head::parse(raw.clone()) {
        Ok(head) => {
            assert_eq!(head.raw(), &raw);
            assert!(!head.method().is_empty());
            let target = head.target();
            assert!(head.path().len() + head.query().len() <= target.len());
            let _ = head.origin_form();
            assert_eq!(head.headers().count(), head.header_count());
            for (name, value) in head.headers() {
                assert!(head.all(name).any(|found| found == value));
                let _ = (head.get(name), head.text(name), head.lists(name, "chunked"));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
