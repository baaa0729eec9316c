//! A cluster that is made up, to look at the page: `cargo run -p raskr-dashboard --example demo [ADDRESS [WORKERS]]`.
//!
//! It prints a link and serves until it is ended.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use raskr_dashboard::{
    Cluster, Counters, Dashboard, Group, LogLine, Options, Ran, Snapshot, Source, States, Status, Worker,
};

const THREADS: u32 = 4;
const GIB: u64 = 1 << 30;
/// Name, mean seconds of a task, tasks in all.
const GROUPS: [(&str, f64, u64); 7] = [
    ("read_csv", 0.45, 600),
    ("clean_names_and_places", 0.12, 2400),
    ("sum-partial", 0.03, 9000),
    ("sum-combine", 0.08, 900),
    ("inc", 0.0004, 100_000),
    ("<script>alert(1)</script>", 0.2, 300),
    ("fit", 1.6, 120),
];

/// Figures without meaning that are always the same.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % 10_000) as f64 / 10_000.0
    }
}

struct Play {
    dice: Dice,
    started: f64,
    /// Until when each thread is at work, and what it does next.
    threads: Vec<(f64, usize)>,
    done: Vec<u64>,
    failed: u64,
    number: u64,
    workers: usize,
}

struct Stage(Mutex<Play>);

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl Play {
    fn run(&mut self, until: f64, most: usize) -> Vec<Ran> {
        let mut ran = Vec::new();
        for thread in 0..self.threads.len() {
            // The last worker idles, so that the page shows that as well.
            while self.threads[thread].0 < until
                && (self.workers == 1 || thread / (THREADS as usize) < self.workers - 1)
            {
                let (start, group) = self.threads[thread];
                let (name, mean, _) = GROUPS[group];
                let stop = start + mean * (0.3 + 1.4 * self.dice.next());
                if stop > until {
                    break;
                }
                let pause = if self.dice.next() < 0.02 { 0.4 } else { 0.000_1 };
                let next =
                    if self.dice.next() < 0.9 { group } else { (self.dice.next() * GROUPS.len() as f64) as usize };
                self.threads[thread] = (stop + pause, next);
                self.done[group] += 1;
                let failed = group == 5 && self.dice.next() < 0.3;
                self.failed += u64::from(failed);
                let (key, worker) = (format!("{name}-{}", self.done[group]), (thread / THREADS as usize).to_string());
                ran.push(Ran { number: 0, key, group: name.into(), worker, start, stop, failed });
            }
        }
        ran.sort_by(|one, other| one.stop.total_cmp(&other.stop));
        for task in &mut ran {
            self.number += 1;
            task.number = self.number;
        }
        ran.split_off(ran.len().saturating_sub(most))
    }

    fn worker(&mut self, index: usize, time: f64) -> Worker {
        let phase = (time / 7.0 + index as f64).sin();
        let stored = ((1.6 + phase) * 0.9 * GIB as f64) as u64;
        let idle = index + 1 == self.workers && self.workers > 1;
        Worker {
            name: index.to_string(),
            address: format!("tcp://127.0.0.1:{}", 40_001 + index),
            status: match index {
                3 => Status::Paused,
                5 => Status::Silent,
                6 => Status::Retiring,
                _ => Status::Running,
            },
            threads: THREADS,
            memory_limit: 4 * GIB,
            stored: if idle { 0 } else { stored },
            spilled: if index == 3 { 9 * GIB / 7 } else { 0 },
            process: if idle { 90 << 20 } else { stored + 400 * (1 << 20) },
            cpu: if idle { 0.01 } else { 3.1 + 0.8 * self.dice.next() },
            processing: if idle { 0 } else { 9 + index },
            running: if idle { 0 } else { 4 },
            values: 40 * index,
            silent: if index == 5 { 7.0 } else { 0.2 },
            pid: 4000 + index as u32,
        }
    }
}

impl Source for Stage {
    fn snapshot(&self, _since: u64, most: usize) -> Option<Snapshot> {
        let mut play = self.0.lock().ok()?;
        let time = now();
        let ran = play.run(time, most);
        let workers: Vec<Worker> = (0..play.workers).map(|index| play.worker(index, time)).collect();
        let groups: Vec<Group> = GROUPS
            .iter()
            .zip(&play.done)
            .map(|(&(name, mean, total), &done)| {
                let done = done % (total + total / 5);
                let memory = done.min(total) / 3;
                let left = total.saturating_sub(done);
                let erred = if mean == 0.2 { (done / 9).min(memory) } else { 0 };
                let processing = left.min(20);
                let waiting = left - processing;
                let released = done.min(total) - memory - erred;
                let tasks = States { memory, released, processing, waiting, erred, ..States::default() };
                Group { name: name.into(), tasks, mean }
            })
            .collect();
        let mut tasks = States { queued: 240, no_worker: 12, ..States::default() };
        for group in &groups {
            tasks.memory += group.tasks.memory;
            tasks.released += group.tasks.released;
            tasks.processing += group.tasks.processing;
            tasks.waiting += group.tasks.waiting;
            tasks.erred += group.tasks.erred;
        }
        let line =
            |ago: f64, level: &str, text: &str| LogLine { time: time - ago, level: level.into(), text: text.into() };
        Some(Snapshot {
            time,
            cluster: Cluster {
                id: "demo".into(),
                address: "tcp://127.0.0.1:8786".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                started: play.started,
                pid: std::process::id(),
            },
            workers,
            tasks,
            groups,
            clients: 2,
            counters: Counters { finished: play.done.iter().sum(), failed: play.failed, workers_lost: 1 },
            loop_lag: 0.000_4 + 0.001 * play.dice.next(),
            log: vec![
                line(400.0, "info", "worker 0 joined, 0 values"),
                line(90.0, "warning", "worker 3 is short of memory: it begins nothing until some is free"),
                line(
                    31.0,
                    "error",
                    "worker 8 was lost (its process ended): 4 tasks ran there, 11 were assigned, 3 values are computed again",
                ),
            ],
            ran,
        })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_default();
    let workers: usize = arguments.next().map_or(Ok(8), |text| text.parse())?;
    let started = now();
    let threads = (0..workers * THREADS as usize).map(|thread| (started - 20.0, thread % GROUPS.len())).collect();
    let play = Play {
        dice: Dice(88_172_645_463_325_252),
        started: started - 4000.0,
        threads,
        done: vec![0; GROUPS.len()],
        failed: 0,
        number: 0,
        workers,
    };
    let options = Options { token: Some("demo".into()), name: "demo".into(), ..Options::default() };
    let dashboard = Dashboard::start(&address, Arc::new(Stage(Mutex::new(play))), options)?;
    let mut out = std::io::stdout();
    if let Some(words) = dashboard.moved() {
        writeln!(out, "{words}")?;
    }
    writeln!(out, "{}", dashboard.link())?;
    loop {
        std::thread::park();
    }
}
