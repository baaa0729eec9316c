//! How many workers are wanted, for those who start and end them.

use std::time::Duration;

use raskr_sched::{Adaptive, Change};
use serde_json::json;

use super::super::asked::{Ask, Said, now};
use super::super::core::Core;

#[derive(Default)]
pub(super) struct Scaling(Option<Adaptive>);

pub(super) fn load(core: &mut Core, _: Ask) -> Said {
    let load = core.machine.load();
    now(json!({
        "tasks": load.tasks,
        "seconds": load.micros as f64 / 1e6,
        "bytes": load.bytes,
        "memory": load.memory,
        "workers": load.workers,
        "threads": load.threads,
        "open": load.open,
    }))
}

pub(super) fn adaptive(core: &mut Core, ask: Ask) -> Said {
    let minimum = ask.number("minimum")?.unwrap_or(0) as usize;
    let maximum = ask.number("maximum")?.map_or(usize::MAX, |maximum| maximum as usize);
    let target = ask.seconds("target_duration")?.unwrap_or(Duration::from_secs(5));
    let wait_count = ask.number("wait_count")?.unwrap_or(3) as u32;
    let kept = &mut core.services.adaptive.0;
    let adaptive = kept.get_or_insert_with(|| Adaptive::new(minimum, maximum, target, wait_count));
    (adaptive.minimum, adaptive.maximum) = (minimum, maximum);
    (adaptive.target_duration, adaptive.wait_count) = (target, wait_count);
    let change = adaptive.decide(&core.machine);
    let there = core.machine.load().workers as usize;
    let (target, retire) = match change {
        Change::None => (there, Vec::new()),
        Change::Up(target) => (target, Vec::new()),
        Change::Down(workers) => (there - workers.len().min(there), workers),
    };
    let retire: Vec<String> =
        retire.into_iter().filter_map(|worker| Some(core.machine.worker(worker)?.name.to_string())).collect();
    now(json!({ "target": target, "retire": retire }))
}
