//! Running nodes: from Python's items to one plan, through the engine, and back to Python objects.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use raskr_array::Expr;
use raskr_base::{TaskError, Value};
use raskr_exec::pool::{Encoded, Start};
use raskr_exec::{RunError, RunOptions, run_on_caller, start};
use raskr_graph::{Builder, Call, Input, Plan, PlanOptions, TaskRef, collections_under};

use crate::array::{PyExpr, output};
use crate::call::Known;
use crate::delayed::Delayed;
use crate::enter::{enter, guarded};
use crate::error::to_python;
use crate::interpreter::{Lock, Unpickle};
use crate::listen::Monitor;
use crate::node::{Node, call_key};
use crate::object::to_object;
use crate::processes::{Conditions, Processes};

/// How often a run that is waited for looks for Ctrl-C.
const POLL: Duration = Duration::from_millis(50);
/// How long an interrupted run may take to end its tasks before it is left to itself.
const GRACE: Duration = Duration::from_millis(100);
/// What the process has when a run starts (Python, modules, the program's own data) counts within the limit of memory, up
/// to this part of it: the rest is for values, however large the program is.
const OCCUPIED_PART: u64 = 4;

/// Adds one value to a graph and marks it as wanted.
pub fn add(builder: &mut Builder, input: &Input) -> Result<(), TaskError> {
    let task = match input {
        Input::Call(call) => builder.call(call)?,
        Input::Block(collection, index) => TaskRef { layer: builder.collection(collection)?, index: *index },
    };
    builder.output(task);
    Ok(())
}

/// Computes all items in one go; see the type stub.
#[pyfunction]
#[pyo3(signature = (
    items, *, scheduler="threads", num_workers=None, memory_limit=None, spill_directory=None, monitor=None,
    keep_blocks=false, children=None, chunksize=None
))]
#[allow(clippy::too_many_arguments)]
pub fn run(
    py: Python<'_>,
    items: Vec<Bound<'_, PyAny>>,
    scheduler: &str,
    num_workers: Option<usize>,
    memory_limit: Option<u64>,
    spill_directory: Option<PathBuf>,
    monitor: Option<Py<PyAny>>,
    keep_blocks: bool,
    children: Option<Children>,
    chunksize: Option<NonZeroUsize>,
) -> PyResult<Vec<Py<PyAny>>> {
    let threads = match scheduler {
        "sync" => 0,
        "threads" | "processes" => num_workers.map_or_else(available, |workers| workers.max(1)),
        other => return Err(PyValueError::new_err(format!("the engine has no scheduler {other:?}"))),
    };
    let items = items.iter().map(item_of).collect::<PyResult<Vec<Item>>>()?;
    let (plan, gathers) = enter(py, || {
        let mut builder = Builder::new();
        // Arrays come first and together, those that other values stand on too, so that what they share is computed once.
        let arrays: Vec<Arc<Expr>> = items.iter().filter_map(Item::array).collect();
        let found = collections_under(items.iter().filter_map(Item::value)).into_iter();
        let under: Vec<Arc<Expr>> = found.filter_map(|collection| collection.as_any().downcast().ok()).collect();
        let gathers = output::add(&mut builder, &arrays, &under, keep_blocks)?;
        for item in &items {
            if let Item::Value(input) = item {
                add(&mut builder, input)?;
            }
        }
        let plan = Plan::from_graph(builder.finish(), PlanOptions::default())
            .map_err(|error| TaskError::new(error.class(), error.to_string()))?;
        Ok((plan, gathers))
    })?;
    crate::allocator::set_up(memory_limit);
    let monitor = monitor.map(Monitor::new);
    let remote = children.map(|children| Arc::new(Processes::new(children.conditions(), threads)));
    let options = RunOptions {
        threads,
        memory_limit,
        occupied: memory_limit.map_or(0, |limit| raskr_exec::resident_bytes().min(limit / OCCUPIED_PART)),
        spill_directory,
        listener: monitor.clone().map(|monitor| monitor as Arc<dyn raskr_exec::Listener>),
        interpreter: Arc::new(Lock::new(py)?),
        codec: Arc::new(Unpickle),
        remote: remote.map(|remote| remote as Arc<dyn raskr_exec::Remote>),
        remote_tasks: chunksize.map(NonZeroUsize::get),
        ..RunOptions::default()
    };
    let outcome = if threads == 0 { on_caller(py, plan, options)? } else { on_threads(py, plan, options, &monitor)? };
    if let Some(error) = monitor.and_then(|monitor| monitor.take_failure()) {
        return Err(to_python(py, error));
    }
    let mut values = outcome.map_err(|error| to_python(py, error.into_task_error()))?.into_iter();
    let mut arrays = Vec::with_capacity(gathers.len());
    for gather in gathers {
        let own = values.by_ref().take(gather.count).collect();
        arrays.push(if keep_blocks { gather.kept(py, own)? } else { gather.result(py, own)? });
    }
    let mut arrays = arrays.into_iter();
    let missing = || to_python(py, TaskError::internal("a run yielded fewer values than were asked for"));
    items
        .iter()
        .map(|item| match item {
            Item::Array(_) => arrays.next().ok_or_else(missing),
            Item::Value(input) => {
                let value = values.next().ok_or_else(missing)?;
                if keep_blocks { kept(py, &value, input) } else { Ok(to_object(py, &value)?.unbind()) }
            }
        })
        .collect()
}

/// How child processes are started and set up, as `raskr.multiprocessing` says it: the program, its arguments, what it finds
/// in its environment, the pickled setup, and for what purpose.
#[derive(FromPyObject)]
pub struct Children(PathBuf, Vec<String>, Vec<(String, String)>, Vec<u8>, u64);

impl Children {
    fn conditions(self) -> Conditions {
        let purpose = self.4;
        let (start, setup) = self.start();
        Conditions { start, setup, purpose }
    }

    /// The program, and what it is told first.
    pub fn start(self) -> (Start, Encoded) {
        let Children(program, arguments, variables, setup, _) = self;
        let start = Start {
            program: program.into_os_string(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        };
        (start, Encoded::new(setup, Vec::new()))
    }
}

fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What a run is asked for.
enum Item {
    Value(Input),
    Array(Arc<Expr>),
}

impl Item {
    fn value(&self) -> Option<&Input> {
        match self {
            Item::Value(input) => Some(input),
            Item::Array(_) => None,
        }
    }

    fn array(&self) -> Option<Arc<Expr>> {
        match self {
            Item::Array(expr) => Some(Arc::clone(expr)),
            Item::Value(_) => None,
        }
    }
}

fn item_of(item: &Bound<'_, PyAny>) -> PyResult<Item> {
    if let Ok(expr) = item.cast::<PyExpr>() {
        return Ok(Item::Array(Arc::clone(expr.get().expr())));
    }
    if let Ok(delayed) = item.cast::<Delayed>() {
        return Ok(Item::Value(delayed.get().input(item.py())?));
    }
    match item.cast::<Node>() {
        Ok(node) => Ok(Item::Value(node.get().input().clone())),
        Err(_) => {
            Err(PyTypeError::new_err(format!("run takes nodes and array expressions, got {}", item.get_type().name()?)))
        }
    }
}

/// A node that holds a computed value under the key of the node it was computed from.
fn kept(py: Python<'_>, value: &Value, input: &Input) -> PyResult<Py<PyAny>> {
    let (name, key) = match input {
        Input::Call(call) => (call.op().name().to_owned(), call_key(py, call)?),
        Input::Block(..) => ("block".to_owned(), Node::of_input(input.clone()).key(py)?),
    };
    let call = Call::new(Arc::new(Known::new(name, value.clone())), Vec::new(), None);
    call.key_or_init(|| key);
    Ok(Py::new(py, Node::of_call(call))?.into_any())
}

type Outcome = Result<Vec<Value>, RunError>;

fn on_threads(py: Python<'_>, plan: Plan, options: RunOptions, monitor: &Option<Arc<Monitor>>) -> PyResult<Outcome> {
    let mut handle = py.detach(|| start(plan, options));
    loop {
        if let Some(outcome) = py.detach(|| handle.wait(Some(POLL))) {
            return Ok(outcome);
        }
        let interrupted = py.check_signals();
        if interrupted.is_err() || monitor.as_ref().is_some_and(|monitor| monitor.has_failed()) {
            handle.cancel();
            let ended = py.detach(|| handle.wait(Some(GRACE)));
            py.detach(|| handle.abandon());
            interrupted?;
            return Ok(ended.unwrap_or(Err(RunError::Cancelled)));
        }
    }
}

fn on_caller(py: Python<'_>, plan: Plan, options: RunOptions) -> PyResult<Outcome> {
    let mut raised = None;
    let outcome = py.detach(|| {
        let mut interrupted = || {
            raised = raised.take().or_else(|| Python::attach(|py| py.check_signals().err()));
            raised.is_some()
        };
        guarded(|| Ok(run_on_caller(plan, options, &mut interrupted)))
    });
    match (raised, outcome) {
        (Some(error), _) => Err(error),
        (None, Ok(outcome)) => Ok(outcome),
        (None, Err(error)) => Err(to_python(py, error)),
    }
}
