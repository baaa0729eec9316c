//! What a task costs the scheduler's process: 100,000 tasks of one client on three workers, over real sockets. Told are the
//! time from first to last, and the processor time of the scheduler's own threads, which counts on a busy machine.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, dead_code)]

#[path = "../tests/it/players.rs"]
mod players;
#[path = "../tests/it/support.rs"]
mod support;

use std::time::Instant;

use players::{FakeClient, FakeWorker, keys, server, submission};
use raskr_cluster::Address;

const TASKS: u64 = 100_000;
const BATCH: u64 = 5_000;

/// Processor time of threads whose name begins so, in seconds.
fn threads_seconds(name: &str) -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let mut ticks = 0u64;
    for task in tasks.filter_map(|task| Some(task.ok()?.path())) {
        let Ok(stat) = std::fs::read_to_string(task.join("stat")) else { continue };
        let Some((front, back)) = stat.rsplit_once(')') else { continue };
        if front.split_once('(').is_some_and(|(_, own)| own.starts_with(name)) {
            ticks +=
                back.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
        }
    }
    ticks as f64 / 100.0
}

async fn run(name: &str, address: &Address, chained: bool) {
    let (server, security) = server(address, |_| ());
    let mut workers = vec![];
    for name in ["one", "two", "three"] {
        workers.push(tokio::spawn(FakeWorker::join(&server, &security, name).await.run()));
    }
    let mut client = FakeClient::join(&server, &security).await;
    let begun = Instant::now();
    for batch in 0..TASKS / BATCH {
        let mut tasks = keys(&format!("b{batch}"), BATCH as u32);
        if chained {
            for (number, (_, inputs)) in tasks.iter_mut().enumerate().skip(10) {
                inputs.push(number as u32 - 10);
            }
        }
        client.say(submission(batch, batch * BATCH, &tasks)).await;
    }
    client.finished(TASKS as usize).await;
    let (seconds, machine, io) =
        (begun.elapsed().as_secs_f64(), threads_seconds("raskr-scheduler"), threads_seconds("raskr-sched-io"));
    let micros = |seconds: f64| seconds * 1e6 / TASKS as f64;
    println!(
        "{name}: {:.1} us a task; processor time a task: {:.1} us at the machine, {:.1} us for reading and writing",
        micros(seconds),
        micros(machine),
        micros(io)
    );
    let lag = server.view(0, 0).expect("there").lag;
    println!(
        "  the longest turn took {:?}, the latest tick was {:?} late, in {} turns",
        lag.longest, lag.latest, lag.turns
    );
    drop(client);
    tokio::task::spawn_blocking(move || drop(server)).await.expect("closed");
    for worker in workers {
        worker.await.expect("ended");
    }
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        run("independent tasks, tcp", &Address::loopback(), false).await;
        run("chains of tasks, tcp", &Address::loopback(), true).await;
        run("independent tasks, tls", &"tls://127.0.0.1:0".parse().expect("an address"), false).await;
    });
}
