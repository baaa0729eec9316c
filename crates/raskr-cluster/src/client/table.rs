//! What a client knows of its futures: the state of each, who waits for it, and what it keeps of values that it sent.
//!
//! One table, changed by what the scheduler says and by what the user does. Whoever waits sleeps until something changed.
//! Handles to one key share a future; when the last handle is gone the scheduler is told. Invariant: a future's number is
//! never used again, and what is said of a future that nobody holds any more changes nothing.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use raskr_sched::{Blob, CancelReason, Failure, FutureId, Keeping, Key, Rejection, RequestId, ToClient};

use crate::packed::Packed;

/// Values up to this size are kept while there is room, and sent again when every worker that had them is lost.
const KEPT_BYTES_MAX: u64 = 10_000_000;
/// Bytes of small values that are kept as they come; what came later has to be fetched.
const COME_BYTES_MAX: usize = 64 << 20;
/// Submissions that can still be found when the scheduler refuses one: it answers to all that came before.
const REQUESTS_MAX: usize = 1 << 16;

/// What is known of a future.
#[derive(Clone, Debug, PartialEq)]
pub enum FutureState {
    Pending,
    Finished {
        bytes: u64,
    },
    Failed(Arc<Failure>),
    /// Given up by somebody, or unknown to the scheduler; the text says which.
    Cancelled(Arc<str>),
    /// The scheduler is gone, and the reason.
    Lost(Arc<str>),
}

impl FutureState {
    pub fn is_done(&self) -> bool {
        !matches!(self, FutureState::Pending)
    }
}

/// Something that those who listen to a client are told.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A future that was watched has a value, an error or no hope.
    Done(FutureId),
    /// Another client, a worker or the scheduler said something under a topic.
    Event { topic: Arc<str>, event: Bytes },
    /// A task was submitted under the key of another one, which stays.
    Conflict(Key),
    /// The connection to the scheduler is gone; nothing more will come.
    Ended(Arc<str>),
    /// For listeners' own use.
    Woken,
}

pub type Listener = mpsc::Sender<Notice>;

struct Entry {
    key: Key,
    state: FutureState,
    handles: u32,
    watchers: Vec<Listener>,
    /// One of the handles is the client's own, until the future is done.
    held: bool,
    /// Nothing is said when a task is submitted under the key of another one: they are known to be alike.
    quiet: bool,
    value: Kept,
}

/// A value that is here.
#[derive(Default)]
enum Kept {
    #[default]
    None,
    /// The client's own, and what it does with it.
    Own(Packed, Keeping),
    /// Came with the word that it is there.
    Came(Packed),
}

#[derive(Default)]
pub struct Table {
    entries: HashMap<u64, Entry>,
    by_key: HashMap<Key, u64>,
    next: u64,
    requests: VecDeque<(RequestId, Range<u64>)>,
    /// Futures that were held until they were done, and are.
    due: Vec<FutureId>,
    end: Option<Arc<str>>,
    /// Bytes of values that came and are kept.
    come_bytes: usize,
    /// Bytes of the client's own values that are kept, and how many there may be.
    own_bytes: u64,
    own_bytes_max: u64,
    /// How many futures have come to have no value.
    troubles: u64,
}

/// The future of a key, and whether the scheduler has to be told that it is wanted.
pub struct Taken {
    pub future: FutureId,
    pub new: bool,
}

impl Table {
    pub fn new(own_bytes_max: u64) -> Table {
        Table { own_bytes_max, ..Table::default() }
    }

    /// One more handle to a key: to the future that it has, or to a new one.
    pub fn take(&mut self, key: &Key) -> Taken {
        if let Some(future) = self.by_key.get(key)
            && let Some(entry) = self.entries.get_mut(future)
            && !matches!(entry.state, FutureState::Cancelled(_) | FutureState::Lost(_))
        {
            entry.handles += 1;
            return Taken { future: FutureId(*future), new: false };
        }
        let future = self.number();
        let state = self.end.clone().map_or(FutureState::Pending, FutureState::Lost);
        let entry = Entry {
            key: Arc::clone(key),
            state,
            handles: 1,
            watchers: Vec::new(),
            held: false,
            quiet: false,
            value: Kept::None,
        };
        self.entries.insert(future.0, entry);
        self.by_key.insert(Arc::clone(key), future.0);
        Taken { future, new: true }
    }

    /// A number of a future.
    pub fn number(&mut self) -> FutureId {
        self.next += 1;
        FutureId(self.next)
    }

    /// Makes room for this many more futures.
    pub fn reserve(&mut self, futures: usize) {
        self.entries.reserve(futures);
        self.by_key.reserve(futures);
    }

    /// One more handle to a future that somebody has.
    pub fn share(&mut self, future: FutureId) {
        if let Some(entry) = self.entries.get_mut(&future.0) {
            entry.handles += 1;
        }
    }

    /// Holds a future until it is done; see [`Table::take_due`].
    pub fn hold(&mut self, future: FutureId) {
        if let Some(entry) = self.entries.get_mut(&future.0)
            && !entry.state.is_done()
            && !entry.held
        {
            entry.held = true;
            entry.handles += 1;
        }
    }

    /// Futures that need no longer be held: they are to be released.
    pub fn take_due(&mut self) -> Vec<FutureId> {
        std::mem::take(&mut self.due)
    }

    /// A handle is gone; true when it was the last one.
    pub fn release(&mut self, future: FutureId) -> bool {
        let Some(entry) = self.entries.get_mut(&future.0) else { return false };
        entry.handles = entry.handles.saturating_sub(1);
        if entry.handles > 0 {
            return false;
        }
        if let Some(entry) = self.entries.remove(&future.0) {
            match &entry.value {
                Kept::Came(value) => self.come_bytes -= value.head.len(),
                Kept::Own(value, Keeping::Kept) => self.own_bytes -= value.nbytes(),
                Kept::Own(..) | Kept::None => {}
            }
            if self.by_key.get(&entry.key) == Some(&future.0) {
                self.by_key.remove(&entry.key);
            }
        }
        true
    }

    pub fn state(&self, future: FutureId) -> FutureState {
        let gone = || FutureState::Cancelled("it was released".into());
        self.entries.get(&future.0).map_or_else(gone, |entry| entry.state.clone())
    }

    pub fn is_done(&self, future: FutureId) -> bool {
        self.entries.get(&future.0).is_none_or(|entry| entry.state.is_done())
    }

    /// Is it done without a value?
    pub fn has_failed(&self, future: FutureId) -> bool {
        let hopeful = |entry: &Entry| matches!(entry.state, FutureState::Pending | FutureState::Finished { .. });
        !self.entries.get(&future.0).is_some_and(hopeful)
    }

    /// Grows whenever a future comes to have no value.
    pub fn troubles(&self) -> u64 {
        self.troubles
    }

    pub fn key(&self, future: FutureId) -> Option<Key> {
        self.entries.get(&future.0).map(|entry| Arc::clone(&entry.key))
    }

    /// All keys that futures are held of, and the state of each.
    pub fn keys(&self) -> Vec<(Key, FutureState)> {
        let mut futures: Vec<_> = self.by_key.values().copied().collect();
        futures.sort_unstable();
        let found = futures.iter().filter_map(|future| self.entries.get(future));
        found.map(|entry| (Arc::clone(&entry.key), entry.state.clone())).collect()
    }

    /// Remembers which futures a submission asked for.
    pub fn requested(&mut self, request: RequestId, futures: Range<u64>) {
        if self.requests.len() == REQUESTS_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back((request, futures));
    }

    pub fn next_number(&self) -> u64 {
        self.next + 1
    }

    /// What others submit under the future's key is alike, however it is made.
    pub fn quiet(&mut self, future: FutureId) {
        if let Some(entry) = self.entries.get_mut(&future.0) {
            entry.quiet = true;
        }
    }

    /// Is it of interest that there are two tasks of this key?
    pub fn minds(&self, key: &Key) -> bool {
        self.by_key.get(key).and_then(|future| self.entries.get(future)).is_some_and(|entry| !entry.quiet)
    }

    /// Tells a listener when the future is done; at once when it is.
    pub fn watch(&mut self, future: FutureId, listener: &Listener) {
        match self.entries.get_mut(&future.0) {
            Some(entry) if !entry.state.is_done() => entry.watchers.push(listener.clone()),
            // Who does not listen any more needs no word.
            _ => drop(listener.send(Notice::Done(future))),
        }
    }

    /// Would a value of this size be kept, beside others of so many bytes?
    pub fn has_room(&self, bytes: u64, beside: u64) -> bool {
        bytes <= KEPT_BYTES_MAX && self.own_bytes.saturating_add(beside).saturating_add(bytes) <= self.own_bytes_max
    }

    /// Keeps a value of the client's own: what is given until workers have it, and so all else for which there is no room; says
    /// which. What is lent is the caller's, who has it anyway.
    pub fn keep_value(&mut self, future: FutureId, value: Packed, keeping: Keeping) -> Keeping {
        let keeping = match keeping {
            Keeping::Kept if !self.has_room(value.nbytes(), 0) => Keeping::Given,
            keeping => keeping,
        };
        if let Some(entry) = self.entries.get_mut(&future.0) {
            if keeping == Keeping::Kept {
                self.own_bytes += value.nbytes();
            }
            entry.value = Kept::Own(value, keeping);
        }
        keeping
    }

    /// Is it a value of the client's own that is kept for as long as there is a future of it?
    pub fn is_kept(&self, future: FutureId) -> bool {
        self.entries.get(&future.0).is_some_and(|entry| matches!(entry.value, Kept::Own(_, Keeping::Kept)))
    }

    /// The value, if it is here.
    pub fn value(&self, future: FutureId) -> Option<Packed> {
        match &self.entries.get(&future.0)?.value {
            Kept::None => None,
            Kept::Own(value, _) | Kept::Came(value) => Some(value.clone()),
        }
    }

    /// A value of the client's own, for workers, and whether it is lent to them.
    pub fn own_value(&self, future: FutureId) -> Option<(Packed, bool)> {
        match &self.entries.get(&future.0)?.value {
            Kept::Own(value, keeping) => Some((value.clone(), *keeping == Keeping::Lent)),
            Kept::None | Kept::Came(_) => None,
        }
    }

    /// Keeps a value that came, while there is room: all of them can be fetched.
    fn keep_come(&mut self, future: FutureId, value: Blob) {
        if let Some(entry) = self.entries.get_mut(&future.0)
            && matches!(entry.value, Kept::None)
            && matches!(entry.state, FutureState::Pending)
            && self.come_bytes + value.0.len() <= COME_BYTES_MAX
        {
            self.come_bytes += value.0.len();
            entry.value = Kept::Came(Packed::of_small(value));
        }
    }

    /// Given up by the user, or hopeless.
    pub fn cancel(&mut self, future: FutureId, reason: &str) {
        self.set(future, FutureState::Cancelled(reason.into()));
    }

    /// A failed task is tried again.
    pub fn retry(&mut self, future: FutureId) {
        if let Some(entry) = self.entries.get_mut(&future.0)
            && matches!(entry.state, FutureState::Failed(_))
        {
            entry.state = FutureState::Pending;
        }
    }

    fn set(&mut self, future: FutureId, state: FutureState) {
        let Some(entry) = self.entries.get_mut(&future.0) else { return };
        // Nothing more is said about such a future, and what was said before may still be on its way.
        if matches!(entry.state, FutureState::Cancelled(_) | FutureState::Lost(_)) {
            return;
        }
        let finished = matches!(state, FutureState::Finished { .. });
        match &entry.value {
            Kept::Own(_, Keeping::Given) if finished => entry.value = Kept::None,
            Kept::Came(value) if !finished => {
                self.come_bytes -= value.head.len();
                entry.value = Kept::None;
            }
            _ => {}
        }
        if !matches!(state, FutureState::Pending | FutureState::Finished { .. }) {
            self.troubles += 1;
        }
        entry.state = state;
        if entry.state.is_done() {
            if std::mem::take(&mut entry.held) {
                self.due.push(future);
            }
            for watcher in entry.watchers.drain(..) {
                drop(watcher.send(Notice::Done(future)));
            }
        }
    }

    /// What the scheduler says of a future; gives back what is no future's business.
    pub fn hear(&mut self, message: ToClient) -> Option<ToClient> {
        match message {
            ToClient::Finished { future, bytes, value } => {
                if let Some(value) = value {
                    self.keep_come(future, value);
                }
                self.set(future, FutureState::Finished { bytes });
            }
            ToClient::Recomputing { future } => self.set(future, FutureState::Pending),
            ToClient::Failed { future, failure } => self.set(future, FutureState::Failed(failure)),
            ToClient::Cancelled { future, reason } => {
                let reason = match reason {
                    CancelReason::Asked => "a client cancelled it",
                    CancelReason::UnknownKey => {
                        "the scheduler does not know its key: it was released or never submitted"
                    }
                };
                self.cancel(future, reason);
            }
            ToClient::Rejected { request, reason } => self.rejected(request, &reason),
            other => return Some(other),
        }
        None
    }

    fn rejected(&mut self, request: RequestId, reason: &Rejection) {
        let found = self.requests.iter().rev().find(|(known, _)| *known == request).map(|(_, futures)| futures.clone());
        let reason = reason.to_string();
        for future in found.unwrap_or_default() {
            self.cancel(FutureId(future), &reason);
        }
    }

    /// The connection is gone: whatever needs the scheduler has no hope.
    pub fn end(&mut self, reason: &Arc<str>) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(Arc::clone(reason));
        let mut lost: Vec<u64> = self.entries.keys().copied().collect();
        lost.sort_unstable();
        for future in lost {
            if !matches!(self.state(FutureId(future)), FutureState::Failed(_)) {
                self.set(FutureId(future), FutureState::Lost(Arc::clone(reason)));
            }
        }
    }

    /// Why nothing more can be asked of the scheduler, if so.
    pub fn ended(&self) -> Option<&Arc<str>> {
        self.end.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: usize) -> Packed {
        Packed { head: vec![1; bytes].into(), buffers: Vec::new() }
    }

    #[test]
    fn values_are_kept_while_there_is_room_and_given_back_with_their_futures() {
        let mut table = Table::new(1000);
        let take = |table: &mut Table, key: &str| table.take(&Key::from(key)).future;
        let (a, b, c) = (take(&mut table, "a"), take(&mut table, "b"), take(&mut table, "c"));
        let d = take(&mut table, "d");
        assert_eq!(table.keep_value(a, value(600), Keeping::Kept), Keeping::Kept);
        // There is no room for it, and there was none to be had; what is lent takes none.
        assert_eq!(table.keep_value(b, value(600), Keeping::Kept), Keeping::Given);
        assert_eq!(table.keep_value(c, value(10), Keeping::Given), Keeping::Given);
        assert_eq!(table.keep_value(d, value(5000), Keeping::Lent), Keeping::Lent);
        assert!(table.has_room(400, 0) && !table.has_room(400, 1));
        for future in [a, b, c, d] {
            assert!(table.own_value(future).is_some(), "it has not been sent");
            table.hear(ToClient::Finished { future, bytes: 1, value: None });
        }
        let lent = [a, b, c, d].map(|future| table.own_value(future).map(|(_, lent)| lent));
        assert_eq!(lent, [Some(false), None, None, Some(true)]);
        assert!(table.release(a) && table.release(b) && table.release(d));
        assert!(table.has_room(1000, 0) && !table.has_room(1001, 0));
    }

    #[test]
    fn large_values_are_not_kept_whatever_room_there_is() {
        let table = Table::new(u64::MAX);
        assert!(table.has_room(KEPT_BYTES_MAX, 0) && !table.has_room(KEPT_BYTES_MAX + 1, 0));
    }
}
