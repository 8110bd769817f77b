//! Answers of name servers and web servers, whatever is in them.

use super::Progress;
use super::dns::{self, query};
use super::http::fuzz::evaluate;

/// A datagram is an answer only where it brings back the question: its number and its name.
///
/// # Panics
/// That is not so.
pub fn dns(datagram: &[u8]) {
    for name in ["", "a.example"] {
        let Ok(query) = query(name, 0x1234) else { panic!("{name:?} has no place in a query") };
        if dns::evaluate(&query, datagram).is_some() {
            assert_eq!(datagram.get(..2), query.get(..2));
            assert!(datagram.len() >= query.len());
        }
    }
}

/// What is concluded from a part of an answer is not another thing once more has come, and there is an end to waiting.
///
/// # Panics
/// That is not so.
pub fn http(bytes: &[u8]) {
    let Some((&[cut_high, cut_low, wanted], answer)) = bytes.split_first_chunk() else { return };
    let text = (wanted % 2 == 1).then_some("success");
    let cut = usize::from(u16::from_be_bytes([cut_high, cut_low])).min(answer.len());
    let part = answer.get(..cut).unwrap_or_default();
    let (early, whole) = (evaluate(part, false, text), evaluate(answer, false, text));
    if let (Some(Progress::Answered), Some(later)) = (early, whole) {
        assert_eq!(later, Progress::Answered);
    }
    let end = evaluate(answer, true, text);
    assert!(end.is_some(), "it ended, and is waited for");
    if whole == Some(Progress::Answered) {
        assert_eq!(end, whole);
    }
    assert!(whole.is_some() || answer.len() < 64 * 1024, "{} bytes are not enough", answer.len());
}
