//! Services beside the machine: what is asked now and then, by people rather than by tasks. Each keeps its own state; what
//! they share is the table of operations, and what ticks and clients that go mean to them.

mod adaptive;
mod calls;
mod cluster;
mod events;
mod locks;
mod queues;
mod semaphores;
mod store;
mod tasks;
mod topics;
mod variables;
mod workers;

use std::collections::VecDeque;

use bytes::Bytes;
use raskr_sched::{ClientId, WorkerId};
use serde_json::Value;

use super::asked::Operation;
use super::core::Core;
use super::waits::{WaitId, Waits};

/// Waits that are over are cleared out of a line once it is as long as this.
const LINE_SWEPT: usize = 64;

/// Those who wait for the same thing, first come first served.
#[derive(Default)]
pub(super) struct Queue<T> {
    line: VecDeque<(WaitId, T)>,
}

impl<T> Queue<T> {
    fn push(&mut self, waits: &Waits, id: WaitId, what: T) {
        if self.line.len() >= LINE_SWEPT && self.line.len().is_power_of_two() {
            self.sweep(waits);
        }
        self.line.push_back((id, what));
    }

    fn sweep(&mut self, waits: &Waits) {
        self.line.retain(|(id, _)| waits.is_on(*id));
    }

    /// The first who still waits.
    fn pop(&mut self, waits: &Waits) -> Option<(WaitId, T)> {
        while let Some(first) = self.line.pop_front() {
            if waits.is_on(first.0) {
                return Some(first);
            }
        }
        None
    }

    fn first(&mut self, waits: &Waits) -> Option<&(WaitId, T)> {
        while self.line.front().is_some_and(|(id, _)| !waits.is_on(*id)) {
            self.line.pop_front();
        }
        self.line.front()
    }

    fn is_empty(&mut self, waits: &Waits) -> bool {
        self.first(waits).is_none()
    }
}

#[derive(Default)]
pub(super) struct Services {
    adaptive: adaptive::Scaling,
    calls: calls::Calls,
    events: events::Events,
    leaving: workers::Leaving,
    moving: workers::Moving,
    restarting: workers::Restarting,
    locks: locks::Locks,
    queues: queues::Queues,
    semaphores: semaphores::Semaphores,
    store: store::Store,
    topics: topics::Topics,
    variables: variables::Variables,
}

/// All that can be asked.
pub(super) const OPERATIONS: &[(&str, Operation)] = &[
    ("adaptive", adaptive::adaptive),
    ("load", adaptive::load),
    ("call_workers", calls::call_workers),
    ("forget_call", calls::forget_call),
    ("keep_call", calls::keep_call),
    ("kept_calls", calls::kept_calls),
    ("clients", cluster::clients),
    ("identity", cluster::identity),
    ("logs", cluster::logs),
    ("ncores", cluster::nthreads),
    ("nthreads", cluster::nthreads),
    ("shutdown", cluster::shutdown),
    ("state", cluster::state),
    ("task_stream", cluster::task_stream),
    ("event_clear", events::event_clear),
    ("event_is_set", events::event_is_set),
    ("event_set", events::event_set),
    ("event_wait", events::event_wait),
    ("lock_acquire", locks::lock_acquire),
    ("lock_release", locks::lock_release),
    ("lock_value", locks::lock_value),
    ("queue_get", queues::queue_get),
    ("queue_put", queues::queue_put),
    ("queue_release", queues::queue_release),
    ("queue_size", queues::queue_size),
    ("semaphore_acquire", semaphores::semaphore_acquire),
    ("semaphore_close", semaphores::semaphore_close),
    ("semaphore_create", semaphores::semaphore_create),
    ("semaphore_refresh", semaphores::semaphore_refresh),
    ("semaphore_release", semaphores::semaphore_release),
    ("semaphore_value", semaphores::semaphore_value),
    ("dataset", store::dataset),
    ("datasets", store::datasets),
    ("metadata_get", store::metadata_get),
    ("metadata_set", store::metadata_set),
    ("publish", store::publish),
    ("unpublish", store::unpublish),
    ("has_what", tasks::has_what),
    ("nbytes", tasks::nbytes),
    ("processing", tasks::processing),
    ("recipe", tasks::recipe),
    ("story", tasks::story),
    ("task_states", tasks::task_states),
    ("who_has", tasks::who_has),
    ("why", tasks::why),
    ("events", topics::events),
    ("log_event", topics::log_event),
    ("subscribe", topics::subscribe),
    ("unsubscribe", topics::unsubscribe),
    ("variable_delete", variables::variable_delete),
    ("variable_get", variables::variable_get),
    ("variable_set", variables::variable_set),
    ("rebalance", workers::rebalance),
    ("restart", workers::restart),
    ("restart_workers", workers::restart_workers),
    ("retire_workers", workers::retire_workers),
];

impl Core {
    pub fn services_tick(&mut self) {
        semaphores::expire(self);
        workers::look_after_moves(self);
    }

    pub fn services_client_gone(&mut self, client: ClientId) {
        locks::client_gone(self, client);
        semaphores::client_gone(self, client);
    }

    pub fn on_worker_joined(&mut self, worker: WorkerId) {
        calls::worker_joined(self, worker);
        workers::worker_joined(self, worker);
    }

    pub fn on_worker_left(&mut self, worker: WorkerId) {
        workers::worker_left(self, worker);
    }

    pub fn on_event(&mut self, topic: &str, event: Bytes) {
        topics::say(self, topic, event);
    }

    /// Forgets all that clients have left.
    fn clear_services(&mut self) {
        let services = &mut self.services;
        services.variables = variables::Variables::default();
        services.queues = queues::Queues::default();
        services.store = store::Store::default();
    }
}

/// Nothing to tell.
fn nothing() -> super::asked::Said {
    super::asked::now(Value::Null)
}
