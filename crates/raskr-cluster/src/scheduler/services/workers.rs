//! Workers that are to leave, or to begin anew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use raskr_sched::{Event, Incarnation, WorkerId};
use serde_json::{Value, json};

use super::super::asked::{Ask, Said, Told, now};
use super::super::core::Core;
use super::super::waits::{Asker, Otherwise, WaitId};
use super::calls::named_workers;
use super::tasks::address;

/// How long workers may take to begin anew, unless it is said.
const RESTART: Duration = Duration::from_secs(60);

/// Questions that are answered once these workers are gone.
#[derive(Default)]
pub(super) struct Leaving(Vec<(WaitId, BTreeSet<WorkerId>, Value)>);

pub(super) fn retire_workers(core: &mut Core, ask: Ask) -> Said {
    let field = if ask.field("names").is_some() { "names" } else { "workers" };
    let workers = match (ask.field(field), ask.number("count")?) {
        (None, Some(count)) => core.machine.easiest_to_retire(count as usize),
        (None, None) => Vec::new(),
        // Those that are gone already need not leave.
        (Some(_), _) => ask.list(field)?.iter().filter_map(|name| core.worker_named(name)).collect(),
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

/// Questions that are answered once no value is on its way.
#[derive(Default)]
pub(super) struct Moving(Vec<WaitId>);

pub(super) fn rebalance(core: &mut Core, ask: Ask) -> Said {
    let workers = ask.field("workers").map(|_| named_workers(core, &ask, "workers")).transpose()?;
    let find = |keys: Vec<String>| keys.iter().filter_map(|key| core.machine.task(key)).collect();
    let tasks = ask.texts("keys")?.map(find);
    core.feed(Event::RebalanceAsked { tasks, workers });
    let timeout = ask.timeout()?.unwrap_or(RESTART);
    let otherwise = Otherwise::timeout(format!("values were still on their way after {timeout:?}"));
    let id = core.waits.begin(&ask.asker, Some(timeout), otherwise);
    core.services.moving.0.push(id);
    look_after_moves(core);
    Ok(Told::Later)
}

pub(super) fn look_after_moves(core: &mut Core) {
    if !core.services.moving.0.is_empty() && core.machine.moving() == 0 {
        for id in std::mem::take(&mut core.services.moving.0) {
            core.resolve(id, &json!({ "status": "OK" }), Vec::new());
        }
    }
}

/// Workers that were told to begin anew, and those that are back.
struct Restart {
    number: u64,
    wait: WaitId,
    /// With the incarnations that were there before.
    left: BTreeMap<WorkerId, (Incarnation, String)>,
    back: Vec<String>,
}

#[derive(Default)]
pub(super) struct Restarting {
    next: u64,
    restarts: Vec<Restart>,
}

fn told(restart: Restart) -> Value {
    let reply =
        |address: String, error: Value| json!({ "worker": address, "answer": null, "error": error, "buffers": 0 });
    let late = json!({ "class": "TimeoutError", "message": "timed out" });
    let back = restart.back.into_iter().map(|address| reply(address, Value::Null));
    let replies = back.chain(restart.left.into_values().map(|(_, address)| reply(address, late.clone())));
    json!({ "replies": replies.collect::<Vec<_>>() })
}

/// Gives up everything, for all clients, and has the workers begin anew.
pub(super) fn restart(core: &mut Core, ask: Ask) -> Said {
    core.feed(Event::Emptied);
    core.clear_services();
    restart_workers(core, ask)
}

/// Has workers end and be started anew; answered once as many are back, under their names.
pub(super) fn restart_workers(core: &mut Core, ask: Ask) -> Said {
    let workers = named_workers(core, &ask, "workers")?;
    let timeout = ask.timeout()?.unwrap_or(RESTART);
    let mut left = BTreeMap::new();
    for worker in workers {
        let Some(line) = core.lines.get(&worker) else { continue };
        left.insert(worker, (line.incarnation, address(core, worker)));
        core.call_beside(worker, &json!({ "op": "restart" }));
    }
    if left.is_empty() {
        return now(json!({ "replies": [] }));
    }
    let restarting = &mut core.services.restarting;
    restarting.next += 1;
    let number = restarting.next;
    let wait = core.waits.begin(&ask.asker, Some(timeout), Otherwise::Restarts(number));
    restarting.restarts.push(Restart { number, wait, left, back: Vec::new() });
    Ok(Told::Later)
}

pub(super) fn worker_joined(core: &mut Core, worker: WorkerId) {
    let Some(line) = core.lines.get(&worker) else { return };
    let mut done = Vec::new();
    for restart in std::mem::take(&mut core.services.restarting.restarts) {
        let mut restart = restart;
        if restart.left.get(&worker).is_some_and(|(before, _)| *before != line.incarnation)
            && let Some((_, address)) = restart.left.remove(&worker)
        {
            restart.back.push(address);
        }
        if restart.left.is_empty() { done.push(restart) } else { core.services.restarting.restarts.push(restart) }
    }
    for restart in done {
        let wait = restart.wait;
        core.resolve(wait, &told(restart), Vec::new());
    }
}

impl Core {
    /// The time is up: who is not back is told.
    pub fn give_up_restart(&mut self, number: u64, asker: &Asker) {
        let restarts = &mut self.services.restarting.restarts;
        if let Some(at) = restarts.iter().position(|restart| restart.number == number) {
            let value = told(restarts.remove(at));
            self.answer(asker, Ok(value.to_string()), Vec::new());
        }
    }
}
