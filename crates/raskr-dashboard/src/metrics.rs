//! What Prometheus reads: names, kinds, help and values of a snapshot, in its text format.

use std::fmt::Write;

use crate::source::{Snapshot, Status};

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

pub(crate) fn of(snapshot: &Snapshot) -> String {
    let mut page = Page(String::new());
    let cluster = &snapshot.cluster;
    page.family("raskr_scheduler_info", "gauge", "Always 1; which cluster this is.");
    page.sample("raskr_scheduler_info", &[("id", &cluster.id), ("version", &cluster.version)], 1.0);
    page.single(
        "raskr_scheduler_start_time_seconds",
        "gauge",
        "When the scheduler began, since 1970.",
        cluster.started,
    );
    page.single("raskr_scheduler_clients", "gauge", "Clients that are connected.", snapshot.clients as f64);
    page.single(
        "raskr_scheduler_loop_lag_seconds",
        "gauge",
        "The longest time that anything waited for the scheduler since it was last asked.",
        snapshot.loop_lag,
    );
    page.family("raskr_scheduler_workers", "gauge", "Workers by what they do.");
    for (status, name) in Status::ALL {
        let count = snapshot.workers.iter().filter(|worker| worker.status == status).count();
        page.sample("raskr_scheduler_workers", &[("status", name)], count as f64);
    }
    page.family("raskr_scheduler_tasks", "gauge", "Tasks that the scheduler knows, by state.");
    for (state, count) in snapshot.tasks.each() {
        page.sample("raskr_scheduler_tasks", &[("state", state)], count as f64);
    }
    page.family("raskr_scheduler_group_tasks", "gauge", "The same by group, of the groups that the page shows.");
    for group in &snapshot.groups {
        for (state, count) in group.tasks.each() {
            page.sample("raskr_scheduler_group_tasks", &[("group", &group.name), ("state", state)], count as f64);
        }
    }
    let counters = &snapshot.counters;
    let totals = [
        ("raskr_scheduler_tasks_finished_total", "Tasks that ended well.", counters.finished),
        ("raskr_scheduler_tasks_failed_total", "Tasks that ended with an error.", counters.failed),
        ("raskr_scheduler_workers_lost_total", "Workers that were lost.", counters.workers_lost),
    ];
    for (name, help, value) in totals {
        page.single(name, "counter", help, value as f64);
    }
    type OfWorker = fn(&crate::Worker) -> f64;
    let of_workers: [(&str, &str, OfWorker); 9] = [
        ("raskr_worker_threads", "Threads that run tasks.", |worker| f64::from(worker.threads)),
        ("raskr_worker_memory_limit_bytes", "The limit of memory; 0 is none.", |worker| worker.memory_limit as f64),
        ("raskr_worker_stored_bytes", "Values in memory.", |worker| worker.stored as f64),
        ("raskr_worker_spilled_bytes", "Values on disk.", |worker| worker.spilled as f64),
        ("raskr_worker_process_bytes", "Memory of the process and its children.", |worker| worker.process as f64),
        ("raskr_worker_cpu_threads", "Threads' worth of processor time that it takes.", |worker| worker.cpu),
        ("raskr_worker_tasks", "Tasks that it has.", |worker| worker.processing as f64),
        ("raskr_worker_tasks_running", "Tasks that it runs.", |worker| worker.running as f64),
        ("raskr_worker_silent_seconds", "Time since it was last heard.", |worker| worker.silent),
    ];
    for (name, help, value) in of_workers {
        page.family(name, "gauge", help);
        for worker in &snapshot.workers {
            page.sample(name, &[("worker", &worker.address), ("name", &worker.name)], value(worker));
        }
    }
    page.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Group, States, Worker};

    #[test]
    fn every_line_is_in_the_format_whatever_names_hold() {
        let group = Group { name: "sum\"\n\\x".into(), tasks: States { memory: 3, ..States::default() }, mean: 0.1 };
        let worker = Worker { name: "w{}".into(), address: "tcp://[::1]:1".into(), cpu: 1.5, ..Worker::default() };
        let text = of(&Snapshot { groups: vec![group], workers: vec![worker], loop_lag: 0.002, ..Snapshot::default() });
        assert!(text.contains("raskr_scheduler_group_tasks{group=\"sum\\\"\\n\\\\x\",state=\"memory\"} 3\n"), "{text}");
        assert!(text.contains("raskr_worker_cpu_threads{worker=\"tcp://[::1]:1\",name=\"w{}\"} 1.5\n"), "{text}");
        assert!(text.contains("raskr_scheduler_workers{status=\"running\"} 1\n"), "{text}");
        assert!(text.contains("raskr_scheduler_loop_lag_seconds 0.002\n"), "{text}");
        let mut family = "";
        for line in text.lines() {
            match line.strip_prefix("# HELP ").or(line.strip_prefix("# TYPE ")) {
                Some(rest) => family = rest.split(' ').next().expect("a name"),
                None => {
                    assert!(line.starts_with(family), "{line} under {family}");
                    let (_, value) = line.rsplit_once(' ').expect("a value");
                    assert!(value.parse::<f64>().is_ok(), "{line}");
                }
            }
        }
    }
}
