//! From plans to calls: plans are cut into stages where rows change places, and each stage becomes a call a partition.
//!
//! A pipeline is a stage that is still being built: operations that need no other rows are put on top of it. It ends
//! where rows have to meet those of other partitions, and where several plans need the same rows.

mod join;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion_physical_plan::aggregates::AggregateMode;
use raskr_base::Op;
use raskr_graph::{Call, Input};

use crate::error::FrameError;
use crate::groups::suits;
use crate::operators::Node;
use crate::plan::{Measure, Operation, Plan, SortKey};
use crate::rewrite::{keys_only, parents_first, pruned, uses};
use crate::stage::{Bounds, Ending, NoRows, Pick, Stage, StageOp};
use crate::table::Table;

/// Bytes of rows that one task of an exchange should get.
const PIECE_BYTES: u64 = 64 << 20;
const PIECES_MAX: u64 = 512;
/// The same where groups are made of the rows by tables of our own, which are fast as long as they fit a cache.
const GROUPS_BYTES: u64 = 8 << 20;

/// The most that a task is estimated to hold where there is no limit.
const ESTIMATE_MAX: u64 = 1 << 30;

/// How plans are lowered.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Tasks that can run at the same time.
    pub threads: usize,
    /// Bytes that all values together may take.
    pub memory_limit: Option<u64>,
    /// Will other processes do the tasks? What only this one can read is then read by tasks of its own.
    pub elsewhere: bool,
}

/// The partitions of plans, each a call that gives a table. Plans that they share are computed once.
pub fn lower(roots: &[Arc<Plan>], options: Options) -> Result<Vec<Vec<Arc<Call>>>, FrameError> {
    let roots = pruned(roots)?;
    let mut lowering = Lowering::new(&roots, options);
    roots.iter().map(|root| lowering.tables(root)).collect()
}

/// The stages of plans in words: each with what its tasks do.
pub fn explain_stages(roots: &[Arc<Plan>], options: Options) -> Result<String, FrameError> {
    let roots = pruned(roots)?;
    let mut lowering = Lowering::new(&roots, options);
    for root in &roots {
        lowering.tables(root)?;
    }
    let mut text = String::new();
    for (number, (stage, tasks)) in lowering.stages.iter().enumerate() {
        text += &format!("stage {number}, {tasks} tasks: {}\n", stage.name);
        for line in StageOp::explain(stage)?.lines() {
            text += &format!("    {line}\n");
        }
    }
    Ok(text)
}

/// What the tasks of a stage get for a slot.
enum Slot {
    /// Each task other inputs.
    Each(Vec<Vec<Input>>),
    /// All tasks the same.
    All(Vec<Input>),
}

struct Pipeline {
    node: Node,
    schema: SchemaRef,
    partitions: u32,
    slots: Vec<Slot>,
    /// Bytes of a partition's rows.
    estimate: u64,
    /// Is it no more than reading and what is done row by row, so that it may well be done twice?
    cheap: bool,
}

struct Lowering {
    options: Options,
    uses: HashMap<*const Plan, usize>,
    shared: HashMap<*const Plan, Vec<Arc<Call>>>,
    /// Plans are kept, so that addresses stay theirs.
    _kept: Vec<Arc<Plan>>,
    stages: Vec<(Arc<Stage>, u32)>,
}

impl Lowering {
    fn new(roots: &[Arc<Plan>], options: Options) -> Lowering {
        let order = parents_first(roots);
        let uses = uses(&order, roots);
        Lowering { options, uses, shared: HashMap::new(), _kept: order, stages: Vec::new() }
    }

    /// The partitions of a plan as tables.
    fn tables(&mut self, plan: &Arc<Plan>) -> Result<Vec<Arc<Call>>, FrameError> {
        if let Some(found) = self.shared.get(&Arc::as_ptr(plan)) {
            return Ok(found.clone());
        }
        let pipeline = self.begun(plan)?;
        let name = name_of(plan);
        let calls = self.finished(pipeline, Ending::Collect, name);
        self.shared.insert(Arc::as_ptr(plan), calls.clone());
        Ok(calls)
    }

    /// The pipeline that gives a plan's rows; from tables where others need them too.
    fn pipeline(&mut self, plan: &Arc<Plan>) -> Result<Pipeline, FrameError> {
        if self.uses.get(&Arc::as_ptr(plan)).is_none_or(|&uses| uses < 2) {
            return self.begun(plan);
        }
        let calls = self.tables(plan)?;
        Ok(self.of_tables(calls, plan))
    }

    fn of_tables(&self, calls: Vec<Arc<Call>>, plan: &Plan) -> Pipeline {
        let partitions = calls.len() as u32;
        let inputs = calls.into_iter().map(|call| vec![Input::Call(call)]).collect();
        let estimate = plan.estimate() / u64::from(partitions.max(1));
        Pipeline {
            node: Node::Input { slot: 0, schema: Arc::clone(plan.schema()) },
            schema: Arc::clone(plan.schema()),
            partitions,
            slots: vec![Slot::Each(inputs)],
            estimate,
            cheap: false,
        }
    }

    fn begun(&mut self, plan: &Arc<Plan>) -> Result<Pipeline, FrameError> {
        let schema = Arc::clone(plan.schema());
        Ok(match plan.operation() {
            Operation::Read { reader, columns } => {
                let partitions = reader.partitions();
                let node = Node::Read { reader: Arc::clone(reader), columns: columns.clone() };
                let estimate = plan.estimate() / u64::from(partitions.max(1));
                let rows = Pipeline { node, schema, partitions, slots: Vec::new(), estimate, cheap: true };
                if self.options.elsewhere && !reader.travels() {
                    let calls = self.finished(rows, Ending::Collect, reader.name().to_owned());
                    return Ok(self.of_tables(calls, plan));
                }
                rows
            }
            Operation::Project { input, columns } => {
                let below = self.pipeline(input)?;
                let node = Node::Project { input: Box::new(below.node), columns: columns.clone() };
                Pipeline { node, schema, ..below }
            }
            Operation::Filter { input, predicate } => {
                let below = self.pipeline(input)?;
                let node = Node::Filter { input: Box::new(below.node), predicate: predicate.clone() };
                Pipeline { node, schema, ..below }
            }
            Operation::Aggregate { input, keys, measures, drop_missing } => {
                let below = self.pipeline(input)?;
                self.aggregate(below, input.estimate(), keys, measures, *drop_missing, schema)?
            }
            Operation::Join { left, right, on, kind, way } => self.join(left, right, on, *kind, *way, schema)?,
            Operation::Sort { input, keys, bounds } => self.sort(input, keys, bounds.as_ref())?,
            Operation::SortWhole { input, keys } => {
                let parts = self.tables(input)?;
                self.sorted_whole(parts, input, keys)
            }
            Operation::Regroup { input, partitions } => {
                let parts = self.tables(input)?;
                self.regrouped(parts, *partitions, input)
            }
        })
    }

    /// The rows of tables, neighbours put together, in so many partitions.
    fn regrouped(&self, parts: Vec<Arc<Call>>, partitions: u32, plan: &Plan) -> Pipeline {
        let (given, wanted) = (parts.len(), partitions.max(1) as usize);
        let inputs = (0..wanted).map(|number| {
            let (start, end) = match given > wanted {
                true => (number * given / wanted, (number + 1) * given / wanted),
                false => (number.min(given), (number + 1).min(given)),
            };
            parts[start..end].iter().cloned().map(Input::Call).collect()
        });
        Pipeline {
            node: Node::Input { slot: 0, schema: Arc::clone(plan.schema()) },
            schema: Arc::clone(plan.schema()),
            partitions: wanted as u32,
            slots: vec![Slot::Each(inputs.collect())],
            estimate: plan.estimate() / wanted as u64,
            cheap: false,
        }
    }

    /// The rows of tables, which are those of a plan, in order in one partition.
    fn sorted_whole(&mut self, parts: Vec<Arc<Call>>, plan: &Plan, keys: &[SortKey]) -> Pipeline {
        let single = self.regrouped(parts, 1, plan);
        let calls = self.finished(single, self.sorting(keys), "sort".to_owned());
        self.of_tables(calls, plan)
    }

    /// How many pieces of no more than `piece` bytes rows of so many bytes are cut in.
    fn pieces(&self, bytes: u64, piece: u64, partitions: u32) -> usize {
        let piece = self.within_limit(piece);
        let parallel = u64::from(partitions).min(self.options.threads as u64);
        bytes.div_ceil(piece).clamp(parallel.max(1), PIECES_MAX) as usize
    }

    /// So many bytes, or what a task can well have in memory beside all others.
    fn within_limit(&self, bytes: u64) -> u64 {
        let limit = self.options.memory_limit.unwrap_or(u64::MAX);
        bytes.min(limit / 32 / self.options.threads.max(1) as u64).max(1 << 20)
    }

    fn aggregate(
        &mut self,
        below: Pipeline,
        bytes: u64,
        keys: &[String],
        measures: &[Measure],
        drop_missing: bool,
        schema: SchemaRef,
    ) -> Result<Pipeline, FrameError> {
        let rows = Arc::clone(&below.schema);
        let over = |node: Node, mode: AggregateMode| Node::Aggregate {
            input: Box::new(node),
            mode,
            keys: keys.to_vec(),
            measures: measures.to_vec(),
            drop_missing,
            rows: Arc::clone(&rows),
        };
        if below.partitions == 1 {
            let node = over(below.node, AggregateMode::Single);
            return Ok(Pipeline { node, schema, cheap: false, ..below });
        }
        let count = match keys.is_empty() {
            true => 1,
            false if suits(keys, measures, &rows)? => self.pieces(bytes, GROUPS_BYTES, below.partitions),
            false => self.pieces(bytes, PIECE_BYTES, below.partitions),
        };
        let whole = measures.iter().any(|measure| measure.statistic.needs_whole_groups());
        let (first, last) = match whole {
            true => (below.node, AggregateMode::Single),
            false => (over(below.node, AggregateMode::Partial), AggregateMode::Final),
        };
        let between = schema_of(&first, &rows)?;
        // How many groups there are is not known: what one task gets of all others must not be taken for all rows.
        let estimate = if count == 1 && !whole { 0 } else { below.estimate };
        let below = Pipeline { node: first, schema: Arc::clone(&between), estimate, ..below };
        let pieces = self.exchanged(below, keys, count, if whole { "exchange" } else { "aggregate-partial" });
        let node = over(Node::Input { slot: 0, schema: between }, last);
        Ok(Pipeline {
            node,
            schema,
            partitions: count as u32,
            slots: vec![Slot::Each(pieces)],
            estimate: 0,
            cheap: false,
        })
    }

    /// The rows of a pipeline by the hash of their keys: the inputs of each piece, in the order of partitions.
    fn exchanged(&mut self, pipeline: Pipeline, keys: &[String], count: usize, name: &str) -> Vec<Vec<Input>> {
        if count == 1 {
            let calls = self.finished(pipeline, Ending::Collect, name.to_owned());
            return vec![calls.into_iter().map(Input::Call).collect()];
        }
        let calls = self.finished(pipeline, Ending::Hash { keys: keys.to_vec(), count }, name.to_owned());
        picked(&calls, count)
    }

    fn sort(
        &mut self,
        input: &Arc<Plan>,
        keys: &[SortKey],
        bounds: Option<&RecordBatch>,
    ) -> Result<Pipeline, FrameError> {
        let bytes = input.estimate();
        let mut below = self.pipeline(input)?;
        let count = match bounds {
            Some(bounds) => bounds.num_rows() + 1,
            None => self.pieces(bytes, PIECE_BYTES, below.partitions),
        };
        if count == 1 || below.partitions == 1 && bounds.is_none() {
            let parts = self.finished(below, Ending::Collect, "sort-input".to_owned());
            return Ok(self.sorted_whole(parts, input, keys));
        }
        let (bounds, by) = match bounds {
            Some(bounds) => (Bounds::Known(Table::of_batch(bounds.clone())).call(Vec::new()), &keys[..1]),
            None => {
                let (again, samples) = self.sampled(below, input, keys)?;
                below = again;
                (Bounds::Sampled { keys: keys.to_vec(), count }.call(samples), keys)
            }
        };
        below.slots.push(Slot::All(vec![Input::Call(bounds)]));
        // All pieces of what fits memory well stay until the last rows of the result are gathered; others are spilled one by one.
        let stays =
            !self.options.elsewhere && self.options.memory_limit.is_none() && bytes <= ESTIMATE_MAX && bytes > 0;
        let ending = Ending::Ranges { keys: by.to_vec(), count, apart: !stays };
        let calls = self.finished(below, ending, "sort-exchange".to_owned());
        let schema = Arc::clone(input.schema());
        let pieces = Pipeline {
            node: Node::Input { slot: 0, schema: Arc::clone(&schema) },
            schema,
            partitions: count as u32,
            slots: vec![Slot::Each(picked(&calls, count))],
            estimate: bytes / count as u64,
            cheap: false,
        };
        let sorted = self.finished(pieces, self.sorting(keys), "sort".to_owned());
        Ok(self.of_tables(sorted, input))
    }

    /// Rows that may have to be spilled are gathered at once: they are read one table after another.
    fn sorting(&self, keys: &[SortKey]) -> Ending {
        Ending::Sorted { keys: keys.to_vec(), settled: self.options.memory_limit.is_some() }
    }

    /// The pipeline again, and samples of the keys of its rows.
    fn sampled(
        &mut self,
        below: Pipeline,
        input: &Arc<Plan>,
        keys: &[SortKey],
    ) -> Result<(Pipeline, Vec<Arc<Call>>), FrameError> {
        let ending = Ending::Sample { keys: keys.to_vec() };
        if below.cheap {
            let names: Vec<String> = keys.iter().map(|key| key.column.clone()).collect();
            let only = self.begun_apart(&keys_only(input, &names)?)?;
            return Ok((below, self.finished(only, ending, "sort-sample".to_owned())));
        }
        let calls = self.finished(below, Ending::Collect, "sort-input".to_owned());
        let sampled = self.of_tables(calls.clone(), input);
        let samples = self.finished(sampled, ending, "sort-sample".to_owned());
        Ok((self.of_tables(calls, input), samples))
    }

    /// A pipeline of a plan that was made just now, which shares readers only.
    fn begun_apart(&mut self, plan: &Arc<Plan>) -> Result<Pipeline, FrameError> {
        self._kept.extend(parents_first(std::slice::from_ref(plan)));
        self.begun(plan)
    }

    /// The calls of a pipeline.
    fn finished(&mut self, pipeline: Pipeline, ending: Ending, name: String) -> Vec<Arc<Call>> {
        let Pipeline { node, schema, partitions, slots, estimate, .. } = pipeline;
        // What a task holds while it runs, as a multiple of its rows, measured: rows that are read are there until their
        // pieces are, tables of groups and the bytes that rows are compared by are about as large as the rows.
        let estimate = match (&ending, &node) {
            (Ending::Collect, Node::Read { .. } | Node::Join { .. } | Node::Either { .. }) => 2 * estimate,
            (Ending::Collect | Ending::Sample { .. }, _) => estimate,
            (_, _) => 5 * estimate,
        };
        // An estimate of scratch memory is no reason to refuse a task.
        let estimate = estimate.min(self.options.memory_limit.map_or(ESTIMATE_MAX, |limit| limit / 5 * 2));
        let stage = Arc::new(Stage { name, node, schema, ending });
        self.stages.push((Arc::clone(&stage), partitions));
        (0..partitions)
            .map(|partition| {
                let mut inputs = Vec::new();
                let mut counts = Vec::with_capacity(slots.len());
                for slot in &slots {
                    let own = match slot {
                        Slot::Each(each) => &each[partition as usize],
                        Slot::All(all) => all,
                    };
                    counts.push(own.len());
                    inputs.extend_from_slice(own);
                }
                let op: Arc<dyn Op> = StageOp::new(&stage, partition, counts, estimate);
                Call::new(op, inputs, None)
            })
            .collect()
    }
}

/// The pieces of lists: for each piece, that of every list.
fn picked(calls: &[Arc<Call>], count: usize) -> Vec<Vec<Input>> {
    let picks: Vec<Arc<dyn Op>> = (0..count).map(|number| Arc::new(Pick { number }) as Arc<dyn Op>).collect();
    let of = |pick: &Arc<dyn Op>| {
        calls
            .iter()
            .map(|call| Input::Call(Call::new(Arc::clone(pick), vec![Input::Call(Arc::clone(call))], None)))
            .collect()
    };
    picks.iter().map(of).collect()
}

/// The columns that a node gives, for rows of a schema below it.
fn schema_of(node: &Node, rows: &SchemaRef) -> Result<SchemaRef, FrameError> {
    match node {
        Node::Aggregate { mode: AggregateMode::Partial, .. } => {
            Ok(node.physical(&NoRows { are_whole: false })?.schema())
        }
        _ => Ok(Arc::clone(rows)),
    }
}

fn name_of(plan: &Plan) -> String {
    match plan.operation() {
        Operation::Read { reader, .. } => reader.name().to_owned(),
        Operation::Project { input, .. } | Operation::Filter { input, .. } => name_of(input),
        Operation::Aggregate { .. } => "aggregate".to_owned(),
        Operation::Join { .. } => "join".to_owned(),
        Operation::Sort { .. } => "sort".to_owned(),
        Operation::SortWhole { .. } => "sort".to_owned(),
        Operation::Regroup { .. } => "regroup".to_owned(),
    }
}
