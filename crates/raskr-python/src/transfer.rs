//! Pickling of lazy values: a list of calls, each after those it stands on, as plain Python objects.

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use raskr_base::Op;
use raskr_graph::{Annotations, Call, Input};
use smallvec::SmallVec;

use crate::call::{Callee, Function, Identity, Known, PyCall, Sourced};
use crate::cluster::{ClusterFuture, RemoteValue};
use crate::delayed::{Delayed, Leaf, State, new_attr, new_leaf};
use crate::dictgraph::Task;
use crate::node::{Node, call_key, shared};
use crate::object::{PyForeign, to_object};
use crate::origin::Origin;
use crate::template::{Arg, Build};

type Reduced = PyResult<(Py<PyAny>, Py<PyAny>)>;

/// `__reduce__` of a node.
pub fn reduce_node(py: Python<'_>, input: &Input) -> Reduced {
    let restore = rebuild(py, "restore_node")?;
    match input {
        Input::Call(call) => Ok((restore, (flatten(py, call)?,).into_py_any(py)?)),
        Input::Block(..) => Err(unmovable("a block of an array")),
    }
}

/// `__reduce__` of a lazy value.
pub fn reduce_delayed(slf: &Bound<'_, Delayed>) -> Reduced {
    let py = slf.py();
    let this = slf.get();
    let restore = rebuild(py, "restore_delayed")?;
    let state = match &this.state {
        State::Leaf(leaf) => {
            let pure = slf.getattr(intern!(py, "_pure"))?;
            ("leaf", leaf.object().clone_ref(py), this.key(py)?, pure, this.nout).into_py_any(py)?
        }
        State::Attr { owner, name, .. } => ("attr", owner, name, py.None(), py.None()).into_py_any(py)?,
        State::Value { input: Input::Call(call), key } => {
            let calls = flatten(py, call)?;
            ("value", calls, key.clone(), py.None(), this.nout).into_py_any(py)?
        }
        State::Value { input: Input::Block(..), .. } => return Err(unmovable("a block of an array")),
    };
    Ok((restore, state))
}

fn rebuild(py: Python<'_>, name: &str) -> PyResult<Py<PyAny>> {
    Ok(py.import("raskr._bridge")?.getattr("core")?.getattr(name)?.unbind())
}

fn unmovable(what: &str) -> PyErr {
    PyTypeError::new_err(format!("{what} can't be pickled as part of a lazy value: compute or persist it first"))
}

/// The calls below and including this one, inputs first. The last one's key is made, so that it stays the same.
fn flatten(py: Python<'_>, root: &Arc<Call>) -> PyResult<Py<PyList>> {
    call_key(py, root)?;
    let mut places: HashMap<*const Call, usize> = HashMap::new();
    let entries = PyList::empty(py);
    let mut path: Vec<(Arc<Call>, usize)> = vec![(Arc::clone(root), 0)];
    while let Some((current, visited)) = path.last_mut() {
        // What is made again from its source needs none of its inputs.
        let input = if source_of(current).is_some() { None } else { current.inputs().get(*visited) };
        if let Some(input) = input {
            *visited += 1;
            match input {
                Input::Call(needed) if !places.contains_key(&Arc::as_ptr(needed)) => {
                    let needed = Arc::clone(needed);
                    path.push((needed, 0));
                }
                Input::Call(_) => {}
                Input::Block(..) => return Err(unmovable("a block of an array")),
            }
            continue;
        }
        let Some((current, _)) = path.pop() else { break };
        let address = Arc::as_ptr(&current);
        if !places.contains_key(&address) {
            entries.append(entry(py, &current, &places)?)?;
            places.insert(address, places.len());
        }
    }
    Ok(entries.unbind())
}

fn source_of(call: &Call) -> Option<&Sourced> {
    call.op().as_any()?.downcast_ref::<Sourced>()
}

/// Can an operation be pickled: is it a call of Python's, or a value that is known?
pub fn is_movable(op: &Arc<dyn Op>) -> bool {
    op.as_any().is_some_and(|op| op.is::<PyCall>() || op.is::<Known>() || op.is::<Sourced>())
}

/// `__reduce__` of one operation, for a task that is sent to another process.
pub fn reduce_operation(
    py: Python<'_>,
    op: &Arc<dyn Op>,
    index: u32,
    annotations: Option<Arc<Annotations>>,
) -> Reduced {
    let call = Call::new(Arc::clone(op), Vec::new(), annotations);
    let entries = PyList::new(py, [entry(py, &call, &HashMap::new())?])?;
    Ok((rebuild(py, "restore_task")?, (entries, index).into_py_any(py)?))
}

/// Rebuilds a task that was sent.
#[pyfunction]
pub fn restore_task(calls: &Bound<'_, PyAny>, index: u32) -> PyResult<Task> {
    let call = unflatten(calls)?;
    Ok(Task::new(Arc::clone(call.op()), index, call.annotations().cloned()))
}

/// `(key, inputs, kind, name, function, pure, keywords, args, annotations)`.
fn entry(py: Python<'_>, call: &Call, places: &HashMap<*const Call, usize>) -> PyResult<Py<PyTuple>> {
    let inputs: Vec<usize> = call
        .inputs()
        .iter()
        .filter_map(|input| match input {
            Input::Call(needed) => places.get(&Arc::as_ptr(needed)).copied(),
            Input::Block(..) => None,
        })
        .collect();
    let op = call.op().as_any();
    let name = call.op().name().to_owned();
    let annotations = call.annotations().map(|found| {
        let Annotations { priority, retries, workers, allow_other_workers, resources } = found.as_ref();
        (*priority, *retries, workers.clone(), *allow_other_workers, resources.clone())
    });
    if let Some(sourced) = source_of(call) {
        let source = sourced.source().clone_ref(py);
        let none: Vec<usize> = Vec::new();
        let fields = (call.key(), none, "source", name, source, false, py.None(), py.None(), annotations);
        return Ok(fields.into_pyobject(py)?.unbind());
    }
    if let Some(remote) = RemoteValue::of(call.op().as_ref()) {
        let Some(future) = remote.pickled(py)? else { return Err(unmovable(&name)) };
        let fields = (call.key(), inputs, "future", name, future, false, py.None(), py.None(), annotations);
        return Ok(fields.into_pyobject(py)?.unbind());
    }
    if let Some(known) = op.and_then(|op| op.downcast_ref::<Known>()) {
        let value = to_object(py, known.value())?;
        let fields = (call.key(), inputs, "known", name, value, false, py.None(), py.None(), annotations);
        return Ok(fields.into_pyobject(py)?.unbind());
    }
    let Some(op) = op.and_then(|op| op.downcast_ref::<PyCall>()) else { return Err(unmovable(&name)) };
    let (kind, function) = match &op.callee {
        Callee::Function(function) => ("function", function.object().clone_ref(py)),
        Callee::Value(value, _) => ("value", encode(py, value)?),
        Callee::Method(method, _) => ("method", method.clone_ref(py).into_any()),
        Callee::Identity(_) => ("identity", py.None()),
    };
    let pure = matches!(op.identity, Identity::Pure);
    let args = op.args.iter().map(|arg| encode(py, arg)).collect::<PyResult<Vec<_>>>()?;
    let keywords = op.keywords.as_ref().map(|names| names.clone_ref(py));
    let fields = (call.key(), inputs, kind, name, function, pure, keywords, args, annotations);
    Ok(fields.into_pyobject(py)?.unbind())
}

fn encode_all(py: Python<'_>, args: &[Arg]) -> PyResult<Vec<Py<PyAny>>> {
    args.iter().map(|arg| encode(py, arg)).collect()
}

fn encode(py: Python<'_>, arg: &Arg) -> PyResult<Py<PyAny>> {
    match arg {
        Arg::Input(position) => ("input", *position).into_py_any(py),
        Arg::Constant(object) => ("constant", object).into_py_any(py),
        Arg::Build(build) => match build.as_ref() {
            Build::List(items) => ("list", encode_all(py, items)?).into_py_any(py),
            Build::Tuple(items) => ("tuple", encode_all(py, items)?).into_py_any(py),
            Build::Set(items) => ("set", encode_all(py, items)?).into_py_any(py),
            Build::Slice(items) => ("slice", encode_all(py, items)?).into_py_any(py),
            Build::Dict(items) => {
                let items = items
                    .iter()
                    .map(|(key, value)| Ok((encode(py, key)?, encode(py, value)?)))
                    .collect::<PyResult<Vec<_>>>()?;
                ("dict", items).into_py_any(py)
            }
            Build::Call { function, args, keywords } => {
                let keywords = keywords
                    .iter()
                    .map(|(name, value)| Ok((name.clone_ref(py), encode(py, value)?)))
                    .collect::<PyResult<Vec<_>>>()?;
                ("call", (encode(py, function)?, encode_all(py, args)?, keywords)).into_py_any(py)
            }
        },
    }
}

fn decode_all(items: &Bound<'_, PyAny>) -> PyResult<Vec<Arg>> {
    items.try_iter()?.map(|item| decode(&item?)).collect()
}

fn decode(object: &Bound<'_, PyAny>) -> PyResult<Arg> {
    let (kind, content): (String, Bound<'_, PyAny>) = object.extract()?;
    let build = match kind.as_str() {
        "input" => return Ok(Arg::Input(content.extract()?)),
        "constant" => return Ok(Arg::Constant(content.unbind())),
        "list" => Build::List(decode_all(&content)?),
        "tuple" => Build::Tuple(decode_all(&content)?),
        "set" => Build::Set(decode_all(&content)?),
        "slice" => {
            let parts = decode_all(&content)?;
            Build::Slice(parts.try_into().map_err(|_| PyValueError::new_err("a slice has three parts"))?)
        }
        "dict" => {
            let decoded = |item: PyResult<Bound<'_, PyAny>>| {
                let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
                Ok((decode(&key)?, decode(&value)?))
            };
            Build::Dict(content.try_iter()?.map(decoded).collect::<PyResult<_>>()?)
        }
        "call" => {
            let (function, args, keywords): (
                Bound<'_, PyAny>,
                Bound<'_, PyAny>,
                Vec<(Py<PyString>, Bound<'_, PyAny>)>,
            ) = content.extract()?;
            let keywords =
                keywords.into_iter().map(|(name, value)| Ok((name, decode(&value)?))).collect::<PyResult<_>>()?;
            Build::Call { function: decode(&function)?, args: decode_all(&args)?, keywords }
        }
        other => return Err(PyValueError::new_err(format!("no argument is of the kind {other:?}"))),
    };
    Ok(Arg::Build(Box::new(build)))
}

type Entry<'py> = (
    Option<String>,
    Vec<usize>,
    String,
    String,
    Bound<'py, PyAny>,
    bool,
    Option<Py<PyTuple>>,
    Bound<'py, PyAny>,
    Option<(i64, u32, Vec<String>, bool, Vec<(String, u64)>)>,
);

/// The call that [`flatten`] made the list of.
fn unflatten(entries: &Bound<'_, PyAny>) -> PyResult<Arc<Call>> {
    let mut calls: Vec<Arc<Call>> = Vec::new();
    for entry in entries.try_iter()? {
        let (key, inputs, kind, name, function, pure, keywords, args, annotations): Entry<'_> = entry?.extract()?;
        let inputs = inputs
            .into_iter()
            .map(|place| {
                let needed =
                    calls.get(place).ok_or_else(|| PyValueError::new_err("an input is listed before its call"))?;
                Ok(Input::Call(Arc::clone(needed)))
            })
            .collect::<PyResult<Vec<_>>>()?;
        let annotations = annotations.map(|(priority, retries, workers, allow_other_workers, resources)| {
            Arc::new(Annotations { priority, retries, workers, allow_other_workers, resources })
        });
        let call = if kind == "future" {
            match function.cast::<ClusterFuture>()?.get().input(function.py()) {
                Input::Call(call) => call,
                Input::Block(..) => return Err(PyValueError::new_err("the value of a future is no block")),
            }
        } else if kind == "source" {
            let node = function.call_method0("node")?;
            sourced(node.cast::<Node>()?.get(), function, key.clone().unwrap_or_default())?
        } else if kind == "known" {
            Call::new(Arc::new(Known::new(name, PyForeign::value(function))), inputs, annotations)
        } else {
            let callee = match kind.as_str() {
                "function" => Callee::Function(Arc::new(Function::named(function.unbind(), name))),
                "value" => Callee::Value(decode(&function)?, "apply"),
                "method" => Callee::Method(function.cast_into::<PyString>()?.unbind(), name),
                _ => Callee::Identity(name),
            };
            let args: SmallVec<[Arg; 2]> = decode_all(&args)?.into();
            let identity = if pure { Identity::Pure } else { Identity::Unique };
            let op = PyCall { callee, args, keywords, identity, origin: Origin::unknown() };
            Call::new(Arc::new(op), inputs, annotations)
        };
        if let Some(key) = key {
            call.key_or_init(|| key);
        }
        calls.push(call);
    }
    calls.pop().ok_or_else(|| PyValueError::new_err("a node needs at least one call"))
}

/// Rebuilds a pickled node.
#[pyfunction]
pub fn restore_node(calls: &Bound<'_, PyAny>) -> PyResult<Node> {
    Ok(Node::of_call(unflatten(calls)?))
}

/// Rebuilds a pickled lazy value.
#[pyfunction]
pub fn restore_delayed(
    kind: &str,
    content: &Bound<'_, PyAny>,
    name: &Bound<'_, PyAny>,
    pure: Option<bool>,
    nout: Option<usize>,
) -> PyResult<Py<PyAny>> {
    let py = content.py();
    match kind {
        "leaf" => new_leaf(py, Leaf::new(content.clone().unbind(), pure, Some(name.extract()?)), nout),
        "attr" => {
            let owner = content.cast::<Delayed>()?.clone().unbind();
            new_attr(py, owner, name.cast::<PyString>()?.clone().unbind())
        }
        _ => {
            let input = Input::Call(unflatten(content)?);
            Ok(Py::new(py, Delayed::of_input(input, name.extract()?, nout))?.into_any())
        }
    }
}

/// A node under a key of its own, that can be made again from an object whose method `node` gives it.
#[pyfunction]
pub fn node_of_source(node: &Node, source: Bound<'_, PyAny>, key: String) -> PyResult<Node> {
    Ok(Node::of_call(sourced(node, source, key)?))
}

/// Equal sources share one call, so that what stands on the same array finds it put together already.
fn sourced(node: &Node, source: Bound<'_, PyAny>, key: String) -> PyResult<Arc<Call>> {
    let Input::Call(call) = node.input() else { return Err(unmovable("a block of an array")) };
    let op = Sourced::new(Arc::clone(call.op()), source.unbind());
    Ok(shared(&key, Call::new(Arc::new(op), call.inputs().to_vec(), None)))
}

/// A node that holds a value which is known already.
#[pyfunction]
#[pyo3(signature = (value, key=None, name="value"))]
pub fn node_of_value(value: Bound<'_, PyAny>, key: Option<String>, name: &str) -> Node {
    let call = Call::new(Arc::new(Known::new(name.to_owned(), PyForeign::value(value))), Vec::new(), None);
    if let Some(key) = key {
        call.key_or_init(|| key);
    }
    Node::of_call(call)
}

/// A node that calls `function(*args, **kwargs)`; nodes and lazy values in the arguments are computed first.
#[pyfunction]
#[pyo3(signature = (function, args, kwargs=None, key=None, name=None))]
pub fn node_of_call(
    function: &Bound<'_, PyAny>,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
    key: Option<String>,
    name: Option<String>,
) -> PyResult<Node> {
    let py = function.py();
    let mut scan = crate::template::Scan::default();
    let mut list: SmallVec<[Arg; 2]> = SmallVec::new();
    for arg in args.iter_borrowed() {
        list.push(scan.arg(&arg)?);
    }
    let mut names = Vec::new();
    for (name, value) in kwargs.iter().flat_map(|kwargs| kwargs.iter()) {
        names.push(name);
        list.push(scan.arg(&value)?);
    }
    let function = function.clone().unbind();
    let function = match name {
        Some(name) => Function::named(function, name),
        None => Function::new(function),
    };
    let op = PyCall {
        callee: Callee::Function(Arc::new(function)),
        args: list,
        keywords: if names.is_empty() { None } else { Some(PyTuple::new(py, names)?.unbind()) },
        identity: Identity::Unique,
        origin: Origin::here(py),
    };
    let call = Call::new(Arc::new(op), scan.inputs, crate::node::current_annotations(py)?);
    if let Some(key) = key {
        call.key_or_init(|| key);
    }
    Ok(Node::of_call(call))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(restore_node, module)?)?;
    module.add_function(wrap_pyfunction!(restore_task, module)?)?;
    module.add_function(wrap_pyfunction!(restore_delayed, module)?)?;
    module.add_function(wrap_pyfunction!(node_of_source, module)?)?;
    module.add_function(wrap_pyfunction!(node_of_value, module)?)?;
    module.add_function(wrap_pyfunction!(node_of_call, module)?)
}
