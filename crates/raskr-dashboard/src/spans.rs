//! Makes of tasks that ended what a page draws: spans in rows, one row a thread, few enough to be sent and drawn.
//!
//! The scheduler does not know threads: a task is put in the row of its worker that became free last before it began, which
//! needs no more rows than threads were at work. Short tasks of one group that follow each other in a row become one span.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::ser::{SerializeTuple, Serializer};

use crate::source::{Ran, Worker};

/// So many are sent at a time.
pub(crate) const SPANS_MAX: usize = 1500;
/// Clocks and rounding: a task may seem to begin this many seconds before its row is free.
const SLACK: f64 = 0.000_5;
/// What follows within a span is joined to it up to these lengths in seconds, one after the other until there are few enough.
const JOINED_MAX: [f64; 6] = [0.0, 0.002, 0.01, 0.05, 0.25, 1.0];

/// One task or several of a group in a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub worker: String,
    pub row: usize,
    pub group: String,
    pub start: f64,
    pub stop: f64,
    /// Seconds in which a task ran.
    pub busy: f64,
    pub tasks: u64,
    /// Of the first.
    pub key: String,
    pub failed: bool,
}

impl Serialize for Span {
    /// As a list without names: there are many.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_tuple(9)?;
        list.serialize_element(&self.worker)?;
        list.serialize_element(&self.row)?;
        list.serialize_element(&self.group)?;
        list.serialize_element(&self.start)?;
        list.serialize_element(&self.stop)?;
        list.serialize_element(&self.busy)?;
        list.serialize_element(&self.tasks)?;
        list.serialize_element(&self.key)?;
        list.serialize_element(&self.failed)?;
        list.end()
    }
}

/// Until when each worker's rows are taken.
#[derive(Default)]
pub(crate) struct Rows {
    free_at: BTreeMap<String, Vec<f64>>,
}

impl Rows {
    /// Tasks come in the order in which they ended, about.
    pub fn place(&mut self, ran: Vec<Ran>, workers: &[Worker]) -> Vec<Span> {
        let threads: BTreeMap<&str, usize> =
            workers.iter().map(|worker| (worker.name.as_str(), worker.threads as usize)).collect();
        let named: BTreeSet<String> = ran.iter().map(|task| task.worker.clone()).collect();
        self.free_at.retain(|worker, _| threads.contains_key(worker.as_str()) || named.contains(worker));
        let spans = ran.into_iter().map(|task| {
            let most = threads.get(task.worker.as_str()).copied().unwrap_or(1).max(1);
            let row = take_row(self.free_at.entry(task.worker.clone()).or_default(), most, &task);
            Span {
                worker: task.worker,
                row,
                group: task.group,
                start: task.start,
                stop: task.stop.max(task.start),
                busy: (task.stop - task.start).max(0.0),
                tasks: 1,
                key: task.key,
                failed: task.failed,
            }
        });
        few(spans.collect())
    }
}

/// The row that became free last before the task began; a new one as long as there are threads; else the first to be free.
fn take_row(free_at: &mut Vec<f64>, most: usize, task: &Ran) -> usize {
    let fitting = (0..free_at.len())
        .filter(|&row| free_at[row] <= task.start + SLACK)
        .max_by(|&one, &other| free_at[one].total_cmp(&free_at[other]).then(other.cmp(&one)));
    let row = match fitting {
        Some(row) => row,
        None if free_at.len() < most => {
            free_at.push(task.stop);
            free_at.len() - 1
        }
        None => (0..free_at.len()).min_by(|&one, &other| free_at[one].total_cmp(&free_at[other])).unwrap_or(0),
    };
    free_at[row] = free_at[row].max(task.stop);
    row
}

/// Joins spans until there are few enough, and leaves out the oldest if that is still too many.
fn few(mut spans: Vec<Span>) -> Vec<Span> {
    for longest in JOINED_MAX {
        if spans.len() <= SPANS_MAX {
            return spans;
        }
        spans = join(spans, longest);
    }
    let surplus = spans.len().saturating_sub(SPANS_MAX);
    spans.split_off(surplus)
}

fn join(spans: Vec<Span>, longest: f64) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    let mut last: BTreeMap<(String, usize), usize> = BTreeMap::new();
    for span in spans {
        let place = (span.worker.clone(), span.row);
        if let Some(before) = last.get(&place).and_then(|&index| joined.get_mut(index))
            && before.group == span.group
            && before.failed == span.failed
            && span.stop - before.start <= longest
        {
            before.stop = before.stop.max(span.stop);
            before.busy += span.busy;
            before.tasks += span.tasks;
            continue;
        }
        last.insert(place, joined.len());
        joined.push(span);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(name: &str, threads: u32) -> Worker {
        Worker { name: name.into(), threads, ..Worker::default() }
    }

    fn ran(number: u64, worker: &str, group: &str, start: f64, stop: f64) -> Ran {
        let (key, group, worker) = (format!("{group}-{number}"), group.into(), worker.into());
        Ran { number, key, group, worker, start, stop, failed: false }
    }

    #[test]
    fn tasks_that_overlap_lie_in_different_rows_and_rows_stay_as_many_as_threads() {
        let workers = [worker("a", 2), worker("b", 1)];
        let mut rows = Rows::default();
        let spans = rows.place(
            vec![
                ran(1, "a", "f", 0.0, 1.0),
                ran(2, "b", "f", 0.0, 1.0),
                ran(3, "a", "f", 0.5, 2.0),
                ran(4, "a", "f", 1.0, 2.5),
                // More at once than threads: clocks may be off. It lies over another rather than in a row too many.
                ran(5, "a", "f", 0.2, 2.6),
            ],
            &workers,
        );
        assert_eq!(spans.iter().map(|span| span.row).collect::<Vec<_>>(), [0, 0, 1, 0, 1]);
        let later = rows.place(vec![ran(6, "a", "f", 2.55, 3.0)], &workers);
        assert_eq!(later[0].row, 0, "rows are remembered from one time to the next");
        rows.place(Vec::new(), &workers[1..]);
        assert_eq!(rows.free_at.keys().collect::<Vec<_>>(), ["b"], "those of workers that left are not");
    }

    #[test]
    fn many_short_tasks_become_few_spans_that_count_them() {
        let many = (0..20_000).map(|n| {
            let start = f64::from(n) * 0.000_1;
            ran(n as u64, "a", if n < 10_000 { "f" } else { "g" }, start, start + 0.000_09)
        });
        let spans = Rows::default().place(many.collect(), &[worker("a", 1)]);
        assert!(spans.len() <= SPANS_MAX, "{}", spans.len());
        assert_eq!(spans.iter().map(|span| span.tasks).sum::<u64>(), 20_000);
        let busy: f64 = spans.iter().map(|span| span.busy).sum();
        assert!((busy - 1.8).abs() < 1e-6, "{busy}");
        assert!(spans.iter().all(|span| span.key.starts_with(&span.group)), "groups are not joined");
    }

    #[test]
    fn what_cannot_be_joined_is_left_out_from_the_oldest() {
        let many = (0..2000).map(|n| ran(n, "a", &format!("group{n}"), n as f64, n as f64 + 0.5));
        let spans = Rows::default().place(many.collect(), &[worker("a", 1)]);
        assert_eq!((spans.len(), spans[0].group.as_str()), (SPANS_MAX, "group500"));
    }
}
