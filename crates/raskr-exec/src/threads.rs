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
pub(crate) const STACK_BYTES: usize = 16 << 20;
/// How long a thread waits for its next job before it ends.
const IDLE_TIME: Duration = Duration::from_secs(20);

type Job = Box<dyn FnOnce() + Send>;

/// What a thread is told.
enum Order {
    /// With how often threads had been ended when it was told.
    Work(Job, usize),
    Leave,
}

/// Where an idle thread waits for its next job.
#[derive(Default)]
struct Seat {
    order: Mutex<Option<Order>>,
    arrived: Condvar,
}

impl Seat {
    fn tell(&self, order: Order) {
        *self.order.lock() = Some(order);
        self.arrived.notify_one();
    }
}

struct Cache {
    process: u32,
    idle: Mutex<Vec<Arc<Seat>>>,
    started: AtomicUsize,
    /// How often idle threads were ended. Those that were at work then end when they are done.
    closed: AtomicUsize,
    /// The cache of a forked child.
    child: OnceLock<Box<Cache>>,
}

static FIRST: OnceLock<Cache> = OnceLock::new();

impl Cache {
    fn new(process: u32) -> Cache {
        Cache {
            process,
            idle: Mutex::default(),
            started: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
            child: OnceLock::new(),
        }
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
    let closed = cache.closed.load(Ordering::Relaxed);
    let seat = cache.idle.lock().pop();
    if let Some(seat) = seat {
        seat.tell(Order::Work(job, closed));
        return Ok(());
    }
    let number = cache.started.fetch_add(1, Ordering::Relaxed);
    std::thread::Builder::new()
        .name(format!("raskr-worker-{number}"))
        .stack_size(STACK_BYTES)
        .spawn(move || serve(cache, job, closed))
        .map(drop)
}

/// Has all idle threads end, and the others when they are done.
pub fn close() {
    let cache = Cache::of_this_process();
    let idle = {
        let mut idle = cache.idle.lock();
        cache.closed.fetch_add(1, Ordering::Relaxed);
        std::mem::take(&mut *idle)
    };
    for seat in idle {
        seat.tell(Order::Leave);
    }
}

/// Idle threads of this process.
pub fn idle_count() -> usize {
    Cache::of_this_process().idle.lock().len()
}

/// Threads that this process has started so far.
pub fn started_count() -> usize {
    Cache::of_this_process().started.load(Ordering::Relaxed)
}

fn serve(cache: &'static Cache, mut job: Job, mut closed: usize) {
    let seat = Arc::new(Seat::default());
    loop {
        job();
        {
            let mut idle = cache.idle.lock();
            if cache.closed.load(Ordering::Relaxed) != closed {
                return;
            }
            idle.push(Arc::clone(&seat));
        }
        let mut order = seat.order.lock();
        while order.is_none() {
            if seat.arrived.wait_for(&mut order, IDLE_TIME).timed_out() && order.is_none() {
                drop(order);
                let mut idle = cache.idle.lock();
                let before = idle.len();
                idle.retain(|other| !Arc::ptr_eq(other, &seat));
                if idle.len() < before {
                    return;
                }
                // Somebody took the seat from the list just now and is about to leave a job.
                drop(idle);
                order = seat.order.lock();
            }
        }
        let taken = order.take();
        drop(order);
        match taken {
            Some(Order::Work(next, so_far)) => (job, closed) = (next, so_far),
            Some(Order::Leave) | None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Held by tests that look at idle threads.
    static ALONE: Mutex<()> = Mutex::new(());

    #[test]
    fn a_thread_that_is_done_serves_again() {
        let _alone = ALONE.lock();
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

    #[test]
    fn threads_end_when_they_are_closed_whether_idle_or_at_work() {
        let _alone = ALONE.lock();
        let ended = Arc::new(AtomicUsize::new(0));
        struct AtEnd(Arc<AtomicUsize>);
        impl Drop for AtEnd {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        thread_local!(static HELD: std::cell::RefCell<Option<AtEnd>> = const { std::cell::RefCell::new(None) });
        let (started, is_started) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let held = Arc::clone(&ended);
        let job = move || {
            HELD.with(|slot| *slot.borrow_mut() = Some(AtEnd(held)));
            started.send(()).expect("waited for");
            may_go.recv().expect("let go");
        };
        borrow(Box::new(job)).expect("a thread");
        is_started.recv().expect("started");
        close();
        go.send(()).expect("at work");
        while ended.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
    }
}
