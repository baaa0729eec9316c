//! Fetching values: from what the client has itself, or from the workers that have them, all workers at a time.
//!
//! Where a value is only the scheduler knows, and it may have moved by the time a worker is asked: what is absent there is
//! told, and located again. A value that was lost is computed anew, which is waited for.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use raskr_sched::{Failure, Found, FromClient, FutureId, TaskId, WorkerId};
use tokio::time::Instant;

use super::Shared;
use super::data::Reply;
use super::table::{FutureState, Table};
use crate::packed::Packed;
use crate::wire::DataSays;

/// How long workers that are said to have a value may be out of reach before that is an error: the scheduler needs some
/// time to find out that they are gone.
const OUT_OF_REACH_MAX: Duration = Duration::from_secs(60);
/// How long is waited before workers are asked again that were out of reach, at first and at last.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Bytes that are asked for in one request, unless it is one value.
const REQUEST_BYTES: u64 = 256 << 20;

/// Why there is no value.
#[derive(Clone, Debug)]
pub enum Missing {
    Failed(Arc<Failure>),
    Cancelled(Arc<str>),
    /// The scheduler is gone.
    Lost(Arc<str>),
    /// The workers that have it cannot be reached.
    Unreachable(String),
    /// Another one has no value, and all were wanted.
    NotAwaited,
}

/// A value that was fetched.
#[derive(Clone)]
pub struct Fetched {
    pub value: Packed,
    /// Whether nobody else has its memory.
    pub own: bool,
}

pub type Gathered = Result<Fetched, Missing>;

/// What one request to a worker gave.
struct Reached {
    worker: WorkerId,
    values: Vec<(TaskId, Packed)>,
    absent: Vec<TaskId>,
    /// Why the rest did not come.
    failure: Option<String>,
    own: bool,
}

/// The values of futures, each of which may be listed several times; waits until all of them are done, or with `every` until
/// one has no value.
pub async fn gather(shared: &Arc<Shared>, futures: &[FutureId], every: bool) -> Vec<Gathered> {
    let mut gathered: HashMap<FutureId, Gathered> = HashMap::with_capacity(futures.len());
    let mut missing: Vec<FutureId> = Vec::new();
    let mut seen = HashSet::with_capacity(futures.len());
    missing.extend(futures.iter().copied().filter(|future| seen.insert(*future)));
    let (mut pause, mut unreachable_since) = (AGAIN.0, None);
    while !missing.is_empty() {
        let ready = shared.sort_out(&mut missing, &mut gathered, every).await;
        if every && gathered.values().any(Result::is_err) {
            for future in missing.drain(..) {
                gathered.insert(future, Err(Missing::NotAwaited));
            }
            break;
        }
        if ready.is_empty() {
            continue;
        }
        let fetched = fetch(shared, ready).await;
        for (future, value) in fetched.values {
            gathered.insert(future, Ok(value));
        }
        missing.retain(|future| !gathered.contains_key(future));
        let Some(failure) = fetched.failure else {
            (pause, unreachable_since) = (AGAIN.0, None);
            continue;
        };
        if unreachable_since.get_or_insert_with(Instant::now).elapsed() > OUT_OF_REACH_MAX {
            for future in missing.drain(..) {
                gathered.insert(future, Err(Missing::Unreachable(failure.clone())));
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(AGAIN.1);
    }
    let released = || Err(Missing::Cancelled("it was released".into()));
    let mut left: HashMap<FutureId, u32> = HashMap::new();
    for future in futures {
        *left.entry(*future).or_default() += 1;
    }
    let mut take = |future: &FutureId| {
        let uses = left.entry(*future).or_default();
        *uses = uses.saturating_sub(1);
        if *uses == 0 { gathered.remove(future) } else { gathered.get(future).cloned() }
    };
    futures.iter().map(|future| take(future).unwrap_or_else(released)).collect()
}

impl Shared {
    /// Waits until the futures in `missing` are done, or with `every` until one of them has no value. Those without a value
    /// move to `gathered`, and so do values that are here. The others that are finished come back.
    async fn sort_out(
        &self,
        missing: &mut Vec<FutureId>,
        gathered: &mut HashMap<FutureId, Gathered>,
        every: bool,
    ) -> Vec<FutureId> {
        // Each future is looked at once, unless something has gone wrong.
        let (mut next, mut troubles) = (0, None);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let table = self.table.lock();
                while missing.get(next).is_some_and(|future| table.is_done(*future)) {
                    next += 1;
                }
                let failed = every
                    && troubles.replace(table.troubles()) != Some(table.troubles())
                    && missing.iter().any(|future| table.has_failed(*future));
                if failed || next == missing.len() {
                    break;
                }
            }
            changed.await;
        }
        let mut ready = Vec::new();
        let table = self.table.lock();
        missing.retain(|&future| match known(&table, future) {
            Known::Pending => true,
            Known::Elsewhere => {
                ready.push(future);
                true
            }
            Known::Outcome(outcome) => {
                gathered.insert(future, outcome);
                false
            }
        });
        ready
    }
}

/// What can be had of a future without asking anybody.
enum Known {
    Pending,
    /// Workers have the value.
    Elsewhere,
    Outcome(Gathered),
}

fn known(table: &Table, future: FutureId) -> Known {
    Known::Outcome(match table.state(future) {
        FutureState::Pending => return Known::Pending,
        FutureState::Finished { .. } => match table.value(future) {
            Some(value) => Ok(Fetched { value, own: false }),
            None => return Known::Elsewhere,
        },
        FutureState::Failed(failure) => Err(Missing::Failed(failure)),
        FutureState::Cancelled(reason) => Err(Missing::Cancelled(reason)),
        FutureState::Lost(reason) => Err(Missing::Lost(reason)),
    })
}

/// What came of waiting for futures, without asking anybody.
pub enum AtHand {
    All(Vec<Gathered>),
    NotYet,
    /// All are done, and some values have to be fetched.
    Elsewhere,
}

/// Waits on this thread until all futures are done, or with `every` until one has no value.
pub fn at_hand(shared: &Shared, futures: &[FutureId], every: bool, deadline: std::time::Instant) -> AtHand {
    let mut table = shared.table.lock();
    let mut looked = false;
    loop {
        if every && futures.iter().any(|future| table.has_failed(*future)) {
            let outcome = |future: &FutureId| match known(&table, *future) {
                Known::Outcome(outcome) => outcome,
                Known::Pending | Known::Elsewhere => Err(Missing::NotAwaited),
            };
            return AtHand::All(futures.iter().map(outcome).collect());
        }
        if futures.iter().all(|future| table.is_done(*future)) {
            break;
        }
        if !std::mem::replace(&mut looked, true) {
            let seen = shared.moves.load(Ordering::Acquire);
            drop(table);
            shared.patience.look(|| shared.moves.load(Ordering::Acquire) != seen);
            table = shared.table.lock();
            continue;
        }
        if shared.moved.wait_until(&mut table, deadline).timed_out() {
            return AtHand::NotYet;
        }
    }
    let mut gathered = Vec::with_capacity(futures.len());
    for future in futures {
        match known(&table, *future) {
            Known::Outcome(outcome) => gathered.push(outcome),
            Known::Pending | Known::Elsewhere => return AtHand::Elsewhere,
        }
    }
    AtHand::All(gathered)
}

struct FetchedAll {
    values: Vec<(FutureId, Fetched)>,
    failure: Option<String>,
}

/// Asks for values that are said to be there.
async fn fetch(shared: &Arc<Shared>, futures: Vec<FutureId>) -> FetchedAll {
    let asked: HashSet<FutureId> = futures.iter().copied().collect();
    let Some(found) = shared.locate(futures).await else { return FetchedAll { values: Vec::new(), failure: None } };
    let mut future_of: HashMap<TaskId, Vec<FutureId>> = HashMap::with_capacity(found.len());
    for place in &found {
        future_of.entry(place.task).or_default().push(place.future);
    }
    if found.len() < asked.len() {
        // The scheduler does not know a future that we hold.
        let mut table = shared.table.lock();
        let known: HashSet<FutureId> = found.iter().map(|place| place.future).collect();
        for future in asked.difference(&known) {
            if matches!(table.state(*future), FutureState::Finished { .. }) {
                table.cancel(*future, "the scheduler does not know it any more");
            }
        }
    }
    let mut requests = tokio::task::JoinSet::new();
    for (worker, tasks) in by_worker(&found) {
        let shared = Arc::clone(shared);
        requests.spawn(async move { ask(&shared, worker, tasks).await });
    }
    let mut all = FetchedAll { values: Vec::with_capacity(found.len()), failure: None };
    while let Some(fetched) = requests.join_next().await {
        let Ok(fetched) = fetched else { continue };
        for (task, value) in fetched.values {
            for &future in future_of.get(&task).into_iter().flatten() {
                all.values.push((future, Fetched { value: value.clone(), own: fetched.own }));
            }
        }
        for future in fetched.absent.iter().filter_map(|task| future_of.get(task)?.first().copied()) {
            shared.outgoing.say(FromClient::Absent { future, worker: fetched.worker });
        }
        if let Some(failure) = fetched.failure {
            all.failure = Some(format!("{}: {failure}", shared.peers.name(fetched.worker)));
        }
    }
    all
}

/// Whom to ask for what: holders that have to send the least so far.
fn by_worker(found: &[Found]) -> Vec<(WorkerId, Vec<TaskId>)> {
    let mut load: BTreeMap<WorkerId, u64> = BTreeMap::new();
    let mut requests: Vec<(WorkerId, Vec<TaskId>)> = Vec::new();
    let mut open: HashMap<WorkerId, (usize, u64)> = HashMap::new();
    let mut seen = HashSet::with_capacity(found.len());
    for place in found.iter().filter(|place| seen.insert(place.task)) {
        let least = place.holders.iter().min_by_key(|worker| (load.get(worker).copied().unwrap_or(0), **worker));
        let Some(&worker) = least else { continue };
        *load.entry(worker).or_default() += place.bytes + 64;
        match open.get_mut(&worker) {
            Some((request, bytes)) if *bytes + place.bytes <= REQUEST_BYTES => {
                requests[*request].1.push(place.task);
                *bytes += place.bytes;
            }
            _ => {
                open.insert(worker, (requests.len(), place.bytes));
                requests.push((worker, vec![place.task]));
            }
        }
    }
    requests
}

async fn ask(shared: &Shared, worker: WorkerId, tasks: Vec<TaskId>) -> Reached {
    let mut reached =
        Reached { worker, values: Vec::with_capacity(tasks.len()), absent: Vec::new(), failure: None, own: true };
    let request = shared.next_request();
    let asked = match shared.peers.link(worker).await {
        Ok(link) => {
            reached.own = !link.is_within_process();
            link.ask(request, &DataSays::Get { request, tasks }, Vec::new()).await
        }
        Err(reason) => Err(reason),
    };
    let mut replies = match asked {
        Ok(replies) => replies,
        Err(reason) => {
            reached.failure = Some(reason);
            return reached;
        }
    };
    while let Some(reply) = replies.recv().await {
        if let Reply::Values { values, absent, last } = reply {
            reached.values.extend(values);
            reached.absent.extend(absent);
            if last {
                return reached;
            }
        }
    }
    reached.failure = Some("the connection was lost".to_owned());
    reached
}
