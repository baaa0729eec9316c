//! Asks the source now and then, and keeps what it said for whoever wants it.
//!
//! A thread of its own asks, because the source may wait; it does so when somebody wants to know, and no more often than
//! [`PERIOD`]. What is kept is text already, so that a page costs little more than the sending.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::error::DashboardError;
use crate::source::{Snapshot, Source};
use crate::spans::{Rows, SPANS_MAX};

/// The source is asked once in this time at most.
pub(crate) const PERIOD: Duration = Duration::from_millis(500);
/// Tasks that are asked for at a time.
const TASKS_MAX: usize = 20_000;
/// Spans that are kept for pages that are opened later.
const SPANS_KEPT: usize = 6 * SPANS_MAX;

/// What the source said at one moment.
pub(crate) struct Sample {
    pub at: Instant,
    pub snapshot: Snapshot,
    /// The snapshot as JSON.
    pub state: String,
    /// Spans of this and of earlier samples.
    pub spans: VecDeque<Spans>,
}

/// Spans of one sample as a JSON list.
#[derive(Clone)]
pub(crate) struct Spans {
    /// Counts samples.
    pub number: u64,
    pub json: Arc<str>,
    count: usize,
}

#[derive(Clone)]
pub(crate) enum Said {
    Nothing,
    Sample(Arc<Sample>),
    /// There is no cluster any more.
    Gone,
}

/// Has the source be asked; the answer comes to those who watch.
#[derive(Clone)]
pub(crate) struct Wish(SyncSender<()>);

impl Wish {
    pub fn say(&self) {
        // When the queue is full somebody has said so already.
        let _ = self.0.try_send(());
    }
}

/// What was said last, and the way to have more said.
pub(crate) struct Sampler {
    wish: Wish,
    said: watch::Receiver<Said>,
}

impl Sampler {
    pub fn start(source: Arc<dyn Source>) -> Result<Sampler, DashboardError> {
        let (wish, wishes) = mpsc::sync_channel(1);
        let (say, said) = watch::channel(Said::Nothing);
        thread::Builder::new()
            .name("raskr-dashboard-sampler".into())
            .spawn(move || sample(&*source, &wishes, &say))
            .map_err(|error| DashboardError::Thread { reason: error.to_string() })?;
        Ok(Sampler { wish: Wish(wish), said })
    }

    pub fn wish(&self) -> Wish {
        self.wish.clone()
    }

    pub fn watch(&self) -> watch::Receiver<Said> {
        self.said.clone()
    }

    /// What was said within the last period; it is waited for up to `limit`, then it is what there is.
    pub async fn recent(&self, limit: Duration) -> Said {
        let mut said = self.said.clone();
        let is_recent = |said: &Said| match said {
            Said::Nothing => false,
            Said::Sample(sample) => sample.at.elapsed() < PERIOD,
            Said::Gone => true,
        };
        if !is_recent(&said.borrow_and_update()) {
            self.wish.say();
            // Neither a limit that is reached nor a sampler that ended leaves anything better to say.
            let _ = tokio::time::timeout(limit, said.changed()).await;
        }
        said.borrow().clone()
    }
}

fn sample(source: &dyn Source, wishes: &Receiver<()>, say: &watch::Sender<Said>) {
    let mut last: Option<Instant> = None;
    let (mut rows, mut kept) = (Rows::default(), VecDeque::new());
    let (mut since, mut number) = (0, 0);
    while wishes.recv().is_ok() {
        if let Some(rest) = last.and_then(|last| PERIOD.checked_sub(last.elapsed())) {
            thread::sleep(rest);
        }
        last = Some(Instant::now());
        // Wishes that came meanwhile are met by what follows.
        let _ = wishes.try_recv();
        let Some(mut snapshot) = source.snapshot(since, TASKS_MAX) else {
            say.send_replace(Said::Gone);
            return;
        };
        let ran = std::mem::take(&mut snapshot.ran);
        since = ran.iter().map(|task| task.number).fold(since, u64::max);
        let spans = rows.place(ran, &snapshot.workers);
        number += 1;
        if !spans.is_empty() {
            kept.push_back(Spans { number, json: to_json(&spans).into(), count: spans.len() });
        }
        while kept.iter().map(|spans| spans.count).sum::<usize>() > SPANS_KEPT {
            kept.pop_front();
        }
        let state = to_json(&snapshot);
        // Those who watch may be gone; others may come.
        say.send_replace(Said::Sample(Arc::new(Sample { at: Instant::now(), snapshot, state, spans: kept.clone() })));
    }
}

/// What is told has only text, numbers and lists, which always become JSON: floats that are no numbers become null.
fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}
