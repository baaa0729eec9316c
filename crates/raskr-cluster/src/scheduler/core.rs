//! The one task that has the machine: takes what has arrived, handles it, sends what follows.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use raskr_sched::{Action, ClientId, Event, Instant, Notice, Scheduler, WorkerId};
use serde_json::Value;
use tokio::sync::mpsc;

use super::arrivals::{ARRIVALS_MAX, Arrived, ConnectionId};
use super::clients::ClientEnd;
use super::lines::{Line, WorkerEnd};
use super::observed::{Lag, Log, Stream};
use super::options::ServerOptions;
use super::server::Command;
use super::services::Services;
use super::waits::Waits;
use crate::wire::ClientHears;

/// How often the machine is told that time goes by.
const TICK: Duration = Duration::from_millis(250);
/// How often it is looked after workers whose connection broke.
const CUT_LOOK: Duration = Duration::from_millis(50);
/// After so long what follows from what has been handled is sent, whatever has still to be handled.
const TURN: Duration = Duration::from_millis(5);
/// The most that time may go on for the machine while nothing is handled: a process that was stopped, or a machine that slept,
/// has heard nobody, which is no reason to give anybody up.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the end waits for workers to say farewell.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long connections may take to send what is left.
const PARTING: Duration = Duration::from_millis(500);

/// What people are told of the scheduler.
pub(super) struct About {
    pub id: String,
    pub address: String,
    /// Seconds since 1970.
    pub started: f64,
    /// The dashboard's link and port.
    pub dashboard: Option<(String, u16)>,
}

/// The scheduler is about to end.
struct Ending {
    reason: String,
    at: tokio::time::Instant,
}

pub(super) struct Core {
    pub machine: Scheduler,
    pub about: About,
    pub options: ServerOptions,
    pub began: tokio::time::Instant,
    pub workers: HashMap<ConnectionId, WorkerEnd>,
    pub lines: BTreeMap<WorkerId, Line>,
    /// Over which connection a process registers.
    pub registering: HashMap<u64, ConnectionId>,
    pub clients: BTreeMap<ClientId, ClientEnd>,
    pub lines_dirty: Vec<WorkerId>,
    pub clients_dirty: Vec<ClientId>,
    pub waits: Waits,
    pub services: Services,
    pub stream: Stream,
    pub log: Log,
    pub lag: Lag,
    pub busy_at: tokio::time::Instant,
    /// When something was handled last, and how much time has not counted.
    turned: tokio::time::Instant,
    skipped: Duration,
    ticked: tokio::time::Instant,
    looked: tokio::time::Instant,
    ending: Option<Ending>,
}

impl Core {
    pub fn new(machine: Scheduler, about: About, options: ServerOptions) -> Core {
        let now = tokio::time::Instant::now();
        Core {
            machine,
            about,
            options,
            began: now,
            workers: HashMap::new(),
            lines: BTreeMap::new(),
            registering: HashMap::new(),
            clients: BTreeMap::new(),
            lines_dirty: Vec::new(),
            clients_dirty: Vec::new(),
            waits: Waits::default(),
            services: Services::default(),
            stream: Stream::default(),
            log: Log::default(),
            lag: Lag::default(),
            busy_at: now,
            turned: now,
            skipped: Duration::ZERO,
            ticked: now,
            looked: now,
            ending: None,
        }
    }

    /// The machine's time.
    pub fn now(&self) -> Instant {
        let counted = self.began.elapsed().saturating_sub(self.skipped);
        Instant::from_micros(u64::try_from(counted.as_micros()).unwrap_or(u64::MAX))
    }

    /// A time of the machine's in seconds since 1970.
    pub fn seconds(&self, at: Instant) -> f64 {
        self.about.started + at.as_micros() as f64 / 1e6 + self.skipped.as_secs_f64()
    }

    /// Runs until somebody has the scheduler end, and says why.
    pub async fn run(
        mut self,
        mut arrivals: mpsc::Receiver<Arrived>,
        mut commands: mpsc::UnboundedReceiver<Command>,
    ) -> String {
        let mut arrived = Vec::new();
        loop {
            tokio::select! {
                _ = arrivals.recv_many(&mut arrived, ARRIVALS_MAX) => {}
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => self.end("whoever started the scheduler is gone".into()),
                },
                () = tokio::time::sleep_until(self.wake_at()) => {}
            }
            self.note_pause();
            let mut turn = tokio::time::Instant::now();
            for arrived in arrived.drain(..) {
                self.on_arrived(arrived);
                if turn.elapsed() >= TURN {
                    self.finish_turn(turn);
                    // Whoever writes may be waiting for this very thread.
                    tokio::task::yield_now().await;
                    turn = tokio::time::Instant::now();
                }
            }
            self.finish_turn(turn);
            if self.has_ended() {
                break;
            }
        }
        self.part().await
    }

    fn wake_at(&self) -> tokio::time::Instant {
        let tick = self.ticked + TICK;
        let look = self.lines.values().any(|line| line.cut.is_some()).then(|| self.looked + CUT_LOOK);
        let wait = self.waits.next_deadline();
        [look, wait].into_iter().flatten().fold(tick, tokio::time::Instant::min)
    }

    /// Leaves out time in which nothing could be heard.
    fn note_pause(&mut self) {
        let now = tokio::time::Instant::now();
        let pause = now - self.turned;
        self.turned = now;
        if let Some(skipped) = pause.checked_sub(PAUSE).filter(|skipped| !skipped.is_zero()) {
            self.skipped += skipped;
            self.log.line(self.seconds(self.now()), "warning", format!("the scheduler stood still for {pause:.1?}"));
        }
    }

    fn finish_turn(&mut self, turn: tokio::time::Instant) {
        self.note_pause();
        let now = tokio::time::Instant::now();
        if now >= self.looked + CUT_LOOK {
            self.looked = now;
            self.look_after_cut_lines();
        }
        if now >= self.ticked + TICK {
            self.lag.late(now - self.ticked - TICK);
            self.ticked = now;
            self.tick();
        }
        for wait in self.waits.expired(now) {
            self.give_up_wait(wait);
        }
        self.send_out();
        self.lag.turn(turn.elapsed());
    }

    fn tick(&mut self) {
        self.feed(Event::Ticked);
        self.acknowledge();
        self.services_tick();
        for end in self.clients.values_mut() {
            end.pipe.flush();
        }
        for end in self.workers.values_mut() {
            end.pipe.flush();
        }
        if let Some(limit) = self.options.idle_timeout {
            let now = tokio::time::Instant::now();
            if self.machine.load().open > 0 {
                self.busy_at = now;
            } else if now - self.busy_at >= limit && self.ending.is_none() {
                self.end(format!("there was no work for {limit:?}"));
            }
        }
    }

    fn on_arrived(&mut self, arrived: Arrived) {
        match arrived {
            Arrived::Worker { id, sender, peer } => {
                self.workers.insert(id, WorkerEnd::new(sender, peer));
            }
            Arrived::Client { id, sender, peer } => {
                self.clients.insert(ClientId(id), ClientEnd::new(sender, peer));
            }
            Arrived::FromWorker { id, messages } => self.on_worker(id, messages),
            Arrived::FromClient { id, messages } => self.on_client(ClientId(id), messages),
            Arrived::WorkerEnded { id, error } => self.on_worker_ended(id, error),
            Arrived::ClientEnded { id } => self.on_client_gone(ClientId(id)),
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Ask { question, buffers, answer } => {
                self.ask(super::waits::Asker::Here(answer), &question, buffers);
            }
            Command::Look(look) => look(self),
            Command::End { reason } => self.end(reason),
        }
    }

    /// Tells the machine of an event, and does what it says.
    pub fn feed(&mut self, event: Event) {
        let now = self.now();
        for action in self.machine.handle(event, now) {
            match action {
                Action::ToWorker { worker, incarnation, messages } => self.tell_worker(worker, incarnation, messages),
                Action::ToClient { client, messages } => self.tell_client(client, messages),
                Action::Welcome(welcome) => self.welcome(welcome),
                Action::Reject { worker, incarnation } => self.reject(worker, incarnation),
                Action::Tell(notice) => self.on_notice(&notice),
            }
        }
    }

    fn on_notice(&mut self, notice: &Notice) {
        self.log.notice(notice, self.seconds(self.now()));
        match notice {
            Notice::WorkerLost { worker, .. } => self.drop_line(*worker, true),
            Notice::WorkerRetired { worker, .. } => self.drop_line(*worker, false),
            Notice::WorkerJoined { .. } | Notice::WorkerSilent { .. } | Notice::WorkerHeardAgain { .. } => {}
        }
    }

    /// Sends all that came together, in one message a peer.
    fn send_out(&mut self) {
        for worker in std::mem::take(&mut self.lines_dirty) {
            self.send_line(worker);
        }
        for client in std::mem::take(&mut self.clients_dirty) {
            self.send_client(client);
        }
    }

    /// Closes all workers, tells clients, and ends when that is done.
    pub fn end(&mut self, reason: String) {
        if self.ending.is_some() {
            return;
        }
        self.send_out();
        for line in self.lines.keys().copied().collect::<Vec<_>>() {
            self.close_line(line);
        }
        for end in self.clients.values_mut() {
            end.pipe.send(ClientHears::Closing { reason: reason.clone() }, Vec::new());
        }
        self.log.line(self.seconds(self.now()), "info", format!("the scheduler ends: {reason}"));
        self.ending = Some(Ending { reason, at: tokio::time::Instant::now() + FAREWELL });
    }

    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    fn has_ended(&self) -> bool {
        let late = |ending: &Ending| tokio::time::Instant::now() >= ending.at;
        self.ending.as_ref().is_some_and(|ending| self.lines.is_empty() || late(ending))
    }

    /// Has all connections send what they have left.
    async fn part(self) -> String {
        let mut parting = tokio::task::JoinSet::new();
        for end in self.workers.into_values() {
            let sender = end.pipe.sender().clone();
            parting.spawn(async move { sender.close(PARTING).await });
        }
        for end in self.clients.into_values() {
            let sender = end.pipe.sender().clone();
            parting.spawn(async move { sender.close(PARTING).await });
        }
        while parting.join_next().await.is_some() {}
        self.ending.map(|ending| ending.reason).unwrap_or_default()
    }

    /// JSON of what a worker said of itself.
    pub fn parse(text: &str) -> Value {
        serde_json::from_str(text).unwrap_or(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use raskr_sched::{Epoch, SchedulerOptions};

    use super::*;
    use crate::address::Address;
    use crate::security::Security;
    use crate::token::Token;

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nothing_could_be_heard_is_no_silence() {
        let security = Security::new(Token::random().expect("random"));
        let options = ServerOptions::new(Address::loopback(), security);
        let about = About { id: String::new(), address: String::new(), started: 0.0, dashboard: None };
        let mut core = Core::new(Scheduler::new(SchedulerOptions::default(), Epoch(1)), about, options);
        for (passed, counted) in [(200, 200), (1000, 1200), (3_600_000, 2200), (100, 2300)] {
            tokio::time::advance(Duration::from_millis(passed)).await;
            core.note_pause();
            assert_eq!(core.now(), Instant::from_micros(counted * 1000));
        }
        assert_eq!(core.seconds(core.now()), 3601.3);
        let lines: Vec<String> = core.log.last(9).map(|line| line.text.clone()).collect();
        assert_eq!(lines, ["the scheduler stood still for 3600.0s"]);
    }
}
