//! Task graphs as mappings, both ways: raw graphs of users become calls, and nodes become mappings for other schedulers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyKeyError, PyRecursionError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyString, PyTuple};
use raskr_base::{Op, OpKind, TaskContext, TaskError, Value};
use raskr_graph::{Annotations, Builder, Call, Input, Plan, PlanOptions};
use smallvec::SmallVec;

use crate::call::{Callee, Function, Identity, Known, PyCall};
use crate::cluster::ClusterFuture;
use crate::delayed::Delayed;
use crate::enter::enter;
use crate::node::{Node, call_key};
use crate::object::{PyForeign, to_object};
use crate::origin::Origin;
use crate::run::add;
use crate::template::{Arg, Build};

/// Tasks within the arguments of a task may be nested this deep.
const DEPTH_MAX: usize = 400;

/// What a key of the mapping stands for, as far as it was read.
enum Entry {
    /// Being read: met again before it is done, it is part of a cycle.
    Open,
    Done(Arc<Call>),
}

struct Reader<'py> {
    dsk: Bound<'py, PyDict>,
    /// Place in `entries`, by key.
    places: Bound<'py, PyDict>,
    entries: Vec<Entry>,
    names: Bound<'py, PyDict>,
    /// Annotations of keys that have some of their own.
    annotations: Option<Bound<'py, PyDict>>,
}

/// One key being read, with the keys that it needs.
struct Frame<'py> {
    key: Bound<'py, PyAny>,
    task: Bound<'py, PyAny>,
    place: usize,
    needs: Vec<Bound<'py, PyAny>>,
    next: usize,
}

/// The nodes of some keys of a raw graph, and the keys by the names that their tasks go under.
#[pyfunction]
#[pyo3(signature = (dsk, keys, annotations=None))]
pub fn nodes_of_graph<'py>(
    dsk: &Bound<'py, PyAny>,
    keys: Vec<Bound<'py, PyAny>>,
    annotations: Option<Bound<'py, PyDict>>,
) -> PyResult<(Vec<Node>, Bound<'py, PyDict>)> {
    let py = dsk.py();
    let dsk = match dsk.cast_exact::<PyDict>() {
        Ok(dict) => dict.clone(),
        Err(_) => py.get_type::<PyDict>().call1((dsk,))?.cast_into()?,
    };
    let mut reader = Reader { dsk, places: PyDict::new(py), entries: Vec::new(), names: PyDict::new(py), annotations };
    let mut nodes = Vec::with_capacity(keys.len());
    for key in keys {
        let call = reader.read(&key)?;
        nodes.push(Node::of_call(call));
    }
    Ok((nodes, reader.names))
}

impl<'py> Reader<'py> {
    fn py(&self) -> Python<'py> {
        self.dsk.py()
    }

    /// The call of a key, after those it needs; a long chain must not recurse.
    fn read(&mut self, key: &Bound<'py, PyAny>) -> PyResult<Arc<Call>> {
        let mut path: Vec<Frame<'py>> = Vec::new();
        if self.place(key)?.is_none() {
            path.push(self.open(key)?);
        }
        while let Some(frame) = path.last_mut() {
            if let Some(needed) = frame.needs.get(frame.next).cloned() {
                frame.next += 1;
                match self.place(&needed)? {
                    None => {
                        let opened = self.open(&needed)?;
                        path.push(opened);
                    }
                    Some(place) if matches!(self.entries[place], Entry::Open) => {
                        return Err(cycle(&path, &needed));
                    }
                    Some(_) => {}
                }
                continue;
            }
            if let Some(frame) = path.pop() {
                let call = self.call(&frame.key, &frame.task)?;
                self.entries[frame.place] = Entry::Done(call);
            }
        }
        self.done(key)
    }

    fn place(&self, key: &Bound<'py, PyAny>) -> PyResult<Option<usize>> {
        self.places.get_item(key)?.map(|place| place.extract()).transpose()
    }

    fn done(&self, key: &Bound<'py, PyAny>) -> PyResult<Arc<Call>> {
        match self.place(key)?.map(|place| &self.entries[place]) {
            Some(Entry::Done(call)) => Ok(Arc::clone(call)),
            _ => Err(PyKeyError::new_err(key.clone().unbind())),
        }
    }

    fn open(&mut self, key: &Bound<'py, PyAny>) -> PyResult<Frame<'py>> {
        let Some(task) = self.dsk.get_item(key)? else { return Err(PyKeyError::new_err(key.clone().unbind())) };
        let place = self.entries.len();
        self.entries.push(Entry::Open);
        self.places.set_item(key, place)?;
        let mut needs = Vec::new();
        self.collect(&task, &mut needs, 0)?;
        Ok(Frame { key: key.clone(), task, place, needs, next: 0 })
    }

    /// Is this a key of the graph?
    fn is_key(&self, object: &Bound<'py, PyAny>) -> bool {
        if object.is_exact_instance_of::<PyList>() || object.is_exact_instance_of::<PyDict>() {
            return false;
        }
        // What can't be hashed is no key.
        self.dsk.contains(object).unwrap_or(false)
    }

    /// The keys that a task needs.
    fn collect(&self, object: &Bound<'py, PyAny>, needs: &mut Vec<Bound<'py, PyAny>>, depth: usize) -> PyResult<()> {
        if depth > DEPTH_MAX {
            return Err(PyRecursionError::new_err(format!("a task is nested deeper than {DEPTH_MAX} levels")));
        }
        if let Some(dependencies) = dependencies_of(object)? {
            needs.extend(dependencies);
            return Ok(());
        }
        if is_task(object) {
            let task = object.cast_exact::<PyTuple>()?;
            for arg in task.iter().skip(1) {
                self.collect(&arg, needs, depth + 1)?;
            }
        } else if self.is_key(object) {
            needs.push(object.clone());
        } else if is_sequence(object) {
            for item in object.try_iter()? {
                self.collect(&item?, needs, depth + 1)?;
            }
        }
        Ok(())
    }

    fn call(&self, key: &Bound<'py, PyAny>, task: &Bound<'py, PyAny>) -> PyResult<Arc<Call>> {
        let py = self.py();
        let name = key.str()?.to_string();
        self.names.set_item(&name, key)?;
        let label = name_of_key(key, &name);
        let mut inputs: Vec<Input> = Vec::new();
        if !is_task(task) && dependencies_of(task)?.is_none() && self.is_key(task) {
            // Another name for a key that has been read.
            return self.done(task);
        }
        let arg = self.arg(task, &mut inputs)?;
        let mut own = None;
        let op: Arc<dyn Op> = match arg {
            Arg::Input(place) if future_of(task).is_some() => {
                // The value of a future is under its own key.
                let Some(Input::Call(call)) = inputs.into_iter().nth(place as usize) else {
                    return Err(PyKeyError::new_err(key.clone().unbind()));
                };
                return Ok(call);
            }
            Arg::Constant(object) => Arc::new(Known::new(label, PyForeign::value(object.into_bound(py)))),
            Arg::Build(build) => match *build {
                Build::Call { function: Arg::Constant(function), args, keywords } if keywords.is_empty() => {
                    own = function.bind(py).cast::<Task>().ok().and_then(|task| task.get().annotations.clone());
                    operation(py, function, args, label)
                }
                build => Arc::new(PyCall::identity(Arg::Build(Box::new(build)), label, Origin::unknown())),
            },
            input => Arc::new(PyCall::identity(input, label, Origin::unknown())),
        };
        if let Some(found) =
            self.annotations.as_ref().map(|annotations| annotations.get_item(key)).transpose()?.flatten()
        {
            own = crate::node::annotations_of(&found)?;
        } else if own.is_none() {
            own = crate::node::current_annotations(py)?;
        }
        let call = Call::new(op, inputs, own);
        call.key_or_init(|| name);
        Ok(call)
    }

    fn input(&self, key: &Bound<'py, PyAny>, inputs: &mut Vec<Input>) -> PyResult<Arg> {
        inputs.push(Input::Call(self.done(key)?));
        Ok(Arg::Input(inputs.len() as u32 - 1))
    }

    fn arg(&self, object: &Bound<'py, PyAny>, inputs: &mut Vec<Input>) -> PyResult<Arg> {
        if let Some(dependencies) = dependencies_of(object)? {
            let mut values = Vec::with_capacity(dependencies.len());
            for key in dependencies {
                let value = self.input(&key, inputs)?;
                values.push((Arg::Constant(key.unbind()), value));
            }
            let args = vec![Arg::Build(Box::new(Build::Dict(values)))];
            let function = Arg::Constant(object.clone().unbind());
            return Ok(Arg::Build(Box::new(Build::Call { function, args, keywords: Vec::new() })));
        }
        if is_task(object) {
            let task = object.cast_exact::<PyTuple>()?;
            let args = task.iter().skip(1).map(|arg| self.arg(&arg, inputs)).collect::<PyResult<Vec<_>>>()?;
            let function = Arg::Constant(task.get_item(0)?.unbind());
            return Ok(Arg::Build(Box::new(Build::Call { function, args, keywords: Vec::new() })));
        }
        if self.is_key(object) {
            return self.input(object, inputs);
        }
        if let Some(input) = future_of(object) {
            inputs.push(input);
            return Ok(Arg::Input(inputs.len() as u32 - 1));
        }
        if !is_sequence(object) {
            return Ok(Arg::Constant(object.clone().unbind()));
        }
        let before = inputs.len();
        let items = object.try_iter()?.map(|item| self.arg(&item?, inputs)).collect::<PyResult<Vec<_>>>()?;
        if inputs.len() == before && items.iter().all(|item| matches!(item, Arg::Constant(_))) {
            return Ok(Arg::Constant(object.clone().unbind()));
        }
        Ok(Arg::Build(Box::new(if object.is_exact_instance_of::<PyList>() {
            Build::List(items)
        } else if object.is_exact_instance_of::<PyTuple>() {
            Build::Tuple(items)
        } else {
            Build::Set(items)
        })))
    }
}

/// What a task of a raw graph runs. A task of the engine's own is no function that has to be called: its operation is known.
fn operation(py: Python<'_>, function: Py<PyAny>, args: Vec<Arg>, label: String) -> Arc<dyn Op> {
    let task = function.bind(py).cast::<Task>().ok().map(|task| Arc::clone(&task.get().op));
    let interpreted =
        task.as_ref().is_some_and(|op| op.as_any().is_some_and(|op| op.is::<PyCall>() || op.is::<Known>()));
    let in_order = || args.iter().zip(0..).all(|(arg, place)| matches!(arg, Arg::Input(input) if *input == place));
    let function = match task {
        Some(op) if interpreted && in_order() => return op,
        Some(_) if !interpreted => Function::staying(function, label),
        _ => Function::named(function, label),
    };
    Arc::new(PyCall {
        callee: Callee::Function(Arc::new(function)),
        args: SmallVec::from_vec(args),
        keywords: None,
        identity: Identity::Unique,
        origin: Origin::unknown(),
    })
}

/// The value of a future as an input.
fn future_of(object: &Bound<'_, PyAny>) -> Option<Input> {
    object.cast::<ClusterFuture>().ok().map(|future| future.get().input(object.py()))
}

fn is_sequence(object: &Bound<'_, PyAny>) -> bool {
    object.is_exact_instance_of::<PyList>()
        || object.is_exact_instance_of::<PyTuple>()
        || object.is_exact_instance_of::<PySet>()
}

/// A tuple whose first item can be called.
fn is_task(object: &Bound<'_, PyAny>) -> bool {
    object.cast_exact::<PyTuple>().is_ok_and(|tuple| tuple.get_item(0).is_ok_and(|first| first.is_callable()))
}

/// The keys that a task object of Dask's newer kind asks for; `None` for anything else.
fn dependencies_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
    let py = object.py();
    if is_sequence(object)
        || object.is_exact_instance_of::<PyString>()
        || object.is_exact_instance_of::<pyo3::types::PyInt>()
    {
        return Ok(None);
    }
    let kind = object.get_type();
    if !(kind.hasattr(intern!(py, "dependencies"))?
        && kind.hasattr(intern!(py, "__dask_tokenize__"))?
        && object.is_callable())
    {
        return Ok(None);
    }
    let dependencies = object.getattr(intern!(py, "dependencies"))?;
    Ok(Some(dependencies.try_iter()?.collect::<PyResult<_>>()?))
}

/// `sum` for `('sum-1234', 0, 1)`, by the rule that users see names split with.
fn name_of_key(key: &Bound<'_, PyAny>, text: &str) -> String {
    let py = key.py();
    crate::hooks::hook(py, "key_split")
        .and_then(|split| split.call1((key,))?.extract())
        .unwrap_or_else(|_| text.to_owned())
}

fn cycle(path: &[Frame<'_>], again: &Bound<'_, PyAny>) -> PyErr {
    let start = path.iter().position(|frame| frame.key.eq(again).unwrap_or(false)).unwrap_or(0);
    let mut text = "Cycle detected between the following keys:".to_owned();
    for key in path[start..].iter().map(|frame| &frame.key).chain([again]) {
        text += &format!("\n  -> {key}");
    }
    PyRuntimeError::new_err(text)
}

/// One task of a plan as a function of its inputs' values, for schedulers other than raskr's own.
#[pyclass(frozen, module = "raskr._core")]
pub struct Task {
    op: Arc<dyn Op>,
    index: u32,
    annotations: Option<Arc<Annotations>>,
}

#[pymethods]
impl Task {
    #[pyo3(signature = (*values))]
    fn __call__(&self, py: Python<'_>, values: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        let native = self.op.kind() == OpKind::Native;
        let mut inputs = values
            .iter()
            .map(|value| if native { crate::array::native_value(value) } else { Ok(PyForeign::value(value)) })
            .collect::<PyResult<Vec<Value>>>()?;
        let cancelled = AtomicBool::new(false);
        let context = TaskContext { index: self.index, cancelled: &cancelled, memory_limit: None };
        let value = enter(py, || self.op.run(&context, &mut inputs))?;
        Ok(to_object(py, &value)?.unbind())
    }

    fn __repr__(&self) -> String {
        format!("<Task {}>", self.op.describe(self.index))
    }

    /// Whether the task runs without the interpreter.
    #[getter]
    fn native(&self) -> bool {
        self.op.kind() == OpKind::Native
    }

    /// Whether the task can be pickled.
    #[getter]
    fn movable(&self) -> bool {
        crate::transfer::is_movable(&self.op)
    }

    #[getter]
    fn name(&self) -> &str {
        self.op.name()
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<(Py<PyAny>, Py<PyAny>)> {
        let py = slf.py();
        let this = slf.get();
        crate::transfer::reduce_operation(py, &this.op, this.index, this.annotations.clone())
    }
}

impl Task {
    pub fn new(op: Arc<dyn Op>, index: u32, annotations: Option<Arc<Annotations>>) -> Task {
        Task { op, index, annotations }
    }
}

pub fn input_of(item: &Bound<'_, PyAny>) -> PyResult<Input> {
    if let Ok(delayed) = item.cast::<Delayed>() {
        return delayed.get().input(item.py());
    }
    Ok(item.cast::<Node>()?.get().input().clone())
}

/// The plan of nodes, each call under a key that it keeps.
pub fn plan_of(py: Python<'_>, items: &[Bound<'_, PyAny>]) -> PyResult<Plan> {
    let inputs = items.iter().map(input_of).collect::<PyResult<Vec<Input>>>()?;
    name_all(py, &inputs)?;
    enter(py, || {
        let mut builder = Builder::new();
        for input in &inputs {
            add(&mut builder, input)?;
        }
        Plan::from_graph(builder.finish(), PlanOptions::default())
            .map_err(|error| TaskError::new(error.class(), error.to_string()))
    })
}

/// The tasks that items need, as `{key: (task, *keys of its inputs)}`, and the key of each item.
#[pyfunction]
pub fn graph_of<'py>(py: Python<'py>, items: Vec<Bound<'py, PyAny>>) -> PyResult<(Bound<'py, PyDict>, Vec<String>)> {
    let plan = plan_of(py, &items)?;
    let keys = different_keys(&plan, |task| plan.key(task));
    let graph = PyDict::new(py);
    for task in 0..plan.len() as u32 {
        let annotations = plan.annotations(task).cloned();
        let function = Task::new(Arc::clone(plan.op(task)), plan.task(task).index, annotations).into_py_any(py)?;
        let mut fields = vec![function];
        for &input in plan.inputs(task) {
            fields.push(keys[input as usize].as_str().into_py_any(py)?);
        }
        graph.set_item(&keys[task as usize], PyTuple::new(py, fields)?)?;
    }
    Ok((graph, plan.outputs().iter().map(|&task| keys[task as usize].clone()).collect()))
}

/// The keys of a plan's tasks. An array over somebody's graph may have blocks of the same name as the tasks that they are
/// made of; outputs keep their keys then, and others get a number.
pub fn different_keys(plan: &Plan, key_of: impl Fn(u32) -> String) -> Vec<String> {
    let mut keys = vec![String::new(); plan.len()];
    let mut named = vec![false; plan.len()];
    let mut uses: HashMap<String, u32> = HashMap::new();
    for task in plan.outputs().iter().copied().chain(0..plan.len() as u32) {
        let place = task as usize;
        if std::mem::replace(&mut named[place], true) {
            continue;
        }
        let key = key_of(task);
        let count = uses.entry(key.clone()).or_default();
        *count += 1;
        keys[place] = if *count == 1 { key } else { format!("{key}-{}", *count - 1) };
    }
    keys
}

/// Makes the keys of all calls below, so that they are the same in every graph they are part of.
pub fn name_all(py: Python<'_>, inputs: &[Input]) -> PyResult<()> {
    let mut seen = std::collections::HashSet::new();
    let mut waiting: Vec<Arc<Call>> = Vec::new();
    let calls = |inputs: &[Input], waiting: &mut Vec<Arc<Call>>| {
        waiting.extend(inputs.iter().filter_map(|input| match input {
            Input::Call(call) => Some(Arc::clone(call)),
            Input::Block(..) => None,
        }));
    };
    calls(inputs, &mut waiting);
    while let Some(call) = waiting.pop() {
        if seen.insert(Arc::as_ptr(&call)) {
            call_key(py, &call)?;
            calls(call.inputs(), &mut waiting);
        }
    }
    Ok(())
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Task>()?;
    module.add_function(wrap_pyfunction!(nodes_of_graph, module)?)?;
    module.add_function(wrap_pyfunction!(graph_of, module)?)
}
