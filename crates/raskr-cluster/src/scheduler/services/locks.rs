//! Locks, one or several at a time: each is held by one lease; who waits for several of them takes none before it has enough.

use std::collections::BTreeMap;

use raskr_sched::ClientId;
use serde_json::Value;

use super::super::asked::{Ask, Said, Told, now, refusal};
use super::super::core::Core;
use super::super::waits::{Otherwise, WaitId};

/// Who holds a lock.
struct Holder {
    lease: String,
    client: Option<ClientId>,
}

/// Who waits for some of several locks.
struct Waiting {
    id: WaitId,
    names: Vec<String>,
    count: usize,
    lease: String,
}

#[derive(Default)]
pub(super) struct Locks {
    held: BTreeMap<String, Holder>,
    /// First come first served, as far as locks are free.
    waiting: Vec<Waiting>,
}

impl Locks {
    /// Takes as many as are wanted, if so many are free and nobody who came before waits for them.
    fn take(&mut self, names: &[String], count: usize, lease: &str, client: Option<ClientId>) -> bool {
        let free: Vec<&String> = names.iter().filter(|name| !self.held.contains_key(*name)).take(count).collect();
        if free.len() < count {
            return false;
        }
        for name in free.into_iter().cloned().collect::<Vec<_>>() {
            self.held.insert(name, Holder { lease: lease.to_owned(), client });
        }
        true
    }
}

pub(super) fn lock_acquire(core: &mut Core, ask: Ask) -> Said {
    let (names, lease, timeout) = (ask.list("names")?, ask.text("id")?.to_owned(), ask.timeout()?);
    let count = ask.number("count")?.map_or(names.len(), |count| count as usize);
    if count > names.len() {
        return Err(refusal("ValueError", format!("{count} locks are asked for, of {}", names.len())));
    }
    if core.services.locks.take(&names, count, &lease, ask.asker.client()) {
        return now(true);
    }
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        return now(false);
    }
    let id = core.waits.begin(&ask.asker, timeout, Otherwise::value(&Value::Bool(false)));
    core.services.locks.waiting.retain(|waiting| core.waits.is_on(waiting.id));
    core.services.locks.waiting.push(Waiting { id, names, count, lease });
    Ok(Told::Later)
}

pub(super) fn lock_release(core: &mut Core, ask: Ask) -> Said {
    let (names, lease) = (ask.list("names")?, ask.text("id")?.to_owned());
    let held = &mut core.services.locks.held;
    let before = held.len();
    held.retain(|name, holder| holder.lease != lease || !names.contains(name));
    let released = held.len() < before;
    hand_on(core);
    now(released)
}

pub(super) fn lock_value(core: &mut Core, ask: Ask) -> Said {
    now(core.services.locks.held.contains_key(ask.text("name")?))
}

/// Gives locks that have become free to those who wait.
fn hand_on(core: &mut Core) {
    let locks = &mut core.services.locks;
    let mut done = Vec::new();
    for waiting in std::mem::take(&mut locks.waiting) {
        let Some(asker) = core.waits.asker(waiting.id) else { continue };
        if locks.take(&waiting.names, waiting.count, &waiting.lease, asker.client()) {
            done.push(waiting.id);
        } else {
            locks.waiting.push(waiting);
        }
    }
    for id in done {
        core.resolve(id, &Value::Bool(true), Vec::new());
    }
}

pub(super) fn client_gone(core: &mut Core, client: ClientId) {
    let before = core.services.locks.held.len();
    core.services.locks.held.retain(|_, holder| holder.client != Some(client));
    if core.services.locks.held.len() < before {
        hand_on(core);
    }
}
