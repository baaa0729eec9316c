//! Child processes that are kept warm, and what travels to them and back.
//!
//! A child runs calls one by one (`serve`). A thread of its own reads what the parent sends (`inbox`), so that calls which are
//! not begun can be taken back while one runs long, and so that it ends at once when its parent is gone. A call that waits for
//! something else leaves the next ones to another thread (`turns`), so that outcomes come in another order than calls. What the
//! calls are, only the language above knows ([`Handler`]).

mod bell;
mod child;
mod inbox;
pub mod message;
mod outbox;
mod serve;
mod shared;
mod turns;

use std::collections::HashMap;
use std::io;
use std::sync::OnceLock;

use parking_lot::Mutex;

pub use bell::Bell;
pub use child::{CallOut, Child, Exit, Start, kill, stream_of_parent};
pub use serve::{Encoded, Handler, serve, tell_away};
pub use shared::{SHARED_BYTES_MIN, SharedBuffer, fresh_id};

/// Idle children by what they were started and set up with.
#[derive(Default)]
struct Idle {
    process: u32,
    children: HashMap<(Start, u64), Vec<Child>>,
}

static IDLE: OnceLock<Mutex<Idle>> = OnceLock::new();

fn idle() -> parking_lot::MutexGuard<'static, Idle> {
    let mut idle = IDLE.get_or_init(Mutex::default).lock();
    let process = std::process::id();
    if idle.process != process {
        // After a fork the children are the other process' own, and not to be ended from here.
        std::mem::forget(std::mem::take(&mut idle.children));
        idle.process = process;
    }
    idle
}

/// A child that was given back, still alive, or a new one; and whether it is new. `purpose` tells apart children that were
/// set up differently.
pub fn check_out(start: &Start, purpose: u64) -> io::Result<(Child, bool)> {
    loop {
        let child = idle().children.get_mut(&(start.clone(), purpose)).and_then(Vec::pop);
        match child {
            Some(mut child) => {
                if child.is_alive() {
                    return Ok((child, false));
                }
            }
            None => return Ok((Child::start(start)?, true)),
        }
    }
}

/// Keeps a child that has nothing left to do for later.
pub fn give_back(start: &Start, purpose: u64, child: Child) {
    idle().children.entry((start.clone(), purpose)).or_default().push(child);
}

/// Ends all idle children.
pub fn close() {
    let children = std::mem::take(&mut idle().children);
    drop(children);
}

/// Process ids of idle children.
pub fn idle_children() -> Vec<u32> {
    let mut found: Vec<u32> = idle().children.values().flatten().map(Child::pid).collect();
    found.sort_unstable();
    found
}
