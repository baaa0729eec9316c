//! Events: flags that clients set and wait for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::asked::{Ask, Said, Told, now};
use super::super::core::Core;
use super::super::waits::Otherwise;
use super::{Queue, nothing};

#[derive(Default)]
pub(super) struct Events(BTreeMap<String, Flag>);

#[derive(Default)]
struct Flag {
    set: bool,
    waiting: Queue<()>,
}

pub(super) fn event_set(core: &mut Core, ask: Ask) -> Said {
    let flag = core.services.events.0.entry(ask.text("name")?.to_owned()).or_default();
    flag.set = true;
    let mut line = std::mem::take(&mut flag.waiting);
    while let Some((id, ())) = line.pop(&core.waits) {
        core.resolve(id, &Value::Bool(true), Vec::new());
    }
    nothing()
}

pub(super) fn event_clear(core: &mut Core, ask: Ask) -> Said {
    let name = ask.text("name")?;
    if let Some(flag) = core.services.events.0.get_mut(name) {
        flag.set = false;
        if flag.waiting.is_empty(&core.waits) {
            core.services.events.0.remove(name);
        }
    }
    nothing()
}

pub(super) fn event_is_set(core: &mut Core, ask: Ask) -> Said {
    now(core.services.events.0.get(ask.text("name")?).is_some_and(|flag| flag.set))
}

pub(super) fn event_wait(core: &mut Core, ask: Ask) -> Said {
    let flag = core.services.events.0.entry(ask.text("name")?.to_owned()).or_default();
    if flag.set {
        return now(true);
    }
    let id = core.waits.begin(&ask.asker, ask.timeout()?, Otherwise::value(&Value::Bool(false)));
    flag.waiting.push(&core.waits, id, ());
    Ok(Told::Later)
}
