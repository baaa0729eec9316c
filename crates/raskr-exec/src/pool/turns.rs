//! Who of a child's threads takes calls.
//!
//! One thread at a time has the *turn*: it takes calls and runs them. A call that waits for others passes the turn on, and ends
//! on its own thread. Rules:
//! 1. Only the thread with the turn begins calls; while one runs, `running` has its id.
//! 2. Who takes the id out of `running` decides what becomes of the turn: the thread itself when the call has ended, or who passes
//!    it on, so that the thread finds at the end of the call that it has lost it.
//! 3. Before the turn is passed on there is a thread for it: `waiting` counts those that wait, or are on their way to that.
//! 4. The main thread, where it waits, comes first, since some libraries work nowhere else: it gets the turn back at the end of
//!    the next call.

use std::sync::{Arc, OnceLock};

use parking_lot::{Condvar, Mutex};

use super::serve::NO_CALL;
use super::shared::SharedBuffer;

/// Threads beside the main one that are kept for later at most.
const WAITING_MAX: usize = 16;

#[derive(Default)]
pub struct Turns {
    state: Mutex<State>,
    main_called: Condvar,
    called: Condvar,
    /// Where the parent sees which call is running, should the process die of it.
    shown: OnceLock<Arc<SharedBuffer>>,
}

#[derive(Default)]
struct State {
    running: Option<u32>,
    given: Given,
    main_waits: bool,
    waiting: usize,
}

/// Who is to take the turn, which nobody has.
#[derive(Default, PartialEq, Eq)]
enum Given {
    #[default]
    Nobody,
    Main,
    Any,
}

/// Who can take the turn of a call.
pub enum Successor {
    /// The call does not run, or has passed the turn on already.
    NotNeeded,
    Waits,
    /// A thread is to be started, and is counted already.
    Wanted,
}

impl Turns {
    pub fn show_in(&self, word: Arc<SharedBuffer>) {
        // A child is set up more than once, with the same word.
        let _ = self.shown.set(word);
    }

    fn show(&self, id: u32) {
        if let Some(shown) = self.shown.get() {
            shown.write_word(id);
        }
    }

    pub fn begin(&self, id: u32) {
        let mut state = self.state.lock();
        state.running = Some(id);
        self.show(id);
    }

    /// True when the thread, whose call has ended, has the turn still.
    pub fn end(&self, id: u32, is_main: bool) -> bool {
        let mut state = self.state.lock();
        if state.running != Some(id) {
            return false;
        }
        state.running = None;
        self.show(NO_CALL);
        let kept = is_main || !state.main_waits;
        if !kept {
            self.give(&mut state);
        }
        kept
    }

    pub fn is_running(&self, id: u32) -> bool {
        self.state.lock().running == Some(id)
    }

    pub fn successor(&self, id: u32) -> Successor {
        let mut state = self.state.lock();
        if state.running != Some(id) {
            return Successor::NotNeeded;
        }
        if state.main_waits || state.waiting > 0 {
            return Successor::Waits;
        }
        state.waiting += 1;
        Successor::Wanted
    }

    /// The thread that was wanted could not be started.
    pub fn not_started(&self) {
        self.state.lock().waiting -= 1;
    }

    /// The call goes on without the turn, unless it has just ended.
    pub fn pass_on(&self, id: u32) {
        let mut state = self.state.lock();
        if state.running == Some(id) {
            state.running = None;
            self.show(NO_CALL);
            self.give(&mut state);
        }
    }

    fn give(&self, state: &mut State) {
        if std::mem::take(&mut state.main_waits) {
            state.given = Given::Main;
            self.main_called.notify_one();
        } else {
            state.waiting -= 1;
            state.given = Given::Any;
            self.called.notify_one();
        }
    }

    /// Waits for the turn, as the main thread or as one of those that were counted.
    pub fn wait(&self, is_main: bool) {
        let mut state = self.state.lock();
        state.main_waits |= is_main;
        let (called, mine) = if is_main { (&self.main_called, Given::Main) } else { (&self.called, Given::Any) };
        while state.given != mine {
            called.wait(&mut state);
        }
        state.given = Given::Nobody;
    }

    /// Counts a thread without the turn among those that wait; false when there are enough.
    pub fn come_back(&self) -> bool {
        let mut state = self.state.lock();
        let wanted = state.waiting < WAITING_MAX;
        state.waiting += usize::from(wanted);
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_ends_keeps_the_turn_and_one_that_passed_it_on_has_lost_it() {
        let turns = Turns::default();
        turns.begin(1);
        assert!(turns.is_running(1) && turns.end(1, true));
        turns.begin(2);
        assert!(matches!(turns.successor(2), Successor::Wanted));
        turns.pass_on(2);
        turns.wait(false);
        turns.begin(3);
        assert!(!turns.end(2, true));
        assert!(turns.is_running(3) && turns.end(3, false));
    }

    #[test]
    fn a_turn_is_passed_on_once_and_by_no_call_that_has_ended() {
        let turns = Turns::default();
        assert!(matches!(turns.successor(1), Successor::NotNeeded));
        turns.begin(1);
        assert!(matches!(turns.successor(1), Successor::Wanted));
        // Somebody else asks for the same at the same time.
        assert!(matches!(turns.successor(1), Successor::Waits));
        turns.pass_on(1);
        turns.pass_on(1);
        assert!(matches!(turns.successor(1), Successor::NotNeeded));
        turns.wait(false);
        turns.begin(2);
        assert!(turns.end(2, false));
        turns.pass_on(2);
        turns.begin(3);
        assert!(turns.end(3, false), "nobody took the turn of a call that has ended");
    }

    #[test]
    fn without_a_thread_the_turn_stays() {
        let turns = Turns::default();
        turns.begin(1);
        assert!(matches!(turns.successor(1), Successor::Wanted));
        turns.not_started();
        assert!(matches!(turns.successor(1), Successor::Wanted));
        assert!(turns.end(1, true));
    }

    #[test]
    fn the_main_thread_gets_its_turn_back() {
        let turns = Arc::new(Turns::default());
        turns.begin(1);
        assert!(matches!(turns.successor(1), Successor::Wanted));
        turns.pass_on(1);
        turns.wait(false);
        assert!(!turns.end(1, true));
        let main = std::thread::spawn({
            let turns = Arc::clone(&turns);
            move || turns.wait(true)
        });
        let mut id = 2;
        loop {
            turns.begin(id);
            if !turns.end(id, false) {
                break;
            }
            id += 1;
            std::thread::yield_now();
        }
        main.join().expect("the main thread has the turn");
    }

    #[test]
    fn so_many_threads_wait_and_no_more() {
        let turns = Turns::default();
        assert!((0..WAITING_MAX).all(|_| turns.come_back()));
        assert!(!turns.come_back());
    }
}
