//! Questions to workers, passed on and their answers gathered; and calls that are said to every worker that joins later.

use std::collections::BTreeMap;

use bytes::Bytes;
use raskr_sched::WorkerId;
use serde_json::{Value, json};

use super::super::arrivals::ConnectionId;
use super::super::asked::{Ask, Said, Told, now, refusal};
use super::super::core::Core;
use super::super::waits::{Asker, Otherwise, WaitId};
use super::nothing;
use crate::wire::{Answer, Refusal, WorkerHears};

/// A question to several workers.
struct Group {
    wait: WaitId,
    /// Addresses, and what each has answered.
    replies: Vec<(String, Option<(Answer, Vec<Bytes>)>)>,
    left: usize,
}

/// A question to one of them.
struct Call {
    group: u64,
    place: usize,
    over: ConnectionId,
}

#[derive(Default)]
pub(super) struct Calls {
    next: u64,
    calls: BTreeMap<u64, Call>,
    groups: BTreeMap<u64, Group>,
    /// Said to every worker that joins, in the order in which they came.
    kept: Vec<(String, String, Vec<Bytes>)>,
}

impl Calls {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

fn reply(address: &str, told: Option<(Answer, Vec<Bytes>)>, buffers: &mut Vec<Bytes>) -> Value {
    let (answer, own) = told.unwrap_or_else(|| {
        (Err(Refusal { class: "TimeoutError".into(), message: "the worker did not answer in time".into() }), Vec::new())
    });
    let count = own.len();
    buffers.extend(own);
    match answer {
        Ok(text) => json!({ "worker": address, "answer": Core::parse(&text), "error": null, "buffers": count }),
        Err(Refusal { class, message }) => {
            json!({ "worker": address, "answer": null, "error": { "class": class, "message": message }, "buffers": count })
        }
    }
}

fn replies(group: Group) -> (Value, Vec<Bytes>) {
    let mut buffers = Vec::new();
    let listed: Vec<Value> =
        group.replies.into_iter().map(|(address, told)| reply(&address, told, &mut buffers)).collect();
    (json!({ "replies": listed }), buffers)
}

/// The workers of a question: those that are named, or all.
pub(super) fn named_workers(core: &Core, ask: &Ask, field: &str) -> Result<Vec<WorkerId>, Refusal> {
    let Some(names) = ask.texts(field)? else { return Ok(core.lines.keys().copied().collect()) };
    let find = |name: &String| {
        core.worker_named(name).ok_or_else(|| refusal("ValueError", format!("there is no worker '{name}'")))
    };
    names.iter().map(find).collect()
}

pub(super) fn call_workers(core: &mut Core, ask: Ask) -> Said {
    let workers = named_workers(core, &ask, "workers")?;
    let question = ask.field("question").map(ToString::to_string);
    let question = question.ok_or_else(|| refusal("ValueError", "call_workers: a question is missing"))?;
    let group = core.services.calls.number();
    let wait = core.waits.begin(&ask.asker, ask.timeout()?, Otherwise::Calls(group));
    begin(core, group, wait, &workers, &question, &ask.buffers);
    Ok(Told::Later)
}

fn begin(core: &mut Core, group: u64, wait: WaitId, workers: &[WorkerId], question: &str, buffers: &[Bytes]) {
    let mut replies = Vec::with_capacity(workers.len());
    let mut left = 0;
    for (place, worker) in workers.iter().enumerate() {
        let address = super::tasks::address(core, *worker);
        let call = core.services.calls.number();
        let header = WorkerHears::Call { call, question: question.to_owned() };
        let told = match core.say_beside(*worker, header, buffers.to_vec()) {
            Some(over) => {
                core.services.calls.calls.insert(call, Call { group, place, over });
                left += 1;
                None
            }
            None => Some((Err(refusal("OSError", "the worker has no connection at the moment")), Vec::new())),
        };
        replies.push((address, told));
    }
    core.services.calls.groups.insert(group, Group { wait, replies, left });
    finish(core, group);
}

/// Answers a question to which all workers have replied.
fn finish(core: &mut Core, group: u64) {
    let groups = &mut core.services.calls.groups;
    if groups.get(&group).is_some_and(|group| group.left == 0)
        && let Some(group) = groups.remove(&group)
    {
        let wait = group.wait;
        let (value, buffers) = replies(group);
        core.resolve(wait, &value, buffers);
    }
}

impl Core {
    /// Asks a worker something whose answer nobody waits for.
    pub fn call_beside(&mut self, worker: WorkerId, question: &Value) {
        let call = self.services.calls.number();
        self.say_beside(worker, WorkerHears::Call { call, question: question.to_string() }, Vec::new());
    }

    pub fn on_reply(&mut self, call: u64, answer: Answer, buffers: Vec<Bytes>) {
        let calls = &mut self.services.calls;
        // A call whose answer nobody waits for is not listed.
        let Some(Call { group, place, .. }) = calls.calls.remove(&call) else { return };
        if let Some(group) = calls.groups.get_mut(&group) {
            group.replies[place].1 = Some((answer, buffers));
            group.left -= 1;
        }
        finish(self, group);
    }

    /// A connection ended: what was asked over it is not answered any more.
    pub fn fail_calls_over(&mut self, connection: ConnectionId) {
        let calls = &self.services.calls.calls;
        let over: Vec<u64> =
            calls.iter().filter(|(_, call)| call.over == connection).map(|(number, _)| *number).collect();
        for call in over {
            self.on_reply(call, Err(refusal("OSError", "the worker's connection was lost")), Vec::new());
        }
    }

    /// The time is up: what has come is told.
    pub fn give_up_calls(&mut self, group: u64, asker: &Asker) {
        let calls = &mut self.services.calls;
        calls.calls.retain(|_, call| call.group != group);
        if let Some(group) = calls.groups.remove(&group) {
            let (value, buffers) = replies(group);
            self.answer(asker, Ok(value.to_string()), buffers);
        }
    }
}

pub(super) fn keep_call(core: &mut Core, ask: Ask) -> Said {
    let name = ask.text("name")?.to_owned();
    let question = ask.field("question").map(ToString::to_string);
    let question = question.ok_or_else(|| refusal("ValueError", "keep_call: a question is missing"))?;
    let kept = &mut core.services.calls.kept;
    kept.retain(|(known, ..)| *known != name);
    kept.push((name, question, ask.buffers.clone()));
    call_workers(core, ask)
}

pub(super) fn forget_call(core: &mut Core, ask: Ask) -> Said {
    let name = ask.text("name")?;
    core.services.calls.kept.retain(|(known, ..)| known != name);
    nothing()
}

pub(super) fn kept_calls(core: &mut Core, _: Ask) -> Said {
    let names: Vec<&String> = core.services.calls.kept.iter().map(|(name, ..)| name).collect();
    now(json!({ "names": names }))
}

/// Says what is said to all to one that has just come: before its first task, since that is sent later.
pub(super) fn worker_joined(core: &mut Core, worker: WorkerId) {
    for (_, question, buffers) in core.services.calls.kept.clone() {
        let call = core.services.calls.number();
        core.say_beside(worker, WorkerHears::Call { call, question }, buffers);
    }
}
