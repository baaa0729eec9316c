//! `Delayed`: lazy Python objects and calls of them. Its methods that are written in Python are put on by
//! `raskr.delayed`; what every call goes through is here.

use std::sync::{Arc, OnceLock};

use pyo3::exceptions::{PyAttributeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyString, PyTuple};
use raskr_graph::{Call, Input};
use smallvec::SmallVec;

use crate::call::{Callee, Function, Identity, PyCall};
use crate::hooks::hook;
use crate::node::{Node, call_key, current_annotations, shared, unique};
use crate::origin::Origin;
use crate::settings::delayed_pure;
use crate::template::{Arg, Scan};

/// A lazy value.
#[pyclass(subclass, frozen, module = "raskr.delayed", weakref)]
pub struct Delayed {
    pub state: State,
    /// How many values it is known to consist of.
    pub nout: Option<usize>,
}

/// A lazy object that is known already, such as a function that was decorated.
#[pyclass(extends = Delayed, frozen, module = "raskr.delayed")]
pub struct DelayedLeaf;

/// An attribute of a lazy value.
#[pyclass(extends = Delayed, frozen, module = "raskr.delayed")]
pub struct DelayedAttr;

pub enum State {
    Leaf(Leaf),
    /// The key is that of a block; calls know their own.
    Value {
        input: Input,
        key: Option<String>,
    },
    Attr {
        owner: Py<Delayed>,
        name: Py<PyString>,
        call: OnceLock<Arc<Call>>,
    },
}

pub struct Leaf {
    function: Arc<Function>,
    pure: Option<bool>,
    /// The name that the user gave.
    name: Option<String>,
    call: OnceLock<Arc<Call>>,
}

impl Leaf {
    pub fn new(object: Py<PyAny>, pure: Option<bool>, name: Option<String>) -> Leaf {
        Leaf { function: Arc::new(Function::new(object)), pure, name, call: OnceLock::new() }
    }

    pub fn object(&self) -> &Py<PyAny> {
        self.function.object()
    }

    fn call(&self, py: Python<'_>, nout: Option<usize>) -> PyResult<Arc<Call>> {
        if let Some(call) = self.call.get() {
            return Ok(Arc::clone(call));
        }
        let object = self.object().bind(py);
        let name: String = hook(py, "leaf_name")?.call1((object,))?.extract()?;
        let key = match &self.name {
            Some(name) => name.clone(),
            None if self.pure.unwrap_or_else(delayed_pure) => {
                let token: String = hook(py, "tokenize")?.call1((object, nout, "raskr-leaf"))?.extract()?;
                format!("{name}-{token}")
            }
            None => format!("{name}-{}", unique()),
        };
        let op = PyCall::identity(Arg::Constant(object.clone().unbind()), name, Origin::here(py));
        let call = Call::new(Arc::new(op), Vec::new(), current_annotations(py)?);
        call.key_or_init(|| key);
        Ok(Arc::clone(self.call.get_or_init(|| call)))
    }
}

/// What may be said of one call beside its arguments.
#[derive(Default)]
struct CallOptions {
    key: Option<String>,
    pure: Option<bool>,
}

impl Delayed {
    pub fn of_input(input: Input, key: Option<String>, nout: Option<usize>) -> Delayed {
        Delayed { state: State::Value { input, key }, nout }
    }

    /// The argument that stands for this value in a call; what a leaf holds is known already.
    pub fn as_arg(&self, py: Python<'_>, scan: &mut Scan) -> Arg {
        match &self.state {
            State::Leaf(leaf) => Arg::Constant(leaf.object().clone_ref(py)),
            State::Value { input, .. } => scan.input(input.clone()),
            State::Attr { owner, name, call } => scan.input(Input::Call(attr_call(py, owner, name, call))),
        }
    }

    pub fn input(&self, py: Python<'_>) -> PyResult<Input> {
        match &self.state {
            State::Leaf(leaf) => Ok(Input::Call(leaf.call(py, self.nout)?)),
            State::Value { input, .. } => Ok(input.clone()),
            State::Attr { owner, name, call } => Ok(Input::Call(attr_call(py, owner, name, call))),
        }
    }
}

/// The call that gets the attribute when its value is wanted, rather than called.
fn attr_call(py: Python<'_>, owner: &Py<Delayed>, name: &Py<PyString>, call: &OnceLock<Arc<Call>>) -> Arc<Call> {
    Arc::clone(call.get_or_init(|| {
        let function = crate::operators::function(py, crate::operators::Operator::GetAttr);
        let mut scan = Scan::default();
        let args = [owner.get().as_arg(py, &mut scan), Arg::Constant(name.clone_ref(py).into_any())];
        let op = PyCall {
            callee: Callee::Function(function),
            args: SmallVec::from(args),
            keywords: None,
            identity: Identity::Pure,
            origin: Origin::here(py),
        };
        Call::new(Arc::new(op), scan.inputs, None)
    }))
}

/// Reads the arguments of a call: the positional ones are added to those that are there already.
fn read_arguments(
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
    scan: &mut Scan,
    into: &mut SmallVec<[Arg; 2]>,
) -> PyResult<(Option<Py<PyTuple>>, CallOptions)> {
    for arg in args.iter_borrowed() {
        into.push(scan.arg(&arg)?);
    }
    let mut options = CallOptions::default();
    let Some(kwargs) = kwargs else { return Ok((None, options)) };
    let mut names = Vec::with_capacity(kwargs.len());
    for (name, value) in kwargs.iter() {
        let name = name.cast_into::<PyString>()?;
        let text = name.to_str()?;
        if text == "dask_key_name" {
            if !value.is_none() {
                options.key = Some(value.str()?.to_string());
            }
        } else if text == "pure" {
            options.pure = value.extract()?;
        } else {
            into.push(scan.arg(&value)?);
            names.push(name);
        }
    }
    let names = if names.is_empty() { None } else { Some(PyTuple::new(args.py(), names)?.unbind()) };
    Ok((names, options))
}

fn make_call(
    py: Python<'_>,
    callee: Callee,
    scan: Scan,
    args: SmallVec<[Arg; 2]>,
    (keywords, options): (Option<Py<PyTuple>>, CallOptions),
    pure: Option<bool>,
    nout: Option<usize>,
) -> PyResult<Py<Delayed>> {
    let pure = options.pure.or(pure).unwrap_or_else(delayed_pure);
    let identity = if pure { Identity::Pure } else { Identity::Unique };
    let op = PyCall { callee, args, keywords, identity, origin: Origin::here(py) };
    let mut call = Call::new(Arc::new(op), scan.inputs, current_annotations(py)?);
    match options.key {
        Some(key) => {
            call.key_or_init(|| key);
        }
        None if pure => {
            let key = call_key(py, &call)?;
            call = shared(&key, call);
        }
        None => {}
    }
    Py::new(py, Delayed::of_input(Input::Call(call), None, nout))
}

#[pymethods]
impl Delayed {
    /// A value of a task graph given as a mapping, under its key.
    #[new]
    #[pyo3(signature = (key, dsk, length=None, layer=None))]
    fn new(
        key: &Bound<'_, PyAny>,
        dsk: &Bound<'_, PyAny>,
        length: Option<usize>,
        layer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Delayed> {
        let py = key.py();
        let node = hook(py, "node_of_graph")?.call1((dsk, key, layer))?;
        let node = node.cast::<Node>()?.get();
        Ok(Delayed::of_input(node.input().clone(), Some(key.str()?.to_string()), length))
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__(
        slf: &Bound<'_, Self>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<Delayed>> {
        let py = slf.py();
        let this = slf.get();
        let mut scan = Scan::default();
        let mut list = SmallVec::new();
        match &this.state {
            State::Leaf(leaf) => {
                let read = read_arguments(args, kwargs, &mut scan, &mut list)?;
                make_call(py, Callee::Function(Arc::clone(&leaf.function)), scan, list, read, leaf.pure, this.nout)
            }
            State::Value { input, .. } => {
                let function = scan.input(input.clone());
                let read = read_arguments(args, kwargs, &mut scan, &mut list)?;
                make_call(py, Callee::Value(function, "apply"), scan, list, read, None, None)
            }
            State::Attr { owner, name, .. } => {
                list.push(owner.get().as_arg(py, &mut scan));
                let read = read_arguments(args, kwargs, &mut scan, &mut list)?;
                let text = name.bind(py).to_string();
                make_call(py, Callee::Method(name.clone_ref(py), text), scan, list, read, None, None)
            }
        }
    }

    fn __getattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let text = name.to_str()?;
        let this = slf.get();
        if let State::Leaf(leaf) = &this.state {
            match text {
                "__wrapped__" => return Ok(leaf.object().clone_ref(py)),
                "__name__" | "__qualname__" => return leaf.object().getattr(py, name),
                _ => {}
            }
        }
        if text.starts_with('_') {
            return Err(PyAttributeError::new_err(format!(
                "Attribute {text} not found: names that start with an underscore are not lazy"
            )));
        }
        if text == "visualise" {
            hook(py, "warn_visualise")?.call0()?;
        }
        if let State::Attr { name: own, .. } = &this.state
            && text == "dtype"
            && own.bind(py).to_str()? == "dtype"
        {
            // NumPy follows `dtype` as long as there is one.
            return Err(PyAttributeError::new_err("Attribute dtype of dtype not found"));
        }
        let state = State::Attr { owner: slf.clone().unbind(), name: name.clone().unbind(), call: OnceLock::new() };
        let made = PyClassInitializer::from(Delayed { state, nout: None }).add_subclass(DelayedAttr);
        Ok(Py::new(py, made)?.into_any())
    }

    fn __setattr__(&self, name: &str, _value: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyTypeError::new_err(format!("Delayed objects are immutable: attribute {name} can't be set")))
    }

    fn __delattr__(&self, name: &str) -> PyResult<()> {
        Err(PyTypeError::new_err(format!("Delayed objects are immutable: attribute {name} can't be deleted")))
    }

    fn __setitem__(&self, _index: &Bound<'_, PyAny>, _value: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyTypeError::new_err("Delayed objects are immutable: items can't be set"))
    }

    fn __delitem__(&self, _index: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyTypeError::new_err("Delayed objects are immutable: items can't be deleted"))
    }

    /// Functions that are decorated in a class become methods.
    fn __get__(
        slf: &Bound<'_, Self>,
        instance: &Bound<'_, PyAny>,
        owner: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let _ = owner;
        if instance.is_none() {
            return Ok(slf.clone().into_any().unbind());
        }
        let types = slf.py().import(intern!(slf.py(), "types"))?;
        Ok(types.call_method1(intern!(slf.py(), "MethodType"), (slf, instance))?.unbind())
    }

    fn __bool__(&self) -> PyResult<bool> {
        Err(PyTypeError::new_err("Truth of Delayed objects is not supported: compute() them first"))
    }

    fn __len__(&self) -> PyResult<usize> {
        self.nout.ok_or_else(|| PyTypeError::new_err("Delayed objects of unspecified length have no len(); give nout="))
    }

    fn __iter__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let Some(len) = slf.get().nout else {
            return Err(PyTypeError::new_err("Delayed objects of unspecified length are not iterable; give nout="));
        };
        let items = (0..len)
            .map(|index| {
                let index = index.into_pyobject(py)?.into_any();
                crate::operators::apply(py, crate::operators::Operator::GetItem, &[slf.as_any(), &index])
            })
            .collect::<PyResult<Vec<_>>>()?;
        Ok(PyTuple::new(py, items)?.into_any().try_iter()?.into_any().unbind())
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        PyString::new(py, &self.key(py)?).hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Delayed({})", PyString::new(py, &self.key(py)?).repr()?))
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<(Py<PyAny>, Py<PyAny>)> {
        crate::transfer::reduce_delayed(slf)
    }

    /// The name of the value's task.
    #[getter]
    pub fn key(&self, py: Python<'_>) -> PyResult<String> {
        match &self.state {
            State::Value { key: Some(key), .. } => Ok(key.clone()),
            _ => match self.input(py)? {
                Input::Call(call) => call_key(py, &call),
                block => Node::of_input(block).key(py),
            },
        }
    }

    #[getter]
    fn _key(&self, py: Python<'_>) -> PyResult<String> {
        self.key(py)
    }

    #[getter]
    fn _length(&self) -> Option<usize> {
        self.nout
    }

    #[getter]
    fn _nout(&self) -> Option<usize> {
        self.nout
    }

    #[getter]
    fn _pure(&self) -> Option<bool> {
        match &self.state {
            State::Leaf(leaf) => leaf.pure,
            _ => None,
        }
    }

    #[getter]
    fn _obj(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match &self.state {
            State::Leaf(leaf) => Some(leaf.object().clone_ref(py)),
            State::Attr { owner, .. } => Some(owner.clone_ref(py).into_any()),
            State::Value { .. } => None,
        }
    }

    #[getter]
    fn _attr(&self, py: Python<'_>) -> Option<Py<PyString>> {
        match &self.state {
            State::Attr { name, .. } => Some(name.clone_ref(py)),
            _ => None,
        }
    }

    /// The engine's node of this value.
    #[getter]
    fn _node(&self, py: Python<'_>) -> PyResult<Node> {
        let input = self.input(py)?;
        Ok(match (&self.state, &input) {
            (State::Value { key: Some(key), .. }, _) => Node::of_block(input, key.clone()),
            _ => Node::of_input(input),
        })
    }
}

/// A `Delayed` of a node.
#[pyfunction]
#[pyo3(signature = (node, nout=None))]
pub fn delayed_of_node(py: Python<'_>, node: &Node, nout: Option<usize>) -> PyResult<Delayed> {
    let key = match node.input() {
        Input::Call(_) => None,
        Input::Block(..) => Some(node.key(py)?),
    };
    Ok(Delayed::of_input(node.input().clone(), key, nout))
}

pub fn new_leaf(py: Python<'_>, leaf: Leaf, nout: Option<usize>) -> PyResult<Py<PyAny>> {
    let made = PyClassInitializer::from(Delayed { state: State::Leaf(leaf), nout }).add_subclass(DelayedLeaf);
    Ok(Py::new(py, made)?.into_any())
}

pub fn new_attr(py: Python<'_>, owner: Py<Delayed>, name: Py<PyString>) -> PyResult<Py<PyAny>> {
    let state = State::Attr { owner, name, call: OnceLock::new() };
    let made = PyClassInitializer::from(Delayed { state, nout: None }).add_subclass(DelayedAttr);
    Ok(Py::new(py, made)?.into_any())
}

/// Makes an object or a function lazy; see `raskr.delayed`.
#[pyfunction]
#[pyo3(signature = (object, name=None, pure=None, nout=None, traverse=true))]
pub fn delayed(
    py: Python<'_>,
    object: &Bound<'_, PyAny>,
    name: Option<&Bound<'_, PyAny>>,
    pure: Option<bool>,
    nout: Option<&Bound<'_, PyAny>>,
    traverse: bool,
) -> PyResult<Py<PyAny>> {
    let nout = match nout {
        None => None,
        Some(nout) => Some(read_nout(nout)?),
    };
    if object.is_instance_of::<Delayed>() {
        return Ok(object.clone().unbind());
    }
    let name = name.map(|name| name.str().map(|text| text.to_string())).transpose()?;
    let mut scan = Scan::default();
    let arg = if traverse || object.get_type().hasattr(intern!(py, "__dask_graph__"))? {
        scan.arg(object)?
    } else {
        Arg::Constant(object.clone().unbind())
    };
    if matches!(&arg, Arg::Constant(same) if same.is(object)) {
        return new_leaf(py, Leaf::new(object.clone().unbind(), pure, name), nout);
    }
    let kind = object.get_type().name()?.to_string();
    let mut op = PyCall::identity(arg, kind, Origin::here(py));
    if pure.unwrap_or_else(delayed_pure) {
        op.identity = Identity::Pure;
    }
    let call = Call::new(Arc::new(op), scan.inputs, current_annotations(py)?);
    if let Some(name) = name {
        call.key_or_init(|| name);
    }
    Ok(Py::new(py, Delayed::of_input(Input::Call(call), None, nout))?.into_any())
}

fn read_nout(nout: &Bound<'_, PyAny>) -> PyResult<usize> {
    let refused = || {
        let shown = nout.repr().map(|text| text.to_string()).unwrap_or_default();
        PyValueError::new_err(format!("nout must be None or a non-negative integer, got {shown}"))
    };
    if nout.is_instance_of::<PyBool>() || !nout.is_instance_of::<PyInt>() {
        return Err(refused());
    }
    nout.extract().map_err(|_| refused())
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Delayed>()?;
    module.add_class::<DelayedLeaf>()?;
    module.add_class::<DelayedAttr>()?;
    module.add_function(wrap_pyfunction!(delayed, module)?)?;
    module.add_function(wrap_pyfunction!(delayed_of_node, module)?)
}
