//! Array computations that travel to the workers of a cluster: not each task is sent, but the expressions, once.
//!
//! A client encodes the arrays of a compute (`raskr_array::encode`) and lowers what it encoded. A worker that gets the bytes
//! (a *body*) lowers them in the same way, and so has every task under its number: the place of its layer's first task among
//! those of all layers, and its place in the layer. Memory does not travel with the body: arrays of more than 64 KiB are cut
//! into blocks first, which are tasks whose values the client sends. Delayed calls are tasks of their own; the body knows
//! where they stand, not what they do.
//! Invariant: both sides lower alike, which a fingerprint of the layers, part of the body, is checked for.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use raskr_array::Expr;
use raskr_array::encode::{Beside, Held, Memory, Root, calls_of, decode, encode};
use raskr_array::lower::results::lower_results;
use raskr_array::ops::About;
use raskr_array::ops::arrange::StoredOp;
use raskr_array::ops::store::WholeOp;
use raskr_base::{Op, OpKind, TaskContext, TaskError, Value};
use raskr_graph::{Builder, Call, Graph, Input, Plan, PlanOptions, TaskRef, Token, TokenHasher, collections_under};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::array::encoded::{BesideCode, Objects};
use crate::array::output::BlockOp;
use crate::call::Sourced;
use crate::dictgraph::name_all;
use crate::enter::{enter, guarded};
use crate::error::from_python;
use crate::node::unique_number;
use crate::object::{dumps, loads};

/// Larger arrays are sent block by block, to whoever needs a block.
const MEMORY_BYTES_MAX: usize = 64 << 10;
/// The most blocks in memory that a body is believed to stand on.
const HELD_MAX: u64 = 1 << 27;

/// What a body is made of.
#[derive(Serialize, Deserialize)]
struct BodyBytes {
    /// Encoded roots: arrays, those that delayed values stand on, and arrays that a call puts together.
    expressions: ByteBuf,
    arrays: u32,
    under: u32,
    beside: BesideCode,
    /// Pickled: what `beside` refers to.
    objects: ByteBuf,
    /// Numbers of blocks in memory.
    held: Vec<u32>,
    calls: u32,
    extras: Vec<ExtraCode>,
    fingerprint: u128,
}

/// A native operation among the calls.
#[derive(Serialize, Deserialize)]
enum ExtraCode {
    Block(BlockOp),
    /// Puts the root with this number together.
    Whole(u32),
}

/// What a task of a plan is.
pub enum Work {
    /// Task `index` of the body.
    Native { index: u32 },
    /// A call of the interpreter's: `plan().op(id)`.
    Call,
    /// A value that is there already; is its key a name that a user gave, and not one that stands for what it holds?
    Data { value: Value, named: bool },
}

/// The tasks of a compute.
pub struct NativePlan {
    plan: Plan,
    body: Option<Vec<u8>>,
    /// What intermediate tasks are told apart by.
    token: u128,
    layers: Layers,
    /// Numbers of native operations among the calls, by the operation's address.
    extras: HashMap<usize, u32>,
    /// Those that yield blocks of arrays.
    blocks: HashSet<u32>,
    /// Where in the plan's outputs each array's begin.
    starts: Vec<usize>,
}

/// Where the tasks of each layer begin; those of the first, which holds the calls, are not counted.
struct Layers {
    starts: Vec<u32>,
}

impl Layers {
    fn of(graph: &Graph) -> Result<Layers, TaskError> {
        let mut starts = vec![0];
        let mut end = 0u32;
        for (number, layer) in graph.layers.iter().enumerate() {
            let many = if number == 0 { 0 } else { layer.len() };
            end = end.checked_add(many).ok_or_else(|| {
                TaskError::value(format!("the arrays have more than {} tasks: use larger chunks", u32::MAX))
            })?;
            starts.push(end);
        }
        Ok(Layers { starts })
    }

    fn index(&self, task: TaskRef) -> u32 {
        self.starts[task.layer.0 as usize] + task.index
    }

    fn total(&self) -> u32 {
        self.starts.last().copied().unwrap_or_default()
    }

    /// The layer of a task and its index there.
    fn find(&self, index: u32) -> Option<(usize, u32)> {
        if index >= self.total() {
            return None;
        }
        let layer = self.starts.partition_point(|start| *start <= index) - 1;
        Some((layer, index - self.starts[layer]))
    }
}

/// What two lowerings must have in common: names and numbers of tasks of all layers but that of calls, and the inputs of some.
fn fingerprint(graph: &Graph) -> u128 {
    let mut hasher = TokenHasher::new("layers");
    let mut inputs = Vec::new();
    for layer in graph.layers.iter().skip(1) {
        let many = layer.len();
        hasher.str(layer.name()).u64(u64::from(many));
        for index in [0, many / 2, many.saturating_sub(1)] {
            inputs.clear();
            if index < many {
                layer.inputs(index, &mut inputs);
            }
            hasher.list(inputs.len());
            for task in &inputs {
                let index = if task.layer.0 == 0 { 0 } else { task.index };
                hasher.u64(u64::from(task.layer.0)).u64(u64::from(index));
            }
        }
    }
    hasher.finish().0
}

/// What a native operation among the calls does, if it is one.
fn extra_of(op: &Arc<dyn Op>) -> Option<Extra<'_>> {
    let any = op.as_any()?;
    if let Some(block) = any.downcast_ref::<BlockOp>() {
        return Some(Extra::Block(block));
    }
    let whole = match any.downcast_ref::<Sourced>() {
        Some(sourced) => sourced.op().as_any()?.downcast_ref::<WholeOp>()?,
        None => any.downcast_ref::<WholeOp>()?,
    };
    Some(Extra::Whole(whole.about.expr()))
}

enum Extra<'o> {
    Block(&'o BlockOp),
    Whole(&'o Arc<Expr>),
}

/// What an operation is known by as long as somebody keeps it.
fn address(op: &Arc<dyn Op>) -> usize {
    Arc::as_ptr(op).cast::<()>() as usize
}

/// What the client and its workers do alike: the layers of arrays, those that values stand on made known to calls.
fn lower(arrays: &[Arc<Expr>], under: &[Arc<Expr>], builder: &mut Builder) -> Result<Vec<(TaskRef, u32)>, TaskError> {
    let lowered = lower_results(arrays, under, false, builder)?;
    Ok(lowered.into_iter().map(|one| (TaskRef { layer: one.layer, index: 0 }, one.tasks)).collect())
}

/// Everything that is done without the interpreter.
struct Prepared {
    plan: Plan,
    expressions: Vec<u8>,
    beside: Beside,
    extras: HashMap<usize, u32>,
    extra_codes: Vec<ExtraCode>,
    under: u32,
    starts: Vec<usize>,
    fingerprint: u128,
    layers: Layers,
}

fn prepare(arrays: &[Arc<Expr>], values: &[Input], waited_for: bool) -> Result<Prepared, TaskError> {
    let under: Vec<Arc<Expr>> = collections_under(values.iter())
        .into_iter()
        .filter_map(|collection| collection.as_any().downcast().ok())
        .collect();
    let standing = |input: &Input| match input {
        Input::Call(call) => call.stands_on_collections(),
        Input::Block(..) => true,
    };
    let mut roots: Vec<Root> = arrays.iter().chain(&under).map(|expr| Root::Array(Arc::clone(expr))).collect();
    roots.extend(values.iter().filter(|input| standing(input)).map(|input| Root::Value(input.clone())));
    let (mut extras, mut extra_codes) = (HashMap::new(), Vec::new());
    let calls = calls_of(&roots)?;
    // Of their keys the tokens of arrays are made.
    let inputs: Vec<Input> = calls.iter().cloned().map(Input::Call).collect();
    if !inputs.is_empty() {
        Python::attach(|py| name_all(py, &inputs).map_err(|error| from_python(py, error)))?;
    }
    for call in calls {
        let number = extra_codes.len() as u32;
        match extra_of(call.op()) {
            Some(Extra::Block(block)) => extra_codes.push(ExtraCode::Block(block.clone())),
            Some(Extra::Whole(expr)) => {
                extra_codes.push(ExtraCode::Whole(roots.len() as u32));
                roots.push(Root::Array(Arc::clone(expr)));
            }
            None => continue,
        }
        extras.insert(address(call.op()), number);
    }
    // Nobody looks for what is waited for by its name.
    let run = waited_for.then(unique_number);
    let (expressions, beside) = encode(&roots, Memory::AsBlocks { above: MEMORY_BYTES_MAX, run })?;
    let decoded = decode(&expressions, &beside)?;
    let exprs: Vec<Arc<Expr>> = decoded.iter().filter_map(array_of).collect();
    let (many, below) = (arrays.len(), under.len());
    let mut standing_values = decoded.into_iter().filter_map(|root| match root {
        Root::Value(input) => Some(input),
        Root::Array(_) => None,
    });
    let mut builder = Builder::new();
    let lowered = lower(&exprs[..many], &exprs[many..many + below], &mut builder)?;
    let mut starts = Vec::with_capacity(many);
    let mut outputs = 0;
    for (first, tasks) in lowered {
        starts.push(outputs);
        outputs += tasks as usize;
        (0..tasks).for_each(|index| builder.output(TaskRef { layer: first.layer, index }));
    }
    starts.push(outputs);
    for input in values {
        let own = if standing(input) { standing_values.next() } else { Some(input.clone()) };
        let own = own.ok_or_else(|| TaskError::internal("a value was not encoded"))?;
        crate::run::add(&mut builder, &own)?;
    }
    let graph = builder.finish();
    let (fingerprint, layers) = (fingerprint(&graph), Layers::of(&graph)?);
    let plan = Plan::from_graph(graph, PlanOptions::default())
        .map_err(|error| TaskError::new(error.class(), error.to_string()))?;
    let under = below as u32;
    Ok(Prepared { plan, expressions, beside, extras, extra_codes, under, starts, fingerprint, layers })
}

fn array_of(root: &Root) -> Option<Arc<Expr>> {
    match root {
        Root::Array(expr) => Some(Arc::clone(expr)),
        Root::Value(_) => None,
    }
}

impl NativePlan {
    /// The plan of arrays and of values that may stand on arrays, computed together. Where they are waited for, and let go
    /// then, large memory under them need not be hashed.
    pub fn new(py: Python<'_>, arrays: &[Arc<Expr>], values: &[Input], waited_for: bool) -> PyResult<NativePlan> {
        let prepared = enter(py, || prepare(arrays, values, waited_for))?;
        let Prepared { plan, expressions, beside, extras, extra_codes, under, starts, fingerprint, layers } = prepared;
        let native = layers.total() > 0 || !extra_codes.is_empty();
        let body = if native {
            let mut objects = Objects::new(py);
            let code = BesideCode::of(py, &beside, &mut objects)?;
            let held = beside.held.iter().map(|held| match held {
                Held::Blocks(blocks) => blocks.len() as u32,
                Held::Memory(_) => 1,
            });
            let bytes = BodyBytes {
                expressions: ByteBuf::from(expressions),
                arrays: arrays.len() as u32,
                under,
                beside: code,
                objects: ByteBuf::from(dumps(objects.list().as_any())?.as_bytes()),
                held: held.collect(),
                calls: beside.calls.len() as u32,
                extras: extra_codes,
                fingerprint,
            };
            let encoded = postcard::to_stdvec(&bytes);
            Some(encoded.map_err(|error| PyValueError::new_err(format!("arrays can't be encoded: {error}")))?)
        } else {
            None
        };
        let token = Token::of("body", |hasher| {
            hasher.bytes(body.as_deref().unwrap_or_default());
        });
        let blocks = starts.last().copied().unwrap_or_default();
        let blocks = plan.outputs()[..blocks].iter().copied().collect();
        Ok(NativePlan { plan, body, token: token.0, layers, extras, blocks, starts })
    }

    /// The tasks in the order in which they had best run. Ids are the plan's own.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn work(&self, id: u32) -> Work {
        let (task, op) = (self.plan.task(id), self.plan.op(id));
        if task.layer.0 == 0 {
            return match self.extras.get(&address(op)) {
                Some(number) => Work::Native { index: self.layers.total() + number },
                None => Work::Call,
            };
        }
        match self.stored(id) {
            Some(stored) => Work::Data {
                value: stored.blocks[task.index as usize].clone(),
                named: stored.about.expr().given_name().is_some(),
            },
            None => Work::Native { index: self.layers.index(task) },
        }
    }

    /// The task's key: for blocks of arrays their array's name and place, for intermediate results one that no other
    /// computation has. Equal arrays have equal keys, also within a plan.
    pub fn key(&self, id: u32) -> String {
        let task = self.plan.task(id);
        if task.layer.0 == 0 || self.blocks.contains(&id) || self.stored(id).is_some() {
            return self.plan.key(id);
        }
        format!("('{}-{:032x}', {}, {})", self.plan.layer_name(id), self.token, task.layer.0, task.index)
    }

    fn stored(&self, id: u32) -> Option<&StoredOp> {
        self.plan.op(id).as_any()?.downcast_ref()
    }

    /// The encoded expressions, where there are native tasks.
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// Where among the plan's outputs those of array `n` are.
    pub fn places_of_array(&self, n: usize) -> Range<usize> {
        self.starts[n]..self.starts[n + 1]
    }

    /// How many of the plan's outputs are blocks of arrays; those of values follow, one each.
    pub fn blocks(&self) -> usize {
        self.starts.last().copied().unwrap_or_default()
    }
}

/// What [`NativeBody::run`] is told of a task that takes inputs several times.
pub fn encoded_places(places: &[u32]) -> PyResult<Vec<u8>> {
    postcard::to_stdvec(places).map_err(|error| PyValueError::new_err(format!("a task can't be encoded: {error}")))
}

fn placed(inputs: Vec<Value>, places: &[u8]) -> Result<Vec<Value>, TaskError> {
    let damaged = |why: String| TaskError::internal(format!("the inputs of a task can't be read: {why}"));
    let places: Vec<u32> = postcard::from_bytes(places).map_err(|error| damaged(error.to_string()))?;
    places
        .into_iter()
        .map(|place| {
            let many = inputs.len();
            inputs.get(place as usize).cloned().ok_or_else(|| damaged(format!("input {place} of {many} is taken")))
        })
        .collect()
}

/// Stands for a call that is a task of its own.
struct Elsewhere;

impl Op for Elsewhere {
    fn name(&self) -> &str {
        "call"
    }

    fn run(&self, _context: &TaskContext<'_>, _inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        Err(TaskError::internal("a call was taken for a task of the arrays that stand on it"))
    }
}

/// The native tasks of a plan, as a worker has them.
pub struct NativeBody {
    graph: Graph,
    layers: Layers,
    extras: Vec<Arc<dyn Op>>,
}

impl NativeBody {
    /// The tasks of a body that [`NativePlan::body`] gave.
    pub fn decode(py: Python<'_>, bytes: &[u8]) -> PyResult<NativeBody> {
        let body: BodyBytes = postcard::from_bytes(bytes)
            .map_err(|error| PyValueError::new_err(format!("encoded arrays can't be read: {error}")))?;
        let held: u64 = body.held.iter().map(|many| u64::from(*many)).sum();
        let calls = body.calls;
        if held > HELD_MAX || u64::from(calls) > HELD_MAX {
            return Err(PyValueError::new_err(format!(
                "encoded arrays can't be read: they stand on {held} blocks and {calls} calls"
            )));
        }
        let objects = loads(py, &body.objects)?.cast_into::<PyList>()?;
        let mut beside = body.beside.beside(&objects)?;
        beside.held = body.held.iter().map(|many| Held::Blocks(vec![Value::Unit; *many as usize].into())).collect();
        let elsewhere: Arc<dyn Op> = Arc::new(Elsewhere);
        beside.calls = (0..calls).map(|_| Call::new(Arc::clone(&elsewhere), Vec::new(), None)).collect();
        let (expressions, counts) = (body.expressions, (body.arrays as usize, body.under as usize));
        let (extras, expected) = (body.extras, body.fingerprint);
        enter(py, move || {
            let roots = decode(&expressions, &beside)?;
            NativeBody::of(&roots, counts, extras, expected)
        })
    }

    fn of(
        roots: &[Root],
        (arrays, under): (usize, usize),
        extras: Vec<ExtraCode>,
        expected: u128,
    ) -> Result<NativeBody, TaskError> {
        let exprs: Vec<Arc<Expr>> = roots.iter().map_while(array_of).collect();
        let missing = || TaskError::value("encoded arrays can't be read: fewer arrays than they should be");
        let wanted = exprs.get(..arrays).ok_or_else(missing)?;
        let below = exprs.get(arrays..arrays + under).ok_or_else(missing)?;
        let mut builder = Builder::new();
        lower(wanted, below, &mut builder)?;
        let graph = builder.finish();
        if fingerprint(&graph) != expected {
            let layers: Vec<&str> = graph.layers.iter().skip(1).map(|layer| layer.name()).collect();
            return Err(TaskError::internal(format!(
                "this worker plans the arrays in another way than the client does, here in {} layers ({}): both need the \
                 same version of raskr",
                layers.len(),
                layers.join(", ")
            )));
        }
        let extras = extras
            .into_iter()
            .map(|code| -> Result<Arc<dyn Op>, TaskError> {
                Ok(match code {
                    ExtraCode::Block(block) => Arc::new(block),
                    ExtraCode::Whole(root) => {
                        let expr = roots.get(root as usize).and_then(array_of).ok_or_else(missing)?;
                        Arc::new(WholeOp { about: About::new(&expr, "-finalize") })
                    }
                })
            })
            .collect::<Result<_, _>>()?;
        let layers = Layers::of(&graph)?;
        Ok(NativeBody { graph, layers, extras })
    }

    fn find(&self, index: u32) -> Result<(&Arc<dyn Op>, u32), TaskError> {
        if let Some((layer, place)) = self.layers.find(index) {
            return Ok((self.graph.layers[layer].op(place), place));
        }
        let extra = self.extras.get((index - self.layers.total()) as usize);
        let unknown = || TaskError::internal(format!("task {index} is none of these arrays"));
        extra.map(|op| (op, 0)).ok_or_else(unknown)
    }

    pub fn op(&self, index: u32) -> Result<&Arc<dyn Op>, TaskError> {
        self.find(index).map(|(op, _)| op)
    }

    /// Does the task enter the interpreter?
    pub fn kind(&self, index: u32) -> Result<OpKind, TaskError> {
        self.op(index).map(|op| op.kind())
    }

    /// Does a task, on any thread. A task lists each of its inputs once: where its operation takes one several times, `places`
    /// says which of them each of the operation's inputs is. An error says where it happened.
    pub fn run(
        &self,
        index: u32,
        inputs: Vec<Value>,
        places: Option<&[u8]>,
        cancelled: &AtomicBool,
    ) -> Result<Value, TaskError> {
        let mut inputs = match places {
            Some(places) => placed(inputs, places)?,
            None => inputs,
        };
        let (op, place) = self.find(index)?;
        let context = TaskContext { index: place, cancelled, memory_limit: None };
        guarded(|| op.run(&context, &mut inputs)).map_err(|error| {
            let error = error.with_note(format!("in {}", op.describe(place)));
            match op.origin() {
                Some(origin) => error.with_note(format!("built at {origin}")),
                None => error,
            }
        })
    }
}
