//! Where a worker's machine is, and what has happened and not been taken in. Whoever brings something takes it in at once,
//! unless somebody is at it: no other thread has to be woken for it.
//!
//! Rules: 1. What is brought is queued first. 2. Whoever has had the machine looks at the queue again once it is free, so
//! that nothing stays there which was brought meanwhile. 3. Nobody waits with the machine, or for anything that somebody who
//! has it may wait for.

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::control::Control;
use super::inputs::Input;

/// Things that happened are taken this many at a time.
const INPUTS_MAX: usize = 4096;

#[derive(Default)]
struct Arrived {
    inputs: Vec<Input>,
    closed: bool,
}

#[derive(Default)]
pub(super) struct Desk {
    arrived: Mutex<Arrived>,
    /// Nothing before it begins, and once it has ended.
    control: Mutex<Option<Control>>,
    /// Something was left to the worker's own task.
    told: Notify,
}

impl Desk {
    pub fn open(&self, control: Control) {
        *self.control.lock() = Some(control);
        self.take_in();
    }

    /// Nothing is taken in any more. Gives the machine back.
    pub fn close(&self) -> Option<Control> {
        let control = self.control.lock().take();
        let left = {
            let mut arrived = self.arrived.lock();
            arrived.closed = true;
            std::mem::take(&mut arrived.inputs)
        };
        drop(left);
        control
    }

    fn queue(&self, inputs: impl IntoIterator<Item = Input>) -> bool {
        let mut arrived = self.arrived.lock();
        if !arrived.closed {
            arrived.inputs.extend(inputs);
        }
        !arrived.closed
    }

    /// Something happened, which is taken in on this very thread where that can be; false once the worker has ended.
    pub fn bring(&self, inputs: impl IntoIterator<Item = Input>) -> bool {
        let open = self.queue(inputs);
        self.take_in();
        open
    }

    /// Something happened, told by a thread that holds what the machine may need.
    pub fn leave(&self, input: Input) {
        self.queue([input]);
        self.told.notify_one();
    }

    /// Waits until something was left here, or the worker is about to end.
    pub async fn told(&self) {
        self.told.notified().await;
    }

    /// Takes in what is queued, unless somebody is at it.
    pub fn take_in(&self) {
        while !self.arrived.lock().inputs.is_empty() {
            let Some(mut control) = self.control.try_lock() else { return };
            let Some(control) = control.as_mut() else { return };
            let some = {
                let mut arrived = self.arrived.lock();
                let most = arrived.inputs.len().min(INPUTS_MAX);
                arrived.inputs.drain(..most).collect::<Vec<_>>()
            };
            for input in some {
                control.on_input(input);
            }
            control.flush();
            if control.has_ended() {
                self.told.notify_one();
            }
        }
    }

    /// Has the machine do something, as a round of its own; true once the worker is about to end.
    pub fn round(&self, act: impl FnOnce(&mut Control)) -> bool {
        let ended = match self.control.lock().as_mut() {
            Some(control) => {
                act(control);
                control.flush();
                control.has_ended()
            }
            None => true,
        };
        self.take_in();
        ended
    }
}
