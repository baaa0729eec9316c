//! Queues: values that clients put in and take out, in order, with a limit if the queue was made with one.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::asked::{Ask, Said, Told, now};
use super::super::core::Core;
use super::super::waits::Otherwise;
use super::{Queue, nothing};

/// A value, and what was said of it.
type Item = (Value, Vec<Bytes>);

#[derive(Default)]
struct Line {
    items: VecDeque<Item>,
    /// 0 when there is none.
    maxsize: usize,
    putting: Queue<Item>,
    /// How many each wants, and whether as a list.
    getting: Queue<(usize, bool)>,
}

#[derive(Default)]
pub(super) struct Queues(BTreeMap<String, Line>);

impl Line {
    fn has_room(&self) -> bool {
        self.maxsize == 0 || self.items.len() < self.maxsize
    }

    fn take(&mut self, count: usize) -> Vec<Item> {
        self.items.drain(..count.min(self.items.len())).collect()
    }
}

fn told(items: Vec<Item>, listed: bool) -> (Value, Vec<Bytes>) {
    let mut buffers = Vec::new();
    let mut values = Vec::new();
    for (value, own) in items {
        values.push(value);
        buffers.extend(own);
    }
    match (listed, values.len()) {
        (false, 1) => (values.remove(0), buffers),
        _ => (Value::Array(values), buffers),
    }
}

/// Gives what is there to those who wait for it, and takes what waits to be put, as long as there is any to do.
fn settle(core: &mut Core, name: &str) {
    loop {
        let Some(line) = core.services.queues.0.get_mut(name) else { return };
        if let Some(&(_, (count, listed))) = line.getting.first(&core.waits)
            && line.items.len() >= count
        {
            if let Some((id, _)) = line.getting.pop(&core.waits) {
                let (value, buffers) = told(line.take(count), listed);
                core.resolve(id, &value, buffers);
            }
        } else if line.has_room()
            && let Some((id, item)) = line.putting.pop(&core.waits)
        {
            line.items.push_back(item);
            core.resolve(id, &Value::Null, Vec::new());
        } else {
            return;
        }
    }
}

pub(super) fn queue_put(core: &mut Core, ask: Ask) -> Said {
    let name = ask.text("name")?.to_owned();
    let (maxsize, timeout) = (ask.number("maxsize")?.unwrap_or(0) as usize, ask.timeout()?);
    let item = (json!({ "key": ask.field("key") }), ask.buffers);
    let line = core.services.queues.0.entry(name.clone()).or_default();
    line.maxsize = line.maxsize.max(maxsize);
    if line.has_room() && line.putting.is_empty(&core.waits) {
        line.items.push_back(item);
        settle(core, &name);
        return nothing();
    }
    let otherwise = Otherwise::timeout(format!("queue '{name}' was full all the time"));
    let id = core.waits.begin(&ask.asker, timeout, otherwise);
    line.putting.push(&core.waits, id, item);
    settle(core, &name);
    Ok(Told::Later)
}

pub(super) fn queue_get(core: &mut Core, ask: Ask) -> Said {
    let (name, timeout) = (ask.text("name")?.to_owned(), ask.timeout()?);
    let line = core.services.queues.0.entry(name.clone()).or_default();
    let (count, listed) = match ask.field("batch") {
        None | Some(Value::Bool(false)) => (1, false),
        Some(Value::Bool(true)) => {
            let (value, buffers) = told(line.take(usize::MAX), true);
            settle(core, &name);
            return Ok(Told::Now(value, buffers));
        }
        Some(_) => (ask.number("batch")?.unwrap_or(1) as usize, true),
    };
    if line.items.len() >= count && line.getting.is_empty(&core.waits) {
        let (value, buffers) = told(line.take(count), listed);
        settle(core, &name);
        return Ok(Told::Now(value, buffers));
    }
    let otherwise = Otherwise::timeout(format!("queue '{name}' had not as many values in time"));
    let id = core.waits.begin(&ask.asker, timeout, otherwise);
    line.getting.push(&core.waits, id, (count, listed));
    settle(core, &name);
    Ok(Told::Later)
}

pub(super) fn queue_size(core: &mut Core, ask: Ask) -> Said {
    let line = core.services.queues.0.get(ask.text("name")?);
    now(line.map_or(0, |line| line.items.len()))
}

pub(super) fn queue_release(core: &mut Core, ask: Ask) -> Said {
    core.services.queues.0.remove(ask.text("name")?);
    nothing()
}
