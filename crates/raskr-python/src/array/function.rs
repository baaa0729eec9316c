//! Python functions of blocks, and what NumPy-like arrays are asked to do for the engine.

use std::any::Any;

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyEllipsis, PyList, PySlice, PyTuple};
use raskr_array::function::{Argument, BlockFunction, ForeignArrays};
use raskr_array::index::Run;
use raskr_base::{TaskError, Value};

use super::convert::block_value;
use crate::error::from_python;
use crate::hooks::hook;
use crate::object::{PyForeign, to_object};

/// Where a positional or keyword argument comes from.
pub enum Slot {
    /// The next array argument.
    Array,
    Literal(Py<PyAny>),
    /// The value of this call that the function stands on.
    Extra(usize),
}

pub struct PyBlockFunction {
    pub function: Py<PyAny>,
    pub slots: Vec<Slot>,
    pub keywords: Vec<(String, Slot)>,
    /// Gives further keyword arguments for a block.
    pub per_block: Option<Py<PyAny>>,
    /// Blocks of the result are plain arrays of a native element type.
    pub native: bool,
    pub token: Option<String>,
}

impl PyBlockFunction {
    /// A function of its arrays alone.
    pub fn plain(function: Py<PyAny>, arrays: usize, native: bool) -> PyBlockFunction {
        let slots = (0..arrays).map(|_| Slot::Array).collect();
        PyBlockFunction { function, slots, keywords: Vec::new(), per_block: None, native, token: None }
    }

    fn run(&self, py: Python<'_>, block: &[u32], arguments: Vec<Argument>, extras: &[Value]) -> PyResult<Value> {
        let mut arrays = arguments.into_iter();
        let mut positional: Vec<Bound<'_, PyAny>> = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            positional.push(match slot {
                Slot::Array => match arrays.next() {
                    Some(argument) => argument_to_python(py, argument)?,
                    None => return Err(PyTypeError::new_err("an array argument is missing")),
                },
                other => constant(py, other, extras)?,
            });
        }
        let keywords = PyDict::new(py);
        for (name, slot) in &self.keywords {
            keywords.set_item(name, constant(py, slot, extras)?)?;
        }
        if let Some(per_block) = &self.per_block {
            let place = PyTuple::new(py, block)?;
            let more = per_block.bind(py).call1((place,))?.cast_into::<PyDict>()?;
            if let Some(args) = more.get_item("args")? {
                positional.extend(args.try_iter()?.collect::<PyResult<Vec<_>>>()?);
                more.del_item("args")?;
            }
            keywords.update(more.as_mapping())?;
        }
        let args = PyTuple::new(py, positional)?;
        let result = if keywords.is_empty() {
            self.function.bind(py).call1(args)?
        } else {
            self.function.bind(py).call(args, Some(&keywords))?
        };
        block_value(result, self.native)
    }
}

fn constant<'py>(py: Python<'py>, slot: &Slot, extras: &[Value]) -> PyResult<Bound<'py, PyAny>> {
    match slot {
        Slot::Literal(object) => Ok(object.bind(py).clone()),
        Slot::Extra(number) => match extras.get(*number) {
            Some(value) => to_object(py, value),
            None => Err(PyTypeError::new_err("the value of a call is missing")),
        },
        Slot::Array => Err(PyTypeError::new_err("an array can't be a keyword argument")),
    }
}

fn argument_to_python<'py>(py: Python<'py>, argument: Argument) -> PyResult<Bound<'py, PyAny>> {
    match argument {
        Argument::Block(value) => to_object(py, &value),
        Argument::List(parts) => {
            let parts = parts.into_iter().map(|part| argument_to_python(py, part)).collect::<PyResult<Vec<_>>>()?;
            Ok(PyList::new(py, parts)?.into_any())
        }
    }
}

impl BlockFunction for PyBlockFunction {
    fn call(&self, block: &[u32], arguments: Vec<Argument>, extras: Vec<Value>) -> Result<Value, TaskError> {
        Python::attach(|py| self.run(py, block, arguments, &extras).map_err(|error| from_python(py, error)))
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn token(&self) -> Result<u128, TaskError> {
        Python::attach(|py| {
            let text = match &self.token {
                Some(token) => token.clone(),
                None => {
                    let describe = |slot: &Slot| match slot {
                        Slot::Literal(object) => object.bind(py).clone(),
                        Slot::Array | Slot::Extra(_) => py.None().into_bound(py),
                    };
                    let parts = PyList::empty(py);
                    let fill = || -> PyResult<String> {
                        for slot in &self.slots {
                            parts.append(describe(slot))?;
                        }
                        for (name, slot) in &self.keywords {
                            parts.append((name, describe(slot)))?;
                        }
                        parts.append(&self.per_block)?;
                        hook(py, "tokenize")?.call1((&self.function, parts))?.extract()
                    };
                    fill().map_err(|error| from_python(py, error))?
                }
            };
            Ok(raskr_graph::Token::of("function", |hasher| {
                hasher.str(&text);
            })
            .0)
        })
    }
}

/// NumPy and whatever follows its protocols.
pub struct NumpyLike;

impl NumpyLike {
    fn with<T>(&self, work: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T, TaskError> {
        Python::attach(|py| work(py).map_err(|error| from_python(py, error)))
    }
}

impl ForeignArrays for NumpyLike {
    fn shape(&self, value: &Value) -> Result<Vec<usize>, TaskError> {
        self.with(|py| {
            let object = to_object(py, value)?;
            match object.getattr(intern!(py, "shape")) {
                Ok(shape) => shape.extract(),
                Err(_) => py.import(intern!(py, "numpy"))?.call_method1(intern!(py, "shape"), (object,))?.extract(),
            }
        })
    }

    fn view(&self, value: &Value, runs: &[Run], keep: &[Option<usize>], lengths: &[usize]) -> Result<Value, TaskError> {
        self.with(|py| {
            let mut array = to_object(py, value)?;
            if !array.hasattr(intern!(py, "ndim"))? {
                array = py.import(intern!(py, "numpy"))?.call_method1(intern!(py, "asarray"), (array,))?;
            }
            let shape: Vec<usize> = array.getattr(intern!(py, "shape"))?.extract()?;
            let mut index: Vec<Bound<'_, PyAny>> = Vec::with_capacity(runs.len());
            let mut all = true;
            let mut wider = keep.iter().zip(lengths).any(|(axis, length)| axis.is_none() && *length != 1);
            let mut left: Vec<usize> = Vec::new();
            for (axis, run) in runs.iter().enumerate() {
                let broadcast = shape[axis] == 1 && run.count != 1 && keep.contains(&Some(axis));
                if !keep.contains(&Some(axis)) {
                    all = false;
                    index.push(run.start.into_pyobject(py)?.into_any());
                    continue;
                }
                left.push(axis);
                wider |= broadcast;
                if broadcast || (run.start == 0 && run.step == 1 && run.count as usize == shape[axis]) {
                    index.push(PySlice::full(py).into_any());
                    continue;
                }
                all = false;
                let stop = run.start + run.count as i64 * run.step;
                let stop = if stop < 0 { None } else { Some(stop) };
                let slice = py.get_type::<PySlice>().call1((run.start, stop, run.step))?;
                index.push(slice);
            }
            if !all {
                if left.is_empty() {
                    // Without it NumPy takes the element out of its array, and an object's element need not be an array.
                    index.push(PyEllipsis::get(py).to_owned().into_any());
                }
                array = array.get_item(PyTuple::new(py, index)?)?;
            }
            let order: Vec<usize> =
                keep.iter().flatten().filter_map(|axis| left.iter().position(|l| l == axis)).collect();
            if order.iter().enumerate().any(|(i, axis)| i != *axis) {
                array = array.call_method1(intern!(py, "transpose"), (PyTuple::new(py, order)?,))?;
            }
            if keep.iter().any(Option::is_none) {
                let steps: Vec<Bound<'_, PyAny>> = keep
                    .iter()
                    .map(|axis| if axis.is_some() { PySlice::full(py).into_any() } else { py.None().into_bound(py) })
                    .collect();
                array = array.get_item(PyTuple::new(py, steps)?)?;
            }
            let got: Vec<usize> = array.getattr(intern!(py, "shape"))?.extract()?;
            // Some array types keep axes that NumPy's drop, as sparse matrices do: they know best.
            if wider && got != lengths {
                let target = PyTuple::new(py, lengths)?;
                array = py.import(intern!(py, "numpy"))?.call_method1(intern!(py, "broadcast_to"), (array, target))?;
            }
            Ok(PyForeign::value(array))
        })
    }

    fn assemble(&self, _shape: &[usize], pieces: Vec<(Vec<usize>, Value)>) -> Result<Value, TaskError> {
        self.with(|py| {
            let mut placed = Vec::with_capacity(pieces.len());
            for (target, value) in &pieces {
                placed.push((target.clone(), to_object(py, value)?));
            }
            Ok(PyForeign::value(hook(py, "assemble")?.call1((placed,))?))
        })
    }

    fn take(&self, value: &Value, axis: usize, index: &[i64]) -> Result<Value, TaskError> {
        self.with(|py| {
            let array = to_object(py, value)?;
            let index = numpy::PyArray1::from_slice(py, index);
            let mut steps: Vec<Bound<'_, PyAny>> = (0..axis).map(|_| PySlice::full(py).into_any()).collect();
            steps.push(index.into_any());
            Ok(PyForeign::value(array.get_item(PyTuple::new(py, steps)?)?))
        })
    }

    fn reshape(&self, value: &Value, shape: &[usize]) -> Result<Value, TaskError> {
        self.with(|py| {
            let array = to_object(py, value)?;
            let target = PyTuple::new(py, shape)?;
            Ok(PyForeign::value(array.call_method1(intern!(py, "reshape"), (target,))?))
        })
    }
}
