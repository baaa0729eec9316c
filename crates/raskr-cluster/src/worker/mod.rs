//! The worker's shell: carries what `raskr_sched::Worker` says to the scheduler, to peers, to the store and to the runner.
//!
//! The machine (`control`) is told of everything through one queue (`desk`), by whoever brings it. Values lie in a store (`store`) that
//! spills those needed least lately to files (`spill`) from a thread of its own; they are sent and fetched on connections of
//! their own (`data`), so that neither heartbeats nor tasks wait for bulk data or for a disk.

mod control;
mod data;
mod desk;
mod inputs;
mod line;
mod memory;
mod spill;
mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use raskr_base::TaskError;
use serde_json::{Map, Value as Json};
use tokio::runtime::Builder;

use crate::address::Address;
use crate::error::CommError;
use crate::options::Options;
use crate::runner::Runner;
use crate::security::Security;

use control::Control;
use desk::Desk;
use inputs::Input;

/// Threads that move data beside the one that drives the machine.
const DATA_THREADS: usize = 2;
/// How long what is under way may take to end when everything is done.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often a scheduler that was not found is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Says where the scheduler is: asked anew for each connection, since a scheduler file may change.
pub type Contact = Arc<dyn Fn() -> Result<(Address, Security), CommError> + Send + Sync>;

/// What a worker is told when it starts.
#[derive(Clone)]
pub struct WorkerSettings {
    /// Its address when it is empty.
    pub name: Arc<str>,
    /// Tasks that run at a time.
    pub threads: u32,
    /// In bytes; 0 for none.
    pub memory_limit: u64,
    /// In millionths.
    pub resources: Vec<(Arc<str>, u64)>,
    /// Where values are spilled.
    pub local_directory: PathBuf,
    /// The most bytes of files there.
    pub spill_limit: Option<u64>,
    /// The share of the memory limit above which values are spilled; 0 for never.
    pub target: f64,
    pub scheduler: Contact,
    /// Where peers and clients fetch values.
    pub listen: Address,
    /// What others are to connect to, where that is another host than the one listened on.
    pub contact_host: Option<String>,
    /// How long to go without a scheduler, at the start or later; a minute where nothing is said.
    pub death_timeout: Option<Duration>,
    /// What is told to people about this process, beside what the shell knows.
    pub about: Map<String, Json>,
    pub machine: raskr_sched::WorkerOptions,
    pub connections: Options,
}

impl WorkerSettings {
    pub fn new(name: impl Into<Arc<str>>, scheduler: Contact) -> WorkerSettings {
        WorkerSettings {
            name: name.into(),
            threads: 1,
            memory_limit: 0,
            resources: Vec::new(),
            local_directory: std::env::temp_dir(),
            spill_limit: None,
            target: 0.6,
            scheduler,
            listen: Address::loopback(),
            contact_host: None,
            death_timeout: None,
            about: Map::new(),
            machine: raskr_sched::WorkerOptions::default(),
            connections: Options::default(),
        }
    }
}

/// How a worker came to its end.
#[derive(Clone, Debug)]
pub enum End {
    /// The scheduler said so: it was retired, or the cluster ends.
    Closed,
    /// It was asked to leave, here.
    Left,
    /// It was closed, here.
    Stopped,
    /// There is no scheduler, or none that takes it.
    Failed(TaskError),
}

/// What has become of a worker.
#[derive(Default)]
struct Ending {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    registered: bool,
    end: Option<End>,
}

impl Ending {
    fn tell_registered(&self) {
        self.state.lock().registered = true;
        self.changed.notify_all();
    }

    fn tell_end(&self, end: End) {
        self.state.lock().end = Some(end);
        self.changed.notify_all();
    }

    /// Waits until the state is as it should be, or it has ended.
    fn wait(&self, deadline: Instant, awaited: impl Fn(&State) -> bool) -> Option<End> {
        let mut state = self.state.lock();
        while state.end.is_none() && !awaited(&state) && !self.changed.wait_until(&mut state, deadline).timed_out() {}
        state.end.clone()
    }
}

/// A worker that runs on threads of its own. It ends when it is told to, here or by the scheduler, or dropped.
pub struct WorkerServer {
    name: Arc<str>,
    address: Address,
    desk: Arc<Desk>,
    ending: Arc<Ending>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl WorkerServer {
    /// Listens for peers and begins to look for the scheduler. An error when there is no scheduler file in time, or when it
    /// can't listen; that a scheduler can't be reached is how it ends ([`WorkerServer::wait`]).
    pub fn start(mut settings: WorkerSettings, runner: Arc<dyn Runner>) -> Result<WorkerServer, CommError> {
        if let Some(timeout) = settings.death_timeout {
            settings.machine.keep_without_scheduler = timeout;
        }
        let (_, security) = first_contact(&settings)?;
        let system = |source| CommError::system(&settings.listen, "start threads", source);
        let data = Builder::new_multi_thread()
            .worker_threads(DATA_THREADS)
            .thread_name("raskr-worker-data")
            .enable_all()
            .build()
            .map_err(system)?;
        // The machine's thread reads and writes to the scheduler itself: each thread that a message goes through costs as
        // much as all that is done with it.
        let runtime = Builder::new_current_thread().enable_all().build().map_err(system)?;
        let control = data.block_on(Control::new(settings.clone(), security, runner))?;
        let (name, address, desk, ending) = control.face();
        let tell = Arc::clone(&ending);
        let run = move || {
            let end = runtime.block_on(control.run());
            runtime.shutdown_timeout(LAST_WORDS);
            data.shutdown_timeout(LAST_WORDS);
            tell.tell_end(end);
        };
        let thread = std::thread::Builder::new().name("raskr-worker".to_owned()).spawn(run).map_err(system)?;
        Ok(WorkerServer { name, address, desk, ending, thread: Mutex::new(Some(thread)) })
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where peers and clients reach it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How it ended; nothing when it has not within the time.
    pub fn wait(&self, timeout: Duration) -> Option<End> {
        self.ending.wait(Instant::now() + timeout, |_| false)
    }

    /// Waits until the scheduler has taken it in: how it ended if it has, and whether it was taken in. A worker that finds
    /// no scheduler ends by itself.
    pub fn wait_registered(&self, timeout: Duration) -> (Option<End>, bool) {
        let end = self.ending.wait(Instant::now() + timeout, |state| state.registered);
        (end, self.ending.state.lock().registered)
    }

    /// Has it end once the values that only it has are elsewhere, or after the scheduler's patience.
    pub fn leave(&self) {
        self.desk.leave(Input::Leave);
    }

    /// Has it end at once.
    pub fn close(&self) {
        self.desk.leave(Input::Close);
    }
}

impl Drop for WorkerServer {
    fn drop(&mut self) {
        self.close();
        if let Some(thread) = self.thread.lock().take() {
            // A panic there was told where it happened.
            let _ = thread.join();
        }
    }
}

/// Where the scheduler is, once that is known: a scheduler file may not be there yet.
fn first_contact(settings: &WorkerSettings) -> Result<(Address, Security), CommError> {
    let deadline = Instant::now() + settings.machine.keep_without_scheduler;
    loop {
        match (settings.scheduler)() {
            Ok(contact) => return Ok(contact),
            Err(error @ CommError::File { .. }) if Instant::now() >= deadline => return Err(error),
            Err(CommError::File { .. }) => std::thread::sleep(LOOK_AGAIN),
            Err(error) => return Err(error),
        }
    }
}
