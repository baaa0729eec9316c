//! Workers that are to leave, or to begin anew.

use std::collections::BTreeSet;

use raskr_sched::{Event, WorkerId};
use serde_json::{Value, json};

use super::super::asked::{Ask, Said, Told, now};
use super::super::core::Core;
use super::super::waits::{Otherwise, WaitId};
use super::calls::{call_workers, named_workers};
use super::tasks::address;

/// Questions that are answered once these workers are gone.
#[derive(Default)]
pub(super) struct Leaving(Vec<(WaitId, BTreeSet<WorkerId>, Value)>);

pub(super) fn retire_workers(core: &mut Core, ask: Ask) -> Said {
    let field = if ask.field("names").is_some() { "names" } else { "workers" };
    let workers = match (ask.field(field), ask.number("count")?) {
        (None, Some(count)) => core.machine.easiest_to_retire(count as usize),
        (None, None) => Vec::new(),
        (Some(_), _) => named_workers(core, &ask, field)?,
    };
    if workers.is_empty() {
        return now(json!([]));
    }
    let addresses: Value = workers.iter().map(|worker| address(core, *worker)).collect::<Vec<_>>().into();
    let deadline = ask.seconds("deadline")?.unwrap_or(core.options.machine.drain);
    let id = core.waits.begin(&ask.asker, ask.timeout()?, Otherwise::value(&addresses));
    core.services.leaving.0.push((id, workers.iter().copied().collect(), addresses));
    core.feed(Event::RetireAsked { workers, deadline: Some(deadline) });
    Ok(Told::Later)
}

pub(super) fn worker_left(core: &mut Core, worker: WorkerId) {
    let mut done = Vec::new();
    core.services.leaving.0.retain_mut(|(id, workers, addresses)| {
        workers.remove(&worker);
        if workers.is_empty() {
            done.push((*id, addresses.take()));
        }
        !workers.is_empty()
    });
    for (id, addresses) in done {
        core.resolve(id, &addresses, Vec::new());
    }
}

/// Gives up everything, for all clients, and has the workers begin anew.
pub(super) fn restart(core: &mut Core, ask: Ask) -> Said {
    core.feed(Event::Emptied);
    core.clear_services();
    restart_workers(core, ask)
}

/// Workers answer once they have begun anew: their children are new processes.
pub(super) fn restart_workers(core: &mut Core, mut ask: Ask) -> Said {
    ask.fields.insert("question".into(), json!({ "op": "restart" }));
    call_workers(core, ask)
}
