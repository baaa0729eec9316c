//! `SchedulerServer`: starts the scheduler on a thread of its own, and stands for it in its process.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc as channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use raskr_sched::{Epoch, Scheduler, State, WorkerView};
use serde_json::Value;
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use super::arrivals::{ARRIVALS_MAX, accept};
use super::core::{About, Core};
use super::observed::{Lag, Line, Ran};
use super::options::ServerOptions;
use crate::address::Address;
use crate::endpoint::Endpoint;
use crate::error::CommError;
use crate::files::{ClusterFile, Published};
use crate::handshake::Role;
use crate::near;
use crate::token::{Token, random};
use crate::wire::{Answer, Refusal};

/// How long threads that are still at work may hold up the end.
const STOP: Duration = Duration::from_millis(500);
/// Lines of the log that a view has.
const LINES_SEEN: usize = 200;

pub(super) enum Command {
    Ask { question: String, buffers: Vec<Bytes>, answer: channel::Sender<(Answer, Vec<Bytes>)> },
    Look(Box<dyn FnOnce(&mut Core) + Send>),
    End { reason: String },
}

/// A scheduler that runs in this process. It ends when this is dropped.
pub struct SchedulerServer {
    commands: mpsc::UnboundedSender<Command>,
    id: String,
    addresses: Vec<Address>,
    token: Token,
    ended: Arc<Ended>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

#[derive(Default)]
struct Ended {
    reason: Mutex<Option<String>>,
    changed: Condvar,
}

/// A worker as the scheduler's shell knows it.
#[derive(Clone, Debug)]
pub struct WorkerSeen {
    pub view: WorkerView,
    /// JSON: what it said of itself when it registered, and its last metrics.
    pub about: Value,
    pub metrics: Value,
    /// Since it was heard last.
    pub silent: Duration,
}

/// Tasks that cost alike: those of one function.
#[derive(Clone, Debug)]
pub struct ClassSeen {
    pub name: Arc<str>,
    /// How many are in each state, in the order of [`State::ALL`].
    pub counts: [u64; State::ALL.len()],
    /// How long one takes; nothing before one ended.
    pub mean: Duration,
}

/// The state of things in short: what a page shows.
#[derive(Clone, Debug)]
pub struct View {
    pub id: String,
    pub address: String,
    /// In seconds since 1970: the scheduler's start, and now.
    pub started: f64,
    pub now: f64,
    /// Tasks by state, in the order of [`State::ALL`], in all and by class.
    pub counts: [u64; State::ALL.len()],
    pub classes: Vec<ClassSeen>,
    pub workers: Vec<WorkerSeen>,
    pub clients: usize,
    /// Tasks that finished and failed since the start.
    pub finished: u64,
    pub failed: u64,
    /// Workers that were lost since the start.
    pub lost: u64,
    /// What the scheduler took since it was looked at last.
    pub lag: Lag,
    /// The last tasks that ran.
    pub ran: Vec<Ran>,
    pub lines: Vec<Line>,
}

/// A question that was asked.
pub struct Asked(Mutex<channel::Receiver<(Answer, Vec<Bytes>)>>);

impl Asked {
    /// The answer, if it comes in time.
    pub fn wait(&self, timeout: Duration) -> Option<(Answer, Vec<Bytes>)> {
        match self.0.lock().recv_timeout(timeout) {
            Ok(told) => Some(told),
            Err(channel::RecvTimeoutError::Timeout) => None,
            Err(channel::RecvTimeoutError::Disconnected) => {
                let message = "the scheduler has ended".to_owned();
                Some((Err(Refusal { class: "OSError".into(), message }), Vec::new()))
            }
        }
    }
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl SchedulerServer {
    /// Listens, and is ready for workers and clients when it returns. Not to be called within a runtime.
    pub fn start(options: ServerOptions) -> Result<SchedulerServer, CommError> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (ready, started) = channel::channel();
        let ended = Arc::new(Ended::default());
        let (end, token) = (Arc::clone(&ended), options.security.token().clone());
        let first = options.addresses.first().cloned().unwrap_or_else(Address::loopback);
        let failed = |error| CommError::system(&first, "start the scheduler's thread", error);
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(2)
            // The system keeps 15 letters.
            .thread_name("raskr-sched-io")
            .enable_all()
            .build()
            .map_err(failed)?;
        let run = move || {
            let reason = runtime.block_on(serve(options, inbox, &ready));
            runtime.shutdown_timeout(STOP);
            *end.reason.lock() = Some(reason);
            end.changed.notify_all();
        };
        let thread = thread::Builder::new().name("raskr-scheduler".into()).spawn(run).map_err(failed)?;
        let gone = || CommError::Closed { peer: first.clone() };
        match started.recv().map_err(|_| gone()) {
            Ok(Ok((id, addresses))) => {
                Ok(SchedulerServer { commands, id, addresses, token, ended, thread: Mutex::new(Some(thread)) })
            }
            Ok(Err(error)) | Err(error) => {
                // It has ended, or is about to.
                let _ = thread.join();
                Err(error)
            }
        }
    }

    /// Unique among clusters.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where others reach it.
    pub fn address(&self) -> Option<&Address> {
        self.addresses.first()
    }

    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    pub fn token(&self) -> &Token {
        &self.token
    }

    fn look<T: Send + 'static>(&self, look: impl FnOnce(&mut Core) -> T + Send + 'static) -> Option<T> {
        let (sender, answer) = channel::channel();
        let look = Box::new(move |core: &mut Core| drop(sender.send(look(core))));
        self.commands.send(Command::Look(look)).ok()?;
        answer.recv().ok()
    }

    /// Asks a question as a client would.
    pub fn ask(&self, question: &str, buffers: Vec<Bytes>) -> Asked {
        let (answer, told) = channel::channel();
        // That nobody is there to answer is told by the answer.
        let _ = self.commands.send(Command::Ask { question: question.to_owned(), buffers, answer });
        Asked(Mutex::new(told))
    }

    /// The state of things, with at most `most` of the tasks that ran after that of number `since`, and the last lines of the log.
    pub fn view(&self, since: u64, most: usize) -> Option<View> {
        self.look(move |core| core.view(since, most))
    }

    /// Where the dashboard is, once it is there.
    pub fn set_dashboard(&self, link: String, port: u16) {
        let _ = self.look(move |core| core.about.dashboard = Some((link, port)));
    }

    pub fn dashboard(&self) -> Option<String> {
        self.look(|core| core.about.dashboard.as_ref().map(|(link, _)| link.clone())).flatten()
    }

    /// Closes the workers, tells clients, and ends; returns when nothing is left of it.
    pub fn close(&self, reason: &str) {
        // It may have ended by itself.
        let _ = self.commands.send(Command::End { reason: reason.to_owned() });
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }

    /// Waits for the end, whatever brought it about; why it ended, unless it has not.
    pub fn wait(&self, timeout: Option<Duration>) -> Option<String> {
        let mut reason = self.ended.reason.lock();
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        while reason.is_none() {
            match deadline {
                None => self.ended.changed.wait(&mut reason),
                Some(deadline) => {
                    if self.ended.changed.wait_until(&mut reason, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        reason.clone()
    }
}

impl Drop for SchedulerServer {
    fn drop(&mut self) {
        self.close("whoever started it let it go");
    }
}

type Started = Result<(String, Vec<Address>), CommError>;

/// Listens, tells how that went, and runs to the end.
async fn serve(
    options: ServerOptions,
    inbox: mpsc::UnboundedReceiver<Command>,
    ready: &channel::Sender<Started>,
) -> String {
    let (arrivals, arrived) = mpsc::channel(ARRIVALS_MAX);
    let endpoint = Endpoint::new(Role::Scheduler, options.security.clone()).with_options(options.connections);
    // Connections are clients' numbers, of which the machine keeps the last for itself.
    let numbers = Arc::new(AtomicU32::new(1));
    let mut listening = tokio::task::JoinSet::new();
    let begun = async {
        let mut addresses = Vec::new();
        for address in &options.addresses {
            let listener = endpoint.listen(address).await?;
            let contact = listener.contact();
            // Without it, processes of this machine come by the port.
            if let Some(path) = near::beside(&contact)
                && let Ok(local) = endpoint.listen(&Address::Unix(path)).await
            {
                listening.spawn(accept(local, Arc::clone(&numbers), arrivals.clone()));
            }
            addresses.push(contact);
            listening.spawn(accept(listener, Arc::clone(&numbers), arrivals.clone()));
        }
        let address = addresses.first().cloned().unwrap_or_else(Address::loopback);
        let file = ClusterFile::new(address, addresses[1..].to_vec(), options.security.clone())?;
        let mut published: Vec<Published> = Vec::new();
        if let Some(path) = &options.scheduler_file {
            published.push(file.write(path)?);
        }
        if options.publish {
            published.push(file.publish()?);
        }
        let epoch = Epoch(u64::from_le_bytes(random()?));
        Ok((file.id, addresses, published, epoch))
    };
    let (id, addresses, published, epoch) = match begun.await {
        Ok(begun) => begun,
        Err(error) => {
            let reason = format!("the scheduler did not start: {}", error);
            let _: Result<(), channel::SendError<Started>> = ready.send(Err(error));
            return reason;
        }
    };
    let about = About {
        id: format!("Scheduler-{id}"),
        address: addresses.first().map(ToString::to_string).unwrap_or_default(),
        started: unix_seconds(),
        dashboard: None,
    };
    let core = Core::new(Scheduler::new(options.machine.clone(), epoch), about, options);
    if ready.send(Ok((id, addresses))).is_err() {
        return "whoever started the scheduler is gone".into();
    }
    // Not on a thread of its own: whoever reads a message goes on with what follows from it, and writes that.
    let ended = tokio::spawn(core.run(arrived, inbox));
    let reason = {
        let _arrivals = arrivals;
        ended.await.unwrap_or_else(|error| format!("the scheduler failed: {error}"))
    };
    listening.shutdown().await;
    drop(published);
    reason
}

impl Core {
    fn view(&mut self, since: u64, most: usize) -> View {
        let now = self.now();
        let workers = self.lines.iter().filter_map(|(worker, line)| {
            let view = self.machine.worker(*worker)?;
            let silent = now.since(view.last_heard);
            Some(WorkerSeen { view, about: line.about.clone(), metrics: Core::parse(&line.metrics), silent })
        });
        let classes = self.machine.class_counts();
        let classes = classes.map(|(name, counts, mean)| ClassSeen { name: name.clone(), counts: *counts, mean });
        View {
            id: self.about.id.clone(),
            address: self.about.address.clone(),
            started: self.about.started,
            now: self.seconds(now),
            counts: State::ALL.map(|state| self.machine.count(state)),
            classes: classes.collect(),
            workers: workers.collect(),
            clients: self.machine.clients().count(),
            finished: self.stream.finished,
            failed: self.stream.failed,
            lost: self.log.lost,
            lag: std::mem::take(&mut self.lag),
            ran: self.stream.since(since, most).cloned().collect(),
            lines: self.log.last(LINES_SEEN).cloned().collect(),
        }
    }
}
