//! The cluster as a whole: who it is made of, what ran, its log, and its end.

use raskr_sched::{WorkerStatus, WorkerView};
use serde_json::{Map, Value, json};

use super::super::asked::{Ask, Said, Told, now};
use super::super::core::Core;
use super::super::lines::Line;
use super::nothing;
use super::tasks::{address, by_worker, name_of};

fn status(status: WorkerStatus) -> &'static str {
    match status {
        WorkerStatus::Running => "running",
        WorkerStatus::Paused => "paused",
        WorkerStatus::Suspect => "suspect",
        WorkerStatus::Retiring => "closing_gracefully",
        WorkerStatus::Gone => "closed",
    }
}

/// A worker as Dask's `scheduler_info` has it.
fn describe(core: &Core, view: &WorkerView, line: &Line) -> Value {
    let about = |name: &str| line.about.get(name).cloned().unwrap_or(Value::Null);
    let mut metrics = match Core::parse(&line.metrics) {
        Value::Object(metrics) => metrics,
        _ => Map::new(),
    };
    let memory = view.memory;
    metrics.entry("memory").or_insert(memory.process.into());
    metrics.insert("managed_bytes".into(), memory.stored.into());
    metrics.insert("spilled_bytes".into(), json!({ "memory": memory.spilled, "disk": memory.spilled }));
    metrics.insert("executing".into(), view.running.into());
    metrics.insert("ready".into(), (view.processing - view.running).into());
    metrics.insert("in_memory".into(), view.values.into());
    let resources: Map<String, Value> =
        view.resources.iter().map(|(name, amount)| (name.to_string(), (*amount as f64 / 1e6).into())).collect();
    let services = about("services");
    let id = about("id");
    json!({
        "type": "Worker",
        "id": if id.is_null() { json!(&*view.name) } else { id },
        "host": &*view.host,
        "resources": resources,
        "local_directory": about("local_directory"),
        "name": &*view.name,
        "nthreads": view.threads,
        "memory_limit": view.memory_limit,
        "last_seen": core.seconds(view.last_heard),
        "services": if services.is_null() { json!({}) } else { services },
        "metrics": metrics,
        "status": status(view.status),
        "nanny": null,
        "pid": about("pid"),
        "about": line.about,
    })
}

pub(super) fn identity(core: &mut Core, _: Ask) -> Said {
    let (mut workers, mut threads, mut memory) = (Map::new(), 0, 0);
    for (worker, line) in &core.lines {
        let Some(view) = core.machine.worker(*worker) else { continue };
        threads += u64::from(view.threads);
        memory += view.memory_limit;
        workers.insert(view.address.to_string(), describe(core, &view, line));
    }
    let about = &core.about;
    let services = about.dashboard.as_ref().map_or_else(|| json!({}), |(_, port)| json!({ "dashboard": port }));
    now(json!({
        "type": "Scheduler",
        "id": about.id,
        "address": about.address,
        "services": services,
        "started": about.started,
        "n_workers": workers.len(),
        "total_threads": threads,
        "total_memory": memory,
        "workers": workers,
        "dashboard_link": about.dashboard.as_ref().map(|(link, _)| link),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

pub(super) fn nthreads(core: &mut Core, ask: Ask) -> Said {
    by_worker(core, &ask, |worker| core.machine.worker(worker).map_or(0, |view| view.threads).into())
}

pub(super) fn clients(core: &mut Core, _: Ask) -> Said {
    let named = core.clients.values().filter_map(|end| end.name.as_ref().map(ToString::to_string));
    now(named.collect::<Vec<_>>())
}

pub(super) fn task_stream(core: &mut Core, ask: Ask) -> Said {
    let since = ask.field("since").and_then(Value::as_f64).unwrap_or(0.0);
    let most = ask.number("count")?.map_or(usize::MAX, |count| count as usize);
    let listed: Vec<Value> = core
        .stream
        .since(0, most)
        .filter(|ran| core.seconds(ran.ended) >= since)
        .map(|ran| {
            let (worker, stop) = (address(core, ran.worker), core.seconds(ran.ended));
            json!({
                "key": &*ran.key,
                "name": &*ran.class,
                "worker": worker,
                "start": stop - ran.micros as f64 / 1e6,
                "stop": stop,
                "status": if ran.ok { "OK" } else { "error" },
                "nbytes": ran.bytes,
            })
        })
        .collect();
    now(listed)
}

pub(super) fn logs(core: &mut Core, ask: Ask) -> Said {
    let most = ask.number("count")?.map_or(usize::MAX, |count| count as usize);
    let lines: Vec<Value> =
        core.log.last(most).map(|line| json!({ "at": line.at, "level": line.level, "text": line.text })).collect();
    now(lines)
}

/// Everything, for people who look into what went wrong.
pub(super) fn state(core: &mut Core, ask: Ask) -> Said {
    let tasks = core.machine.task_views().map(|task| {
        let holders: Vec<String> = task.holders.iter().map(|worker| address(core, *worker)).collect();
        let told = json!({
            "state": name_of(task.state),
            "nbytes": task.bytes,
            "who_has": holders,
            "processing_on": task.worker.map(|worker| address(core, worker)),
            "prefix": &**task.class,
            "wants": task.wants,
        });
        (task.key.to_string(), told)
    });
    let tasks: Map<String, Value> = tasks.collect();
    let clients: Map<String, Value> = core
        .clients
        .values()
        .filter_map(|end| Some((end.name.as_ref()?.to_string(), json!({ "address": end.peer.address.to_string() }))))
        .collect();
    let load = core.machine.load();
    let memory = json!({ "values": load.bytes, "limit": load.memory });
    let logs: Vec<Value> = core.log.last(usize::MAX).map(|line| json!([line.at, line.level, line.text])).collect();
    let identity = match identity(core, ask)? {
        Told::Now(identity, _) => identity,
        Told::Later => Value::Null,
    };
    now(json!({ "scheduler": identity, "tasks": tasks, "clients": clients, "memory": memory, "logs": logs }))
}

pub(super) fn shutdown(core: &mut Core, _: Ask) -> Said {
    core.end("somebody asked for it".into());
    nothing()
}
