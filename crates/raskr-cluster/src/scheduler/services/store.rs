//! What clients leave at the scheduler for others: metadata, and datasets under names.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::asked::{Ask, Said, Told, now, refusal};
use super::super::core::Core;
use super::nothing;

#[derive(Default)]
pub(super) struct Store {
    metadata: BTreeMap<Vec<String>, Bytes>,
    datasets: BTreeMap<String, Vec<Bytes>>,
}

pub(super) fn metadata_set(core: &mut Core, mut ask: Ask) -> Said {
    let (keys, value) = (ask.list("keys")?, ask.buffer()?);
    core.services.store.metadata.insert(keys, value);
    nothing()
}

pub(super) fn metadata_get(core: &mut Core, ask: Ask) -> Said {
    let keys = ask.list("keys")?;
    match core.services.store.metadata.get(&keys) {
        Some(value) => Ok(Told::Now(true.into(), vec![value.clone()])),
        None => Err(refusal("KeyError", keys.join("/"))),
    }
}

pub(super) fn publish(core: &mut Core, ask: Ask) -> Said {
    let (name, override_known) = (ask.text("name")?.to_owned(), ask.flag("override"));
    let datasets = &mut core.services.store.datasets;
    if !override_known && datasets.contains_key(&name) {
        return Err(refusal("KeyError", format!("Dataset {name} already exists")));
    }
    datasets.insert(name, ask.buffers);
    nothing()
}

pub(super) fn unpublish(core: &mut Core, ask: Ask) -> Said {
    core.services.store.datasets.remove(ask.text("name")?);
    nothing()
}

pub(super) fn datasets(core: &mut Core, _: Ask) -> Said {
    now(core.services.store.datasets.keys().cloned().collect::<Vec<_>>())
}

pub(super) fn dataset(core: &mut Core, ask: Ask) -> Said {
    let name = ask.text("name")?;
    match core.services.store.datasets.get(name) {
        Some(buffers) => Ok(Told::Now(true.into(), buffers.clone())),
        None => Err(refusal("KeyError", format!("Dataset '{name}' not found"))),
    }
}
