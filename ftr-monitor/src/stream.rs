//! The daemon's records for whoever reads its standard output (`run --json`).

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ftr_core::record::Record;

/// How many records wait for a reader that is slow. Newer ones are lost meanwhile, and their number is told.
const WAITING: usize = 1024;
/// How long the last records may take at the end.
const FAREWELL: Duration = Duration::from_millis(200);

/// Writes records, a line each, from a thread of its own: a reader that has stopped must not stop the daemon.
#[derive(Debug)]
pub(crate) struct Stream {
    sender: Option<SyncSender<String>>,
    ended: Receiver<()>,
    lost: u64,
}

impl Stream {
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn to_stdout() -> io::Result<Self> {
        Self::to(io::stdout())
    }

    fn to(mut output: impl Write + Send + 'static) -> io::Result<Self> {
        let (sender, lines) = sync_channel::<String>(WAITING);
        let (end, ended) = sync_channel(1);
        thread::Builder::new().name("records".to_owned()).stack_size(128 * 1024).spawn(move || {
            // When its reader is gone the daemon goes on without it.
            let _ = lines.iter().try_for_each(|line| output.write_all(line.as_bytes()).and_then(|()| output.flush()));
            let _ = end.send(());
        })?;
        Ok(Self { sender: Some(sender), ended, lost: 0 })
    }

    /// Passes a record on. How many were lost before it, where it is the first that there is room for again.
    pub(crate) fn put(&mut self, record: &Record) -> Option<u64> {
        let line = record.line().ok()?;
        if self.sender.as_ref()?.try_send(line).is_err() {
            self.lost += 1;
            return None;
        }
        Some(std::mem::take(&mut self.lost)).filter(|lost| *lost > 0)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        drop(self.sender.take());
        // Either way there is nothing more to be done.
        let _ = self.ended.recv_timeout(FAREWELL);
    }
}

#[cfg(test)]
mod tests {
    use super::{Stream, WAITING};
    use ftr_core::record::{Record, Spooled};
    use std::io::{self, BufRead, BufReader};
    use std::os::unix::net::UnixStream;

    fn record(seq: u64) -> Record {
        Record::Spooled(Spooled { seq })
    }

    #[test]
    fn the_last_records_are_written_before_the_end() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut stream = Stream::to(ours).unwrap();
        (0..100).for_each(|seq| assert_eq!(stream.put(&record(seq)), None));
        drop(stream);
        let lines: Vec<String> = BufReader::new(theirs).lines().map(Result::unwrap).collect();
        assert_eq!((lines.len(), lines[99].as_str()), (100, r#"{"type":"spooled","seq":99}"#));
    }

    #[test]
    fn a_reader_that_does_not_read_costs_records_and_no_time() {
        /// Tells that it has a line, and takes it only when it is allowed to.
        struct Stuck(std::sync::mpsc::Sender<()>, std::sync::mpsc::Receiver<()>);
        impl io::Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let _ = self.0.send(());
                let _ = self.1.recv();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (has, line) = std::sync::mpsc::channel();
        let (allow, allowed) = std::sync::mpsc::channel();
        let mut stream = Stream::to(Stuck(has, allowed)).unwrap();
        assert_eq!(stream.put(&record(0)), None);
        // From here on nothing is taken from those that wait.
        line.recv().unwrap();
        let more = WAITING as u64 + 50;
        (0..more).for_each(|seq| assert_eq!(stream.put(&record(seq)), None));
        drop(allow);
        let lost = (more..).find_map(|seq| stream.put(&record(seq))).unwrap();
        assert!(lost >= 50, "{lost}");
    }
}
