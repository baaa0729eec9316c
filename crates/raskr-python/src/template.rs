//! Arguments with lazy values inside: read once when a call is made, rebuilt around computed values when it runs.

use pyo3::exceptions::PyRecursionError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyFunction, PyInt, PyList, PyNone, PySet, PySlice, PyString, PyTuple,
    PyType,
};
use raskr_base::Value;
use raskr_graph::Input;

use crate::cluster::ClusterFuture;
use crate::delayed::Delayed;
use crate::hooks::hook;
use crate::node::Node;
use crate::object::to_object;

/// Containers nested deeper than this are refused, as Python's own walks do.
const DEPTH_MAX: usize = 400;

/// One argument of a call.
pub enum Arg {
    /// The computed value of the input at this position.
    Input(u32),
    Constant(Py<PyAny>),
    Build(Box<Build>),
}

/// An object that is built anew around computed values.
pub enum Build {
    List(Vec<Arg>),
    Tuple(Vec<Arg>),
    Set(Vec<Arg>),
    Dict(Vec<(Arg, Arg)>),
    Slice([Arg; 3]),
    /// `function(*args, **keywords)`: classes with fields, and tasks inside the arguments of raw tasks.
    Call {
        function: Arg,
        args: Vec<Arg>,
        keywords: Vec<(Py<PyString>, Arg)>,
    },
}

impl Arg {
    /// Does the argument stand for something else than the object it was read from (which may be a leaf)?
    fn differs(&self, object: &Bound<'_, PyAny>) -> bool {
        !matches!(self, Arg::Constant(same) if same.is(object))
    }

    pub fn copy(&self, py: Python<'_>) -> Arg {
        match self {
            Arg::Input(position) => Arg::Input(*position),
            Arg::Constant(object) => Arg::Constant(object.clone_ref(py)),
            Arg::Build(build) => Arg::Build(Box::new(build.copy(py))),
        }
    }

    /// The object, with `inputs` in the places of lazy values.
    pub fn build<'py>(&self, py: Python<'py>, inputs: &[Value]) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Arg::Input(position) => to_object(py, &inputs[*position as usize]),
            Arg::Constant(object) => Ok(object.bind(py).clone()),
            Arg::Build(build) => build.build(py, inputs),
        }
    }

    /// The object, with what `stand_in` gives in the places of lazy values.
    pub fn render<'py>(
        &self,
        py: Python<'py>,
        stand_in: &dyn Fn(u32) -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Arg::Input(position) => stand_in(*position),
            Arg::Constant(object) => Ok(object.bind(py).clone()),
            Arg::Build(build) => build.assemble(py, &|arg| arg.render(py, stand_in)),
        }
    }
}

type Make<'a, 'py> = &'a dyn Fn(&Arg) -> PyResult<Bound<'py, PyAny>>;

impl Build {
    fn build<'py>(&self, py: Python<'py>, inputs: &[Value]) -> PyResult<Bound<'py, PyAny>> {
        self.assemble(py, &|arg| arg.build(py, inputs))
    }

    fn assemble<'py>(&self, py: Python<'py>, make: Make<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let all = |items: &[Arg]| items.iter().map(make).collect::<PyResult<Vec<_>>>();
        Ok(match self {
            Build::List(items) => PyList::new(py, all(items)?)?.into_any(),
            Build::Tuple(items) => PyTuple::new(py, all(items)?)?.into_any(),
            Build::Set(items) => PySet::new(py, all(items)?)?.into_any(),
            Build::Dict(items) => {
                let dict = PyDict::new(py);
                for (key, value) in items {
                    dict.set_item(make(key)?, make(value)?)?;
                }
                dict.into_any()
            }
            Build::Slice([start, stop, step]) => slice_type(py).call1((make(start)?, make(stop)?, make(step)?))?,
            Build::Call { function, args, keywords } => {
                let function = make(function)?;
                let args = PyTuple::new(py, all(args)?)?;
                if keywords.is_empty() {
                    return function.call1(args);
                }
                let named = PyDict::new(py);
                for (name, value) in keywords {
                    named.set_item(name, make(value)?)?;
                }
                function.call(args, Some(&named))?
            }
        })
    }

    fn copy(&self, py: Python<'_>) -> Build {
        let all = |items: &[Arg]| items.iter().map(|item| item.copy(py)).collect::<Vec<_>>();
        match self {
            Build::List(items) => Build::List(all(items)),
            Build::Tuple(items) => Build::Tuple(all(items)),
            Build::Set(items) => Build::Set(all(items)),
            Build::Dict(items) => Build::Dict(items.iter().map(|(k, v)| (k.copy(py), v.copy(py))).collect()),
            Build::Slice(parts) => Build::Slice([parts[0].copy(py), parts[1].copy(py), parts[2].copy(py)]),
            Build::Call { function, args, keywords } => Build::Call {
                function: function.copy(py),
                args: all(args),
                keywords: keywords.iter().map(|(name, value)| (name.clone_ref(py), value.copy(py))).collect(),
            },
        }
    }
}

fn slice_type(py: Python<'_>) -> Bound<'_, PyType> {
    py.get_type::<PySlice>()
}

/// Reads arguments and collects the lazy values in them.
#[derive(Default)]
pub struct Scan {
    pub inputs: Vec<Input>,
    depth: usize,
    only_futures: bool,
}

impl Scan {
    /// Takes futures of clusters for lazy values, and nothing else; after inputs that are there already.
    pub fn for_futures(inputs: Vec<Input>) -> Scan {
        Scan { inputs, depth: 0, only_futures: true }
    }

    /// Adds an input and gives the argument that stands for it.
    pub fn input(&mut self, input: Input) -> Arg {
        self.inputs.push(input);
        Arg::Input(self.inputs.len() as u32 - 1)
    }

    /// One argument; containers of the built-in kinds, named tuples and data classes are looked into.
    pub fn arg(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Arg> {
        if is_plain(object) {
            return Ok(Arg::Constant(object.clone().unbind()));
        }
        if let Ok(future) = object.cast::<ClusterFuture>() {
            return Ok(self.input(future.get().input(object.py())));
        }
        if let Ok(delayed) = object.cast::<Delayed>()
            && !self.only_futures
        {
            return Ok(delayed.get().as_arg(object.py(), self));
        }
        if self.depth > DEPTH_MAX {
            return Err(PyRecursionError::new_err(format!("arguments are nested deeper than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let arg = self.container(object);
        self.depth -= 1;
        arg
    }

    fn container(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Arg> {
        let py = object.py();
        let constant = || Ok(Arg::Constant(object.clone().unbind()));
        if let Ok(list) = object.cast_exact::<PyList>() {
            let (items, lazy) = self.items(list.iter())?;
            return if lazy { Ok(Arg::Build(Box::new(Build::List(items)))) } else { constant() };
        }
        if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            let (items, lazy) = self.items(tuple.iter())?;
            return if lazy { Ok(Arg::Build(Box::new(Build::Tuple(items)))) } else { constant() };
        }
        if let Ok(dict) = object.cast_exact::<PyDict>() {
            let mut items = Vec::with_capacity(dict.len());
            let mut lazy = false;
            for (key, value) in dict.iter() {
                let args = (self.arg(&key)?, self.arg(&value)?);
                lazy |= args.0.differs(&key) || args.1.differs(&value);
                items.push(args);
            }
            return if lazy { Ok(Arg::Build(Box::new(Build::Dict(items)))) } else { constant() };
        }
        if let Ok(set) = object.cast_exact::<PySet>() {
            let (items, lazy) = self.items(set.iter())?;
            return if lazy { Ok(Arg::Build(Box::new(Build::Set(items)))) } else { constant() };
        }
        if let Ok(slice) = object.cast::<PySlice>() {
            let part = |name| slice.getattr(name);
            let parts = [part("start")?, part("stop")?, part("step")?];
            let (mut items, lazy) = self.items(parts.into_iter())?;
            return match (lazy, items.pop(), items.pop(), items.pop()) {
                (true, Some(step), Some(stop), Some(start)) => {
                    Ok(Arg::Build(Box::new(Build::Slice([start, stop, step]))))
                }
                _ => constant(),
            };
        }
        self.other(object, py)
    }

    fn other(&mut self, object: &Bound<'_, PyAny>, py: Python<'_>) -> PyResult<Arg> {
        if self.only_futures {
            return Ok(Arg::Constant(object.clone().unbind()));
        }
        if let Ok(node) = object.cast::<Node>() {
            return Ok(self.input(node.get().input().clone()));
        }
        let kind = object.get_type();
        let constant = || Ok(Arg::Constant(object.clone().unbind()));
        if kind.is(py.get_type::<PyType>()) {
            return constant();
        }
        if kind.hasattr(intern!(py, "__dask_graph__"))? {
            let node = hook(py, "node_of")?.call1((object,))?;
            return match node.cast::<Node>() {
                Ok(node) => Ok(self.input(node.get().input().clone())),
                Err(_) => constant(),
            };
        }
        if kind.hasattr(intern!(py, "__dataclass_fields__"))? {
            return self.data_class(object);
        }
        if object.is_instance_of::<PyTuple>() && kind.hasattr(intern!(py, "_fields"))? {
            let tuple = object.cast::<PyTuple>()?;
            let (args, lazy) = self.items(tuple.iter())?;
            if !lazy {
                return constant();
            }
            let function = Arg::Constant(kind.into_any().unbind());
            return Ok(Arg::Build(Box::new(Build::Call { function, args, keywords: Vec::new() })));
        }
        if is_iterator(py, object)? {
            let items: Vec<_> = object.try_iter()?.collect::<PyResult<_>>()?;
            let list = PyList::new(py, items)?;
            return self.container(list.as_any());
        }
        constant()
    }

    fn data_class(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Arg> {
        let py = object.py();
        let fields: Vec<(Bound<'_, PyString>, Bound<'_, PyAny>)> =
            hook(py, "dataclass_fields")?.call1((object,))?.extract()?;
        let mut keywords = Vec::with_capacity(fields.len());
        let mut lazy = false;
        for (name, value) in fields {
            let arg = self.arg(&value)?;
            lazy |= arg.differs(&value);
            keywords.push((name.unbind(), arg));
        }
        if !lazy {
            return Ok(Arg::Constant(object.clone().unbind()));
        }
        hook(py, "check_dataclass")?.call1((object,))?;
        let function = Arg::Constant(object.get_type().into_any().unbind());
        Ok(Arg::Build(Box::new(Build::Call { function, args: Vec::new(), keywords })))
    }

    /// The items of a container, and whether any of them is not what it was read from.
    fn items<'py>(&mut self, items: impl Iterator<Item = Bound<'py, PyAny>>) -> PyResult<(Vec<Arg>, bool)> {
        let mut args = Vec::with_capacity(items.size_hint().0);
        let mut lazy = false;
        for item in items {
            let arg = self.arg(&item)?;
            lazy |= arg.differs(&item);
            args.push(arg);
        }
        Ok((args, lazy))
    }
}

/// Is the object of a kind that never holds lazy values? Asked for every argument, so told by the type's address.
fn is_plain(object: &Bound<'_, PyAny>) -> bool {
    object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyString>()
        || object.is_exact_instance_of::<PyNone>()
        || object.is_exact_instance_of::<PyBool>()
        || object.is_exact_instance_of::<PyBytes>()
        || object.is_exact_instance_of::<PyComplex>()
        || object.is_exact_instance_of::<PyFunction>()
        || is_exact_array(object)
}

fn is_exact_array(object: &Bound<'_, PyAny>) -> bool {
    use pyo3::PyTypeInfo;
    object.get_type_ptr() == numpy::PyUntypedArray::type_object_raw(object.py())
}

/// Iterators over lists, tuples and sets are read out; others are handed on as they are.
fn is_iterator(py: Python<'_>, object: &Bound<'_, PyAny>) -> PyResult<bool> {
    static TYPES: PyOnceLock<[Py<PyType>; 3]> = PyOnceLock::new();
    let types = TYPES.get_or_try_init(py, || {
        let type_of = |container: Bound<'_, PyAny>| Ok::<_, PyErr>(container.try_iter()?.get_type().unbind());
        Ok::<_, PyErr>([
            type_of(PyList::empty(py).into_any())?,
            type_of(PyTuple::empty(py).into_any())?,
            type_of(PySet::empty(py)?.into_any())?,
        ])
    })?;
    let kind = object.get_type();
    Ok(types.iter().any(|each| kind.is(each)))
}
