//! Semaphores: so many leases at a time, which end when nobody refreshes them.

use std::collections::BTreeMap;
use std::time::Duration;

use raskr_sched::ClientId;
use serde_json::Value;
use tokio::time::Instant;

use super::super::asked::{Ask, Said, Told, now, refusal};
use super::super::core::Core;
use super::super::waits::Otherwise;
use super::{Queue, nothing};
use crate::wire::Refusal;

/// A lease that was not refreshed for this long is over.
const LEASE: Duration = Duration::from_secs(30);

struct Lease {
    refreshed: Instant,
    client: Option<ClientId>,
}

#[derive(Default)]
struct Semaphore {
    max: usize,
    leases: BTreeMap<String, Lease>,
    waiting: Queue<String>,
}

#[derive(Default)]
pub(super) struct Semaphores(BTreeMap<String, Semaphore>);

fn find<'a>(core: &'a mut Core, name: &str) -> Result<&'a mut Semaphore, Refusal> {
    let known = core.services.semaphores.0.get_mut(name);
    known.ok_or_else(|| refusal("RuntimeError", format!("semaphore '{name}' is not known, or was closed")))
}

pub(super) fn semaphore_create(core: &mut Core, ask: Ask) -> Said {
    let (name, max) = (ask.text("name")?, ask.number("max_leases")?.unwrap_or(1) as usize);
    if max == 0 {
        return Err(refusal("ValueError", "max_leases: expected a number from 1 on, got 0"));
    }
    let known = core.services.semaphores.0.entry(name.to_owned());
    let semaphore = known.or_insert_with(|| Semaphore { max, ..Semaphore::default() });
    if semaphore.max != max {
        let before = semaphore.max;
        return Err(refusal("ValueError", format!("semaphore '{name}' has {before} leases; {max} are asked for")));
    }
    nothing()
}

/// Hands out what is free.
fn settle(core: &mut Core, name: &str) {
    loop {
        let Some(semaphore) = core.services.semaphores.0.get_mut(name) else { return };
        if semaphore.leases.len() >= semaphore.max {
            return;
        }
        let Some((id, lease)) = semaphore.waiting.pop(&core.waits) else { return };
        let client = core.waits.asker(id).and_then(|asker| asker.client());
        semaphore.leases.insert(lease, Lease { refreshed: Instant::now(), client });
        core.resolve(id, &Value::Bool(true), Vec::new());
    }
}

pub(super) fn semaphore_acquire(core: &mut Core, ask: Ask) -> Said {
    let (name, lease, timeout) = (ask.text("name")?, ask.text("lease")?.to_owned(), ask.timeout()?);
    find(core, name)?;
    let id = core.waits.begin(&ask.asker, timeout, Otherwise::value(&Value::Bool(false)));
    if let Some(semaphore) = core.services.semaphores.0.get_mut(name) {
        semaphore.waiting.push(&core.waits, id, lease);
    }
    settle(core, name);
    Ok(Told::Later)
}

pub(super) fn semaphore_release(core: &mut Core, ask: Ask) -> Said {
    let name = ask.text("name")?;
    let known = find(core, name)?.leases.remove(ask.text("lease")?).is_some();
    settle(core, name);
    now(known)
}

pub(super) fn semaphore_refresh(core: &mut Core, ask: Ask) -> Said {
    let lease = ask.text("lease")?;
    let known = find(core, ask.text("name")?)?.leases.get_mut(lease);
    now(known.map(|lease| lease.refreshed = Instant::now()).is_some())
}

pub(super) fn semaphore_value(core: &mut Core, ask: Ask) -> Said {
    now(find(core, ask.text("name")?)?.leases.len())
}

pub(super) fn semaphore_close(core: &mut Core, ask: Ask) -> Said {
    let name = ask.text("name")?;
    if let Some(mut closed) = core.services.semaphores.0.remove(name) {
        while let Some((id, _)) = closed.waiting.pop(&core.waits) {
            if let Some(wait) = core.waits.take(id) {
                let gone = refusal("RuntimeError", format!("semaphore '{name}' was closed"));
                core.answer(&wait.asker, Err(gone), Vec::new());
            }
        }
    }
    nothing()
}

/// Drops the leases that `over` says, and hands them on.
fn drop_leases(core: &mut Core, over: impl Fn(&Lease) -> bool) {
    let mut freed = Vec::new();
    for (name, semaphore) in &mut core.services.semaphores.0 {
        let before = semaphore.leases.len();
        semaphore.leases.retain(|_, lease| !over(lease));
        if semaphore.leases.len() < before {
            freed.push(name.clone());
        }
    }
    for name in freed {
        settle(core, &name);
    }
}

pub(super) fn expire(core: &mut Core) {
    drop_leases(core, |lease| lease.refreshed.elapsed() > LEASE);
}

pub(super) fn client_gone(core: &mut Core, client: ClientId) {
    drop_leases(core, |lease| lease.client == Some(client));
}
