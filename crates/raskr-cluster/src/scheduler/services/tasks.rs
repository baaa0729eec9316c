//! What is known of tasks: where values are, what runs where, what has happened, and why something has no value yet.

use bytes::Bytes;
use raskr_sched::{Reason, State, TaskView, WorkerId};
use serde_json::{Map, Value, json};

use super::super::asked::{Ask, Said, Told, now, refusal};
use super::super::core::Core;
use crate::wire::Refusal;

/// Dask's name of a state.
pub(super) fn name_of(state: State) -> &'static str {
    match state {
        State::Released => "released",
        State::Waiting => "waiting",
        State::NoWorker => "no-worker",
        State::Queued => "queued",
        State::Processing => "processing",
        State::Memory => "memory",
        State::Erred => "erred",
        State::Forgotten => "forgotten",
    }
}

pub(super) fn address(core: &Core, worker: WorkerId) -> String {
    core.machine.worker(worker).map(|view| view.address.to_string()).unwrap_or_default()
}

/// Of the keys that are asked for, or of all tasks, what `tell` says of each; keys that are not known are told by `missing`.
fn by_key(
    core: &Core,
    ask: &Ask,
    tell: impl Fn(TaskView<'_>) -> Option<Value>,
    missing: Option<Value>,
) -> Result<Map<String, Value>, Refusal> {
    let mut told = Map::new();
    match ask.texts("keys")? {
        Some(keys) => {
            for key in keys {
                let value = core.machine.task_view(&key).and_then(&tell).or_else(|| missing.clone());
                told.extend(value.map(|value| (key, value)));
            }
        }
        None => told.extend(core.machine.task_views().filter_map(|task| Some((task.key.to_string(), tell(task)?)))),
    }
    Ok(told)
}

pub(super) fn who_has(core: &mut Core, ask: Ask) -> Said {
    let holders = |task: TaskView<'_>| {
        let holders: Vec<String> = task.holders.iter().map(|worker| address(core, *worker)).collect();
        (!holders.is_empty()).then(|| holders.into())
    };
    now(by_key(core, &ask, holders, Some(json!([])))?)
}

pub(super) fn task_states(core: &mut Core, ask: Ask) -> Said {
    let state = |task: TaskView<'_>| Some(name_of(task.state).into());
    now(by_key(core, &ask, state, Some(Value::Null))?)
}

pub(super) fn nbytes(core: &mut Core, ask: Ask) -> Said {
    if ask.flag("summary") {
        let mut sums = std::collections::BTreeMap::<&str, u64>::new();
        for task in core.machine.task_views().filter(|task| task.state == State::Memory) {
            *sums.entry(task.class).or_default() += task.bytes;
        }
        return now(json!(sums));
    }
    let bytes = |task: TaskView<'_>| (task.state == State::Memory).then(|| task.bytes.into());
    now(by_key(core, &ask, bytes, None)?)
}

/// Of the workers that are asked for, or of all, what `tell` says of each.
pub(super) fn by_worker(core: &Core, ask: &Ask, tell: impl Fn(WorkerId) -> Value) -> Said {
    let workers: Vec<WorkerId> = match ask.texts("workers")? {
        Some(names) => names.iter().filter_map(|name| core.worker_named(name)).collect(),
        None => core.machine.alive().collect(),
    };
    let told = workers.into_iter().map(|worker| (address(core, worker), tell(worker)));
    now(told.collect::<Map<String, Value>>())
}

fn keys<'a>(tasks: impl Iterator<Item = TaskView<'a>>) -> Value {
    tasks.map(|task| task.key.to_string()).collect::<Vec<_>>().into()
}

pub(super) fn has_what(core: &mut Core, ask: Ask) -> Said {
    by_worker(core, &ask, |worker| keys(core.machine.held(worker)))
}

pub(super) fn processing(core: &mut Core, ask: Ask) -> Said {
    by_worker(core, &ask, |worker| keys(core.machine.processing(worker)))
}

pub(super) fn story(core: &mut Core, ask: Ask) -> Said {
    let mut told = Vec::new();
    for key in ask.list("keys")? {
        for entry in core.machine.story(&key) {
            told.push(json!({ "key": key, "at": core.seconds(entry.at), "text": entry.what.to_string() }));
        }
    }
    now(told)
}

fn unknown(key: &str) -> Refusal {
    refusal("KeyError", format!("'{key}' is not known: it was never submitted, or is forgotten"))
}

/// What a task does, or, where that failed, the task with which its failure began (`blamed`): its code and its arguments are
/// buffers of the answer.
pub(super) fn recipe(core: &mut Core, ask: Ask) -> Said {
    let key = ask.text("key")?;
    if core.machine.task(key).is_none() {
        return Err(unknown(key));
    }
    let key = core.machine.blamed(key).filter(|_| ask.flag("blamed")).map_or(key, |blamed| blamed);
    let sent = || refusal("ValueError", format!("'{key}' is a value that a client sent: no task makes it"));
    let recipe = core.machine.recipe(key).ok_or_else(sent)?;
    let inputs: Vec<&str> = recipe.inputs.iter().map(|input| &**input).collect();
    let about = json!({ "key": &*recipe.key, "index": recipe.index, "inputs": inputs });
    let buffers = [Some(&recipe.code), recipe.arguments.as_ref()].into_iter().flatten();
    Ok(Told::Now(about, buffers.map(|blob| Bytes::copy_from_slice(&blob.0)).collect()))
}

pub(super) fn why(core: &mut Core, ask: Ask) -> Said {
    let key = ask.text("key")?;
    if core.machine.task(key).is_none() {
        return Err(unknown(key));
    }
    let reasons: Vec<String> = core.machine.why(key).iter().map(explain).collect();
    now(json!({ "text": format!("'{key}': {}", reasons.join("; ")) }))
}

fn amount(millionths: u64) -> f64 {
    millionths as f64 / 1e6
}

fn explain(reason: &Reason) -> String {
    match reason {
        Reason::UnknownKey => "it is not known".into(),
        Reason::Finished { holders } => format!("there is a value, on {holders} workers"),
        Reason::Failed(failure) => format!("it failed: {failure}"),
        Reason::NotWanted => "nobody wants it".into(),
        Reason::Inputs { absent, listed } => {
            let listed: Vec<String> =
                listed.iter().map(|(key, state)| format!("'{key}' ({})", name_of(*state))).collect();
            format!("it waits for {absent} inputs: {}", listed.join(", "))
        }
        Reason::NoWorkers => "there is no worker".into(),
        Reason::NoWorkerNamed { workers } => {
            format!("none of the workers it may run on is there: {}", workers.join(", "))
        }
        Reason::NoWorkerWithResource { resource, needed, offered_max } => format!(
            "it needs {} of the resource '{resource}', and no worker that may run it has more than {}",
            amount(*needed),
            amount(*offered_max)
        ),
        Reason::ResourceTaken { resource, needed } => {
            format!("it needs {} of the resource '{resource}', which other tasks have", amount(*needed))
        }
        Reason::WorkersNotTaking { paused, silent, leaving } => format!(
            "the workers that may run it begin nothing: {paused} are paused for memory, {silent} are not heard, {leaving} \
             are leaving"
        ),
        Reason::Memory { expected_bytes } => {
            format!("it is withheld until there is memory for the {expected_bytes} bytes that it is expected to yield")
        }
        Reason::Behind { tasks } => format!("{tasks} other tasks go first"),
        Reason::OnWorker { worker, started: true, silent_for } => {
            format!("worker '{worker}', heard {:.1} s ago, runs it", silent_for.as_secs_f64())
        }
        Reason::OnWorker { worker, silent_for, .. } => {
            format!("worker '{worker}', heard {:.1} s ago, has it and has not begun", silent_for.as_secs_f64())
        }
        Reason::ClientHasNotSent => "its client has not sent it yet".into(),
        Reason::Attempts(attempts) => {
            let outcomes: Vec<String> =
                attempts.iter().map(|attempt| format!("{} on '{}'", attempt.outcome, attempt.worker)).collect();
            format!("earlier attempts: {}", outcomes.join(", "))
        }
    }
}
