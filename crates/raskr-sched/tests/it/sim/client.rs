//! A client as the simulator plays it: asks for things at random, and checks that what it is told makes sense.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use raskr_sched::{
    CancelReason, Failure, FailureKind, FromClient, FutureId, Keeping, Key, Link, Packet, Peer, Rejection, RequestId,
    ScatterItem, TaskId, ToClient, WorkerId,
};

use super::RESEND;
use super::graph::{Plan, Plans, Shape, submission};
use super::random::Random;

#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    Pending,
    Finished,
    Failed(Arc<Failure>),
    Cancelled,
}

#[derive(Clone, Debug)]
pub struct Future {
    pub key: Key,
    pub status: Status,
    /// Of a value of the client's own.
    pub own: Option<u64>,
    /// It need not be anywhere else while no task takes it.
    pub lent: bool,
}

impl Future {
    fn new(key: Key, own: Option<u64>) -> Future {
        Future { key, status: Status::Pending, own, lent: false }
    }
}

/// Where a value is to be fetched from, once the scheduler has said so.
#[derive(Clone, Debug)]
pub struct Fetch {
    pub future: FutureId,
    pub task: TaskId,
    pub holders: Vec<WorkerId>,
}

pub struct Client {
    pub number: usize,
    pub link: Link<FromClient, ToClient>,
    pub futures: BTreeMap<FutureId, Future>,
    pub peers: BTreeMap<WorkerId, Peer>,
    submitted: BTreeMap<RequestId, Vec<FutureId>>,
    pub puts: Vec<(FutureId, TaskId, Vec<WorkerId>)>,
    pub fetches: Vec<Fetch>,
    /// Futures of which a value has come and was right.
    pub checked: BTreeSet<FutureId>,
    next: u64,
}

impl Client {
    pub fn new(number: usize) -> Client {
        Client {
            number,
            link: Link::new(number as u64, RESEND),
            futures: BTreeMap::new(),
            peers: BTreeMap::new(),
            submitted: BTreeMap::new(),
            puts: Vec::new(),
            fetches: Vec::new(),
            checked: BTreeSet::new(),
            next: 0,
        }
    }

    fn future(&mut self) -> FutureId {
        self.next += 1;
        FutureId(self.next)
    }

    fn some(&self, random: &mut Random, fits: impl Fn(&Future) -> bool) -> Option<FutureId> {
        let fitting: Vec<FutureId> = self.futures.iter().filter(|(_, f)| fits(f)).map(|(id, _)| *id).collect();
        random.pick(&fitting)
    }

    /// Something that a client might ask for.
    pub fn act(&mut self, plans: &mut Plans, random: &mut Random, shape: Shape) -> Vec<FromClient> {
        let alive = |future: &Future| future.status != Status::Cancelled;
        match random.below(100) {
            0..40 => {
                let known: Vec<Key> = self.futures.values().filter(|f| alive(f)).map(|f| f.key.clone()).collect();
                let mut next = self.next;
                let fresh = || {
                    next += 1;
                    FutureId(next)
                };
                let (mut submission, futures) = submission(plans, random, shape, &known, fresh);
                self.next = next + 1;
                submission.request = RequestId(self.next);
                self.submitted.insert(submission.request, futures.iter().map(|(future, _)| *future).collect());
                for (future, key) in futures {
                    self.futures.insert(future, Future::new(key, None));
                }
                vec![FromClient::Submit(submission)]
            }
            40..62 => {
                let mut gone = Vec::new();
                for _ in 0..random.between(1, 4) {
                    if let Some(future) = self.some(random, alive) {
                        self.futures.remove(&future);
                        gone.push(future);
                    }
                }
                vec![FromClient::Release(gone)]
            }
            62..67 => {
                let futures: Vec<FutureId> = self.some(random, alive).into_iter().collect();
                vec![FromClient::Cancel { futures, force: random.chance(30) }]
            }
            67..75 => {
                let failed = self.some(random, |future| matches!(future.status, Status::Failed(_)));
                vec![FromClient::Retry(failed.into_iter().collect())]
            }
            75..83 => {
                let key = plans.new_key("scattered");
                let plan = Plan { bytes: random.between(1, shape.bytes_max), scattered: true, ..Plan::default() };
                let future = self.future();
                let copies = if random.chance(30) { u16::MAX } else { random.between(1, 2) as u16 };
                let keeping = match random.below(10) {
                    0..3 => Keeping::Given,
                    3..6 => Keeping::Kept,
                    _ => Keeping::Lent,
                };
                let item = ScatterItem { key: key.clone(), future, bytes: plan.bytes, copies, keeping };
                plans.add(&key, plan);
                let own = Some(plans.content(&key));
                self.futures.insert(future, Future { lent: keeping == Keeping::Lent, ..Future::new(key, own) });
                vec![FromClient::Scatter(vec![item])]
            }
            83..88 => match self.some(random, alive) {
                // Another future of the same key.
                Some(old) => {
                    let key = self.futures[&old].key.clone();
                    let future = self.future();
                    self.futures.insert(future, Future::new(key.clone(), None));
                    vec![FromClient::Want { key, future }]
                }
                None => Vec::new(),
            },
            88..92 => {
                let futures = self.some(random, alive).into_iter().collect();
                vec![FromClient::Replicate { futures, copies: random.between(1, 3) as u16 }]
            }
            92..94 => {
                let futures = self.some(random, alive).into_iter().collect();
                vec![FromClient::Publish { name: Arc::from("kept"), futures }]
            }
            94..95 => vec![FromClient::Unpublish { name: Arc::from("kept") }],
            _ => self.locate(),
        }
    }

    pub fn locate(&self) -> Vec<FromClient> {
        let finished = self.futures.iter().filter(|(_, future)| future.status == Status::Finished);
        vec![FromClient::Locate { request: RequestId(1), futures: finished.map(|(id, _)| *id).collect() }]
    }

    pub fn hear(&mut self, packet: Packet<ToClient>, plans: &Plans) -> Result<(), String> {
        for message in self.link.receive(packet) {
            self.hear_message(message, plans)?;
        }
        Ok(())
    }

    fn hear_message(&mut self, message: ToClient, plans: &Plans) -> Result<(), String> {
        if let ToClient::Finished { future, value: Some(value), .. } = &message
            && let Some(known) = self.futures.get(future)
            && *value.0 != plans.content(&known.key).to_le_bytes()
        {
            return Err(format!("the value of '{}' that came along is wrong", known.key));
        }
        let mut become_ = |future: FutureId, status: Status, allowed: fn(&Status) -> bool| {
            // Of a future that was released in the meantime nothing is known.
            let Some(known) = self.futures.get_mut(&future) else { return Ok(()) };
            if !allowed(&known.status) {
                return Err(format!("'{}' {future} was {:?} and is told {status:?}", known.key, known.status));
            }
            known.status = status;
            Ok(())
        };
        match message {
            ToClient::Finished { future, .. } => become_(future, Status::Finished, |s| *s == Status::Pending),
            ToClient::Recomputing { future } => {
                become_(future, Status::Pending, |s| matches!(s, Status::Finished | Status::Failed(_)))
            }
            ToClient::Failed { future, failure } => {
                justified(&failure, plans)?;
                become_(future, Status::Failed(failure), |s| *s == Status::Pending)
            }
            ToClient::Cancelled { future, reason } => {
                become_(future, Status::Cancelled, |s| *s != Status::Cancelled)?;
                if reason == CancelReason::Asked || reason == CancelReason::UnknownKey {
                    self.futures.remove(&future);
                }
                Ok(())
            }
            ToClient::Put { future, task, workers } => {
                self.puts.push((future, task, workers));
                Ok(())
            }
            ToClient::Located { found, .. } => {
                self.fetches.extend(found.into_iter().map(|found| Fetch {
                    future: found.future,
                    task: found.task,
                    holders: found.holders,
                }));
                Ok(())
            }
            ToClient::KeyConflict { key } => Err(format!("no key means two things here, but '{key}' is said to")),
            ToClient::Rejected { request, reason } => {
                // Inputs may have been cancelled by another client in the meantime.
                for future in self.submitted.remove(&request).unwrap_or_default() {
                    self.futures.remove(&future);
                }
                rejected(&reason)
            }
            ToClient::Workers(peers) => {
                self.peers.extend(peers.into_iter().map(|peer| (peer.worker, peer)));
                Ok(())
            }
            ToClient::WorkersLeft(workers) => {
                for worker in workers {
                    self.peers.remove(&worker);
                }
                Ok(())
            }
        }
    }

    /// A future that nothing more will be said about.
    pub fn is_settled(&self) -> bool {
        self.futures.values().all(|future| future.status != Status::Pending || future.lent)
    }
}

fn rejected(reason: &Rejection) -> Result<(), String> {
    match reason {
        Rejection::UnknownInput { .. } => Ok(()),
        other => Err(format!("a sound submission was rejected: {other}")),
    }
}

/// May a task fail like this?
fn justified(failure: &Failure, plans: &Plans) -> Result<(), String> {
    let plan = &plans.plans[&failure.key];
    let fine = match &failure.kind {
        FailureKind::Raised(_) => plan.raises > 0,
        FailureKind::Killed { death, .. } => plan.kills > 0 && !death.external,
        FailureKind::DataLost => plan.scattered,
        FailureKind::WorkersLost => failure.attempts.len() > 20,
        FailureKind::TooLarge { inputs_bytes, limit } => inputs_bytes > limit,
        FailureKind::OutOfMemory { .. } => true,
    };
    if fine { Ok(()) } else { Err(format!("without a cause: {failure}")) }
}
