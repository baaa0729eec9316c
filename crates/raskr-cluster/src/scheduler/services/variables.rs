//! Variables: values under names, which clients set and wait for.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::asked::{Ask, Said, Told};
use super::super::core::Core;
use super::super::waits::Otherwise;
use super::{Queue, nothing};

#[derive(Default)]
pub(super) struct Variables {
    values: BTreeMap<String, (Value, Vec<Bytes>)>,
    waiting: BTreeMap<String, Queue<()>>,
}

pub(super) fn variable_set(core: &mut Core, ask: Ask) -> Said {
    let name = ask.text("name")?.to_owned();
    let value = (json!({ "key": ask.field("key") }), ask.buffers);
    let mut line = core.services.variables.waiting.remove(&name).unwrap_or_default();
    while let Some((id, ())) = line.pop(&core.waits) {
        core.resolve(id, &value.0, value.1.clone());
    }
    core.services.variables.values.insert(name, value);
    nothing()
}

pub(super) fn variable_get(core: &mut Core, ask: Ask) -> Said {
    let name = ask.text("name")?;
    if let Some((key, buffers)) = core.services.variables.values.get(name) {
        return Ok(Told::Now(key.clone(), buffers.clone()));
    }
    let otherwise = Otherwise::timeout(format!("variable '{name}' was not set in time"));
    let id = core.waits.begin(&ask.asker, ask.timeout()?, otherwise);
    core.services.variables.waiting.entry(name.to_owned()).or_default().push(&core.waits, id, ());
    Ok(Told::Later)
}

pub(super) fn variable_delete(core: &mut Core, ask: Ask) -> Said {
    core.services.variables.values.remove(ask.text("name")?);
    nothing()
}
