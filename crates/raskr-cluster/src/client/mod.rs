//! A client's shell: the connection to a scheduler, futures and what is known of them, and the data that goes to and fro.
//!
//! A runtime of its own carries the connections, so that whoever uses the client may be any thread, in any language. Calls
//! that wait take a limit and can be asked again; nothing here waits for ever. Once the scheduler is gone everything that
//! waits for it ends with the reason.
//!
//! Knows: futures' states, keys, workers' addresses, packed values. Does not know: what tasks do, Python. Invariants: what is
//! said to the scheduler is said in the order of the calls; a future's changes are seen in the order in which they were told;
//! a lock is held for moments only.

mod conversation;
mod data;
mod gather;
mod outgoing;
mod patience;
mod scatter;
mod submission;
mod table;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use raskr_sched::{Found, FromClient, FutureId, Key, RequestId};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Notify, oneshot};
use tokio::task::{AbortHandle, JoinHandle};

use crate::address::Address;
use crate::security::PemFiles;
use crate::token::Token;
use crate::wire::{Answer, ClientSays, Refusal};
use data::Peers;
use gather::AtHand;
use outgoing::Outgoing;
use patience::Patience;
use table::{Listener, Table};

pub use conversation::Welcomed;
pub use gather::{Fetched, Gathered, Missing};
pub use scatter::Scattered;
pub use submission::Draft;
pub use table::{FutureState, Notice};

/// On how many workers a value goes that every worker is to have.
pub const EVERYWHERE: u16 = u16::MAX;

/// So many futures are looked at whenever something has come.
const AT_HAND_MAX: usize = 16;

/// Where the scheduler is, and how to show that we belong to it.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Otherwise what the scheduler file says, or `RASKR_SCHEDULER_ADDRESS`, or the latest cluster of this user.
    pub address: Option<Address>,
    /// Waited for until it is there.
    pub scheduler_file: Option<PathBuf>,
    /// Otherwise as the state file of the cluster at the address says, or `RASKR_TOKEN`.
    pub token: Option<Token>,
    pub pem_files: Option<PemFiles>,
    /// Allows plain connections to other machines.
    pub insecure: bool,
    /// Unique among clients.
    pub name: String,
    /// Said to the scheduler: JSON for people.
    pub about: String,
    /// For all of it: files, connecting, the scheduler's welcome. Without one, what refuses is given up after a second.
    pub timeout: Option<Duration>,
    /// Bytes of values of its own that are kept, to be sent again when workers are lost.
    pub kept_bytes_max: u64,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            address: None,
            scheduler_file: None,
            token: None,
            pem_files: None,
            insecure: false,
            name: String::new(),
            about: String::new(),
            timeout: None,
            kept_bytes_max: 256 << 20,
        }
    }
}

/// What the parts of a client share.
struct Shared {
    table: Mutex<Table>,
    /// Told after each change of the table: threads, and tasks of the runtime.
    moved: Condvar,
    /// How often it was changed, for those who look before they sleep.
    moves: AtomicU64,
    patience: Patience,
    changed: Notify,
    outgoing: Outgoing,
    peers: Peers,
    asks: Mutex<HashMap<u64, mpsc::Sender<Replied>>>,
    locates: Mutex<HashMap<RequestId, oneshot::Sender<Vec<Found>>>>,
    requests: AtomicU64,
    listeners: Mutex<Vec<Listener>>,
}

type Replied = Result<(String, Vec<Bytes>), Refusal>;

impl Shared {
    fn next_request(&self) -> RequestId {
        RequestId(self.requests.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn tell_waiters(&self) {
        self.moves.fetch_add(1, Ordering::Release);
        self.moved.notify_all();
        self.changed.notify_waiters();
    }

    /// Tells all who listen to this client.
    fn announce(&self, notice: &Notice) {
        self.listeners.lock().retain(|listener| listener.send(notice.clone()).is_ok());
    }

    /// Where values are; nothing when the scheduler is gone.
    async fn locate(&self, futures: Vec<FutureId>) -> Option<Vec<Found>> {
        let request = self.next_request();
        let (answer, located) = oneshot::channel();
        {
            let table = self.table.lock();
            if table.ended().is_some() {
                return None;
            }
            self.locates.lock().insert(request, answer);
        }
        self.outgoing.say(FromClient::Locate { request, futures });
        located.await.ok()
    }

    /// The scheduler is gone, for whatever reason; the first one counts.
    fn end(&self, reason: &str) {
        let reason: Arc<str> = reason.into();
        {
            let mut table = self.table.lock();
            if table.ended().is_some() {
                return;
            }
            table.end(&reason);
            // With the table held, so that nobody asks in between and waits for ever.
            self.asks.lock().clear();
            self.locates.lock().clear();
        }
        self.outgoing.close();
        self.peers.close();
        self.tell_waiters();
        self.announce(&Notice::Ended(reason));
        self.listeners.lock().clear();
    }
}

/// A client of a cluster. Closed when it is dropped.
pub struct Client {
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
    welcomed: Welcomed,
}

/// What carries the connections.
struct Running {
    runtime: Runtime,
    /// Ends when everything was sent.
    speaking: JoinHandle<()>,
}

/// How many of some futures are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    All,
    Any,
}

/// Waits for some futures, as often as it is asked to.
pub struct Waiting {
    shared: Arc<Shared>,
    futures: Vec<FutureId>,
    until: Until,
    /// Those before are done.
    next: usize,
}

impl Waiting {
    /// Whether as many are done as are waited for, `within` at most.
    pub fn wait(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut table = self.shared.table.lock();
        loop {
            match self.until {
                Until::All => {
                    while self.futures.get(self.next).is_some_and(|future| table.is_done(*future)) {
                        self.next += 1;
                    }
                    if self.next == self.futures.len() {
                        return true;
                    }
                }
                Until::Any => {
                    if self.futures.is_empty() || self.futures.iter().any(|future| table.is_done(*future)) {
                        return true;
                    }
                }
            }
            if self.shared.moved.wait_until(&mut table, deadline).timed_out() {
                return false;
            }
        }
    }
}

/// The answer to a question, once it is there. Dropped before, the scheduler is told that nobody waits.
pub struct Asking {
    shared: Arc<Shared>,
    request: u64,
    answer: mpsc::Receiver<Replied>,
    done: bool,
}

impl Asking {
    /// The answer, if it comes `within`.
    pub fn wait(&mut self, within: Duration) -> Option<Replied> {
        let answer = match self.answer.recv_timeout(within) {
            Ok(answer) => answer,
            Err(mpsc::RecvTimeoutError::Timeout) => return None,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let reason = self.shared.table.lock().ended().cloned();
                let message =
                    reason.map_or_else(|| "the question was given up".to_owned(), |reason| reason.to_string());
                Err(Refusal { class: "OSError".to_owned(), message })
            }
        };
        self.done = true;
        Some(answer)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if !self.done && self.shared.asks.lock().remove(&self.request).is_some() {
            self.shared.outgoing.says(ClientSays::Forget { request: self.request }, Vec::new());
        }
    }
}

/// Values that are being fetched. Dropped, it stops.
///
/// Few futures are waited for by whoever asks, since their values mostly come along with the word that they are there: no
/// other thread has to be woken then.
pub struct Gathering {
    shared: Arc<Shared>,
    futures: Vec<FutureId>,
    every: bool,
    /// None when the client was closed before.
    runtime: Option<Handle>,
    fetching: Option<Fetching>,
}

struct Fetching {
    gathered: mpsc::Receiver<Vec<Gathered>>,
    task: Option<AbortHandle>,
}

impl Gathering {
    /// The values or why there are none, in the order of the futures, if all are there `within`.
    pub fn wait(&mut self, within: Duration) -> Option<Vec<Gathered>> {
        let deadline = Instant::now() + within;
        if self.fetching.is_none() {
            match gather::at_hand(&self.shared, &self.futures, self.every, deadline) {
                AtHand::All(gathered) => return Some(gathered),
                AtHand::NotYet => return None,
                AtHand::Elsewhere => self.fetch(),
            }
        }
        let fetching = self.fetching.as_ref()?;
        match fetching.gathered.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(gathered) => Some(gathered),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let reason = self.shared.table.lock().ended().cloned();
                let reason = reason.unwrap_or_else(|| "the client was closed".into());
                Some(vec![Err(Missing::Lost(reason)); self.futures.len()])
            }
        }
    }

    fn fetch(&mut self) {
        let (answer, gathered) = mpsc::channel();
        let (shared, futures, every) = (Arc::clone(&self.shared), self.futures.clone(), self.every);
        let work = async move {
            let values = gather::gather(&shared, &futures, every).await;
            // Who gave up does not miss them.
            drop(answer.send(values));
        };
        let task = self.runtime.as_ref().map(|runtime| runtime.spawn(work).abort_handle());
        self.fetching = Some(Fetching { gathered, task });
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        if let Some(task) = self.fetching.as_ref().and_then(|fetching| fetching.task.as_ref()) {
            task.abort();
        }
    }
}

impl Client {
    /// What the scheduler said of itself.
    pub fn welcomed(&self) -> &Welcomed {
        &self.welcomed
    }

    /// Submits a graph; gives the futures of what is wanted, a handle to each.
    pub fn submit(&self, draft: Draft) -> Vec<FutureId> {
        let shared = &self.shared;
        let mut table = shared.table.lock();
        let parts = draft.into_parts(&mut table, || shared.next_request());
        // Said while the table is held, so that what later calls say of these futures comes later.
        for submission in parts.submissions {
            shared.outgoing.add(FromClient::Submit(submission));
        }
        if !parts.passing.is_empty() {
            shared.outgoing.release(&parts.passing);
        }
        drop(table);
        shared.outgoing.pass();
        parts.futures
    }

    /// Waits until what was submitted before has mostly been sent; false when it was not `within`.
    pub fn wait_for_room(&self, within: Duration) -> bool {
        self.shared.outgoing.wait_for_room(within)
    }

    /// Futures of keys that others submitted.
    pub fn want(&self, keys: &[Key]) -> Vec<FutureId> {
        let mut table = self.shared.table.lock();
        let mut futures = Vec::with_capacity(keys.len());
        for key in keys {
            let taken = table.take(key);
            if taken.new {
                self.shared.outgoing.say(FromClient::Want { key: Arc::clone(key), future: taken.future });
            }
            futures.push(taken.future);
        }
        futures
    }

    /// One more handle to a future.
    pub fn share(&self, future: FutureId) {
        self.shared.table.lock().share(future);
    }

    /// Handles that are gone.
    pub fn release(&self, futures: &[FutureId]) {
        let mut table = self.shared.table.lock();
        let gone: Vec<FutureId> = futures.iter().copied().filter(|future| table.release(*future)).collect();
        if !gone.is_empty() {
            self.shared.outgoing.release(&gone);
        }
    }

    /// Holds a future until it is done, whoever else releases it.
    pub fn keep_until_done(&self, future: FutureId) {
        self.shared.table.lock().hold(future);
    }

    /// Is it a value of this client's own that would be sent again?
    pub fn is_kept(&self, future: FutureId) -> bool {
        self.shared.table.lock().is_kept(future)
    }

    pub fn state(&self, future: FutureId) -> FutureState {
        self.shared.table.lock().state(future)
    }

    pub fn states(&self, futures: &[FutureId]) -> Vec<FutureState> {
        let table = self.shared.table.lock();
        futures.iter().map(|future| table.state(*future)).collect()
    }

    pub fn key(&self, future: FutureId) -> Option<Key> {
        self.shared.table.lock().key(future)
    }

    /// Keys of which this client holds futures.
    pub fn keys(&self) -> Vec<(Key, FutureState)> {
        self.shared.table.lock().keys()
    }

    pub fn waiting(&self, futures: Vec<FutureId>, until: Until) -> Waiting {
        Waiting { shared: Arc::clone(&self.shared), futures, until, next: 0 }
    }

    /// How many workers the scheduler has told of.
    pub fn workers(&self) -> usize {
        self.shared.peers.count()
    }

    /// Whether there are so many workers, `within`.
    pub fn wait_for_workers(&self, workers: usize, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        // Changes of the peers are told as those of the table are.
        let mut table = self.shared.table.lock();
        while self.shared.peers.count() < workers {
            if table.ended().is_some() || self.shared.moved.wait_until(&mut table, deadline).timed_out() {
                return self.shared.peers.count() >= workers;
            }
        }
        true
    }

    /// Has a listener told when futures are done, at once of those that are.
    pub fn watch(&self, futures: &[FutureId], listener: &mpsc::Sender<Notice>) {
        let mut table = self.shared.table.lock();
        for future in futures {
            table.watch(*future, listener);
        }
    }

    /// Has a listener told of events, conflicts and the end.
    pub fn listen(&self, listener: mpsc::Sender<Notice>) {
        let ended = self.shared.table.lock().ended().cloned();
        match ended {
            Some(reason) => drop(listener.send(Notice::Ended(reason))),
            None => self.shared.listeners.lock().push(listener),
        }
    }

    /// Fetches values, once they are there; with `every` none when one of them has none.
    pub fn gather(&self, futures: Vec<FutureId>, every: bool) -> Gathering {
        let runtime = self.running.lock().as_ref().map(|running| running.runtime.handle().clone());
        let mut gathering = Gathering { shared: Arc::clone(&self.shared), futures, every, runtime, fetching: None };
        if gathering.futures.len() > AT_HAND_MAX {
            gathering.fetch();
        }
        gathering
    }

    /// Would a value of this size be kept, to be sent again, beside others of so many bytes?
    pub fn keeps(&self, bytes: u64, beside: u64) -> bool {
        self.shared.table.lock().has_room(bytes, beside)
    }

    /// Puts values on workers: on `copies` of them, or [`EVERYWHERE`].
    pub fn scatter(&self, values: Vec<Scattered>, copies: u16) -> Vec<FutureId> {
        self.shared.scatter(values, copies)
    }

    /// Gives up futures and what was to be made of them.
    pub fn cancel(&self, futures: &[FutureId], force: bool) {
        let mut table = self.shared.table.lock();
        for future in futures {
            table.cancel(*future, "it was cancelled");
        }
        self.shared.outgoing.say(FromClient::Cancel { futures: futures.to_vec(), force });
        drop(table);
        self.shared.tell_waiters();
    }

    pub fn retry(&self, futures: &[FutureId]) {
        let mut table = self.shared.table.lock();
        for future in futures {
            table.retry(*future);
        }
        self.shared.outgoing.say(FromClient::Retry(futures.to_vec()));
    }

    pub fn replicate(&self, futures: &[FutureId], copies: u16) {
        self.shared.outgoing.say(FromClient::Replicate { futures: futures.to_vec(), copies });
    }

    /// Keeps values under a name beyond the life of this client.
    pub fn publish(&self, name: &str, futures: &[FutureId]) {
        self.shared.outgoing.say(FromClient::Publish { name: name.into(), futures: futures.to_vec() });
    }

    pub fn unpublish(&self, name: &str) {
        self.shared.outgoing.say(FromClient::Unpublish { name: name.into() });
    }

    /// Asks the scheduler something, as JSON with buffers.
    pub fn ask(&self, question: String, buffers: Vec<Bytes>) -> Asking {
        let request = self.shared.next_request().0;
        let (reply, answer) = mpsc::channel();
        {
            let table = self.shared.table.lock();
            // Otherwise `reply` is dropped, which is the answer.
            if table.ended().is_none() {
                self.shared.asks.lock().insert(request, reply);
            }
        }
        self.shared.outgoing.says(ClientSays::Ask { request, question }, buffers);
        Asking { shared: Arc::clone(&self.shared), request, answer, done: false }
    }

    /// Why the scheduler can't be asked any more, if so.
    pub fn ended(&self) -> Option<Arc<str>> {
        self.shared.table.lock().ended().cloned()
    }

    /// Says goodbye, with what was said before; `within` bounds the wait for it.
    pub fn close(&self, within: Duration) {
        let Some(Running { runtime, speaking }) = self.running.lock().take() else { return };
        self.shared.outgoing.says(ClientSays::Bye, Vec::new());
        self.shared.outgoing.close();
        // When it takes longer, the connection is cut.
        let _ = runtime.block_on(async { tokio::time::timeout(within, speaking).await });
        self.shared.end("the client was closed");
        runtime.shutdown_background();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close(Duration::from_secs(1));
    }
}

/// The scheduler's answer, for whoever asked.
fn replied(answer: Answer, buffers: Vec<Bytes>) -> Replied {
    answer.map(|text| (text, buffers))
}
