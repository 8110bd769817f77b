//! The one who carries out orders in the place of `ftr-route`, and sees when they come.

use super::{Monitor, PATIENCE, PROBE, ROUTE, applied, check};
use ftr_lab::error::{Context, LabError, Result, malformed};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) struct Answerer<'a> {
    monitor: &'a Monitor,
    probe: File,
    orders: Receiver<(Instant, Value)>,
    obeys: Arc<AtomicBool>,
}

impl<'a> Answerer<'a> {
    /// Every uplink works.
    pub(crate) fn start(monitor: &'a Monitor) -> Result<Self> {
        let answerer = Self::start_quietly(monitor)?;
        for uplink in ["eth1", "eth2", "eth3"] {
            answerer.say(uplink, true)?;
        }
        answerer.next_order()?;
        Ok(answerer)
    }

    /// Nothing is said of any uplink yet.
    pub(crate) fn start_quietly(monitor: &'a Monitor) -> Result<Self> {
        let (orders, answers) = (monitor.pipe(ROUTE, 0)?, monitor.pipe(ROUTE, 1)?);
        // The tables are in place.
        (&answers).write_all(applied(None).as_bytes()).context(|| "answer".to_owned())?;
        let (tell, told) = channel();
        let obeys = Arc::new(AtomicBool::new(true));
        let whether = Arc::clone(&obeys);
        thread::spawn(move || answer(orders, answers, &tell, &whether));
        Ok(Self { monitor, probe: monitor.pipe(PROBE, 1)?, orders: told, obeys })
    }

    /// Whether it carries orders out.
    pub(crate) fn obeys(&self, obeys: bool) {
        self.obeys.store(obeys, Ordering::Relaxed);
    }

    /// Has the probe say so of an uplink.
    pub(crate) fn say(&self, uplink: &str, up: bool) -> Result<()> {
        (&self.probe).write_all(check(uplink, up).as_bytes()).context(|| "tell of a check".to_owned())
    }

    /// Has the probe say so of an uplink; how long it takes until the order comes that follows.
    pub(crate) fn decided(&self, uplink: &str, up: bool) -> Result<Duration> {
        let began = Instant::now();
        self.say(uplink, up)?;
        loop {
            let (at, order) = self.next_order()?;
            if names(&order, "failed").iter().any(|failed| failed == uplink) != up {
                return Ok(at.saturating_duration_since(began));
            }
        }
    }

    /// The uplinks whose connections the next order gives up.
    pub(crate) fn next_flush(&self) -> Result<Vec<String>> {
        Ok(names(&self.next_order()?.1, "flush"))
    }

    fn next_order(&self) -> Result<(Instant, Value)> {
        self.orders
            .recv_timeout(PATIENCE)
            .map_err(|_| self.monitor.explained(&LabError::Unexpected("no order has come".to_owned())))
    }
}

fn names(order: &Value, key: &str) -> Vec<String> {
    let all = order.get(key).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect()
}

/// Until the monitor ends: as `ftr-route` does, it passes on each order that it has read, and says that it is done.
fn answer(orders: File, mut answers: File, tell: &Sender<(Instant, Value)>, obeys: &AtomicBool) -> Result<()> {
    for line in BufReader::new(orders).lines() {
        let line = line.context(|| "read an order".to_owned())?;
        let at = Instant::now();
        let order: Value = serde_json::from_str(&line).map_err(|error| malformed("order", &error))?;
        if obeys.load(Ordering::Relaxed) && answers.write_all(format!("{line}\n{}", applied(None)).as_bytes()).is_err()
        {
            break;
        }
        if tell.send((at, order)).is_err() {
            break;
        }
    }
    Ok(())
}
