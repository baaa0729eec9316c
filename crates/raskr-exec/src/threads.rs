//! Threads that are kept between runs: a run borrows as many as it needs, and more when runs are nested in tasks.
//!
//! Idle threads wait for a while and then end. After a fork only the forking thread lives on in the child, so every
//! process has a cache of its own, found by its process id.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Address space for a thread's stack: user code recurses, and pages are only taken when touched.
const STACK_BYTES: usize = 16 << 20;
/// How long a thread waits for its next job before it ends.
const IDLE_TIME: Duration = Duration::from_secs(20);

type Job = Box<dyn FnOnce() + Send>;

/// Where an idle thread waits for its next job.
#[derive(Default)]
struct Seat {
    job: Mutex<Option<Job>>,
    arrived: Condvar,
}

struct Cache {
    process: u32,
    idle: Mutex<Vec<Arc<Seat>>>,
    started: AtomicUsize,
    /// The cache of a forked child.
    child: OnceLock<Box<Cache>>,
}

static FIRST: OnceLock<Cache> = OnceLock::new();

impl Cache {
    fn new(process: u32) -> Cache {
        Cache { process, idle: Mutex::default(), started: AtomicUsize::new(0), child: OnceLock::new() }
    }

    fn of_this_process() -> &'static Cache {
        let process = std::process::id();
        let mut cache = FIRST.get_or_init(|| Cache::new(process));
        while cache.process != process {
            cache = cache.child.get_or_init(|| Box::new(Cache::new(process)));
        }
        cache
    }
}

/// Runs `job` on an idle thread, or on a new one.
pub fn borrow(job: Job) -> io::Result<()> {
    let cache = Cache::of_this_process();
    let seat = cache.idle.lock().pop();
    if let Some(seat) = seat {
        *seat.job.lock() = Some(job);
        seat.arrived.notify_one();
        return Ok(());
    }
    let number = cache.started.fetch_add(1, Ordering::Relaxed);
    std::thread::Builder::new()
        .name(format!("raskr-worker-{number}"))
        .stack_size(STACK_BYTES)
        .spawn(move || serve(cache, job))
        .map(drop)
}

/// Idle threads of this process.
pub fn idle_count() -> usize {
    Cache::of_this_process().idle.lock().len()
}

/// Threads that this process has started so far.
pub fn started_count() -> usize {
    Cache::of_this_process().started.load(Ordering::Relaxed)
}

fn serve(cache: &'static Cache, first: Job) {
    first();
    let seat = Arc::new(Seat::default());
    loop {
        cache.idle.lock().push(Arc::clone(&seat));
        let mut job = seat.job.lock();
        while job.is_none() {
            if seat.arrived.wait_for(&mut job, IDLE_TIME).timed_out() && job.is_none() {
                drop(job);
                let mut idle = cache.idle.lock();
                let before = idle.len();
                idle.retain(|other| !Arc::ptr_eq(other, &seat));
                if idle.len() < before {
                    return;
                }
                // Somebody took the seat from the list just now and is about to leave a job.
                drop(idle);
                job = seat.job.lock();
            }
        }
        let taken = job.take();
        drop(job);
        if let Some(job) = taken {
            job();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_thread_that_is_done_serves_again() {
        let (send, receive) = mpsc::channel();
        let run = |send: mpsc::Sender<_>| {
            borrow(Box::new(move || {
                let _ = send.send(std::thread::current().id());
            }))
        };
        run(send.clone()).expect("a thread");
        let first = receive.recv().expect("it ran");
        while idle_count() == 0 {
            std::thread::yield_now();
        }
        run(send).expect("a thread");
        assert_eq!(receive.recv().expect("it ran"), first);
    }
}
