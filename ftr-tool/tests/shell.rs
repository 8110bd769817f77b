//! What a shell makes of the words that `ftr_core::shell` has quoted.

use std::io;
use std::time::Duration;

use ftr_core::shell::line;
use ftr_tool::programs;
use ftr_tool::run::{Bounds, run};
use proptest::prelude::*;

fn taken(words: &[String]) -> io::Result<String> {
    let script = format!("printf '<%s>' {}", line(words));
    let bounds = Bounds { time: Duration::from_secs(20), bytes: 1 << 20 };
    let ended = run(programs::system("sh")?.args(["-c", &script]), b"", bounds)?;
    assert!(ended.stderr.is_empty(), "{script}: {}", String::from_utf8_lossy(&ended.stderr));
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

proptest! {
    #[test]
    fn a_shell_takes_each_word_for_what_it_is(
        words in prop::collection::vec("([a-z0-9]|[ '\"$`();&|<>*?~!#{}\\[\\]=\\\\\n\t\r\u{1b}\u{7}é\u{9b}\u{202e}-]){0,12}", 1..5)
    ) {
        prop_assert_eq!(taken(&words)?, words.iter().fold(String::new(), |all, word| all + "<" + word + ">"));
    }
}
