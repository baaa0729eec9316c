//! The page of a scheduler of this process: tells `raskr-dashboard` what `raskr-cluster` sees, and starts it.

use std::sync::{Arc, Weak};

use raskr_base::TaskError;
use raskr_cluster::{Address, ClassSeen, LogLine, Ran, SchedulerServer, View, WorkerSeen, listens_on};
use raskr_dashboard::{
    Cluster, Counters, Dashboard, Group, LogLine as ShownLine, Options, Ran as Shown, Snapshot, Source, States, Status,
    Worker,
};
use raskr_sched::{State, WorkerStatus};
use serde_json::Value;

/// Groups that are shown, those with most to do first, and lines of the log.
const GROUPS_MAX: usize = 60;
const LINES_MAX: usize = 200;

/// What the page's token is derived for.
const PURPOSE: &str = "raskr dashboard";

/// Serves the page; tells the scheduler where it is.
pub fn start_dashboard(server: &Arc<SchedulerServer>, address: &str, prefix: &str) -> Result<Dashboard, TaskError> {
    let id: String = server.id().chars().filter(char::is_ascii_alphanumeric).collect();
    let options = Options {
        token: Some(server.token().derived(PURPOSE)),
        prefix: prefix.to_owned(),
        name: id,
        hosts: server.addresses().iter().filter_map(host_of).collect(),
        shown_host: None,
        holder: Some(listens_on),
    };
    let source = Watched { server: Arc::downgrade(server), pid: std::process::id() };
    let dashboard = Dashboard::start(address, Arc::new(source), options)
        .map_err(|error| TaskError::new(error.class(), error.to_string()))?;
    server.set_dashboard(dashboard.link().to_owned(), dashboard.address().port());
    Ok(dashboard)
}

fn host_of(address: &Address) -> Option<String> {
    match address {
        Address::Tcp(host) | Address::Tls(host) => Some(host.name.clone()),
        _ => None,
    }
}

/// A scheduler, as long as somebody else holds it.
struct Watched {
    server: Weak<SchedulerServer>,
    pid: u32,
}

impl Source for Watched {
    fn snapshot(&self, since: u64, most: usize) -> Option<Snapshot> {
        let view = self.server.upgrade()?.view(since, most)?;
        Some(snapshot_of(view, self.pid))
    }
}

fn snapshot_of(view: View, pid: u32) -> Snapshot {
    let lines = view.lines.len().saturating_sub(LINES_MAX);
    Snapshot {
        time: view.now,
        clients: view.clients,
        tasks: states(&view.counts),
        groups: groups(&view),
        counters: Counters { finished: view.finished, failed: view.failed, workers_lost: view.lost },
        loop_lag: view.lag.longest.max(view.lag.latest).as_secs_f64(),
        log: view.lines[lines..].iter().map(line).collect(),
        ran: view.ran.iter().map(|ran| shown(&view, ran)).collect(),
        workers: view.workers.iter().map(worker).collect(),
        cluster: Cluster {
            id: view.id,
            address: view.address,
            version: env!("CARGO_PKG_VERSION").into(),
            started: view.started,
            pid,
        },
    }
}

fn states(counts: &[u64; State::ALL.len()]) -> States {
    let of = |state: State| counts[state as usize];
    States {
        released: of(State::Released),
        waiting: of(State::Waiting),
        no_worker: of(State::NoWorker),
        queued: of(State::Queued),
        processing: of(State::Processing),
        memory: of(State::Memory),
        erred: of(State::Erred),
    }
}

/// Those with most left to do first; of equal ones those with most tasks, then by name.
fn groups(view: &View) -> Vec<Group> {
    let shown = |class: &ClassSeen| Group {
        name: class.name.to_string(),
        tasks: states(&class.counts),
        mean: class.mean.as_secs_f64(),
    };
    let mut groups: Vec<Group> = view.classes.iter().map(shown).collect();
    let open = |group: &Group| {
        let tasks = &group.tasks;
        tasks.waiting + tasks.no_worker + tasks.queued + tasks.processing
    };
    if groups.len() > GROUPS_MAX {
        groups.sort_by_key(|group| std::cmp::Reverse((open(group), group.tasks.memory)));
        groups.truncate(GROUPS_MAX);
    }
    // In an order that stays while they progress.
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    groups
}

fn line(line: &LogLine) -> ShownLine {
    ShownLine { time: line.at, level: line.level.to_owned(), text: line.text.clone() }
}

fn shown(view: &View, ran: &Ran) -> Shown {
    let stop = view.started + ran.ended.as_micros() as f64 / 1e6;
    let worker = view.workers.iter().find(|worker| worker.view.worker == ran.worker);
    Shown {
        number: ran.number,
        key: ran.key.to_string(),
        group: ran.class.to_string(),
        worker: worker.map_or_else(|| "gone".to_owned(), |worker| worker.view.name.to_string()),
        start: stop - ran.micros as f64 / 1e6,
        stop,
        failed: !ran.ok,
    }
}

fn worker(seen: &WorkerSeen) -> Worker {
    let (view, number) = (&seen.view, |from: &Value, name: &str| from.get(name).and_then(Value::as_f64));
    Worker {
        name: view.name.to_string(),
        address: view.address.to_string(),
        status: match view.status {
            WorkerStatus::Running => Status::Running,
            WorkerStatus::Paused => Status::Paused,
            WorkerStatus::Suspect | WorkerStatus::Gone => Status::Silent,
            WorkerStatus::Retiring => Status::Retiring,
        },
        threads: view.threads,
        memory_limit: view.memory_limit,
        stored: view.memory.stored,
        spilled: view.memory.spilled,
        process: view.memory.process,
        cpu: number(&seen.metrics, "cpu").unwrap_or_default() / 100.0,
        processing: view.processing,
        running: view.running,
        values: view.values,
        silent: seen.silent.as_secs_f64(),
        pid: number(&seen.about, "pid").unwrap_or_default() as u32,
    }
}
