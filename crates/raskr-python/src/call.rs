//! `PyCall`: a Python function and its arguments as the operation of a task.
// `unsafe` is allowed here: calls go through CPython's vectorcall, which hands arguments over without a tuple.
#![allow(unsafe_code)]

use std::any::Any;
use std::sync::{Arc, OnceLock};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use raskr_base::{Op, OpKind, TaskContext, TaskError, Value};
use smallvec::SmallVec;

use crate::error::from_python;
use crate::hooks::hook;
use crate::object::PyForeign;
use crate::origin::Origin;
use crate::template::Arg;

/// A function that calls share, with the name it is shown under.
pub struct Function {
    object: Py<PyAny>,
    name: OnceLock<String>,
    stays: bool,
}

impl Function {
    pub fn new(object: Py<PyAny>) -> Function {
        Function { object, name: OnceLock::new(), stays: false }
    }

    pub fn named(object: Py<PyAny>, name: impl Into<String>) -> Function {
        Function { object, name: OnceLock::from(name.into()), stays: false }
    }

    /// A function that can't go to another process.
    pub fn staying(object: Py<PyAny>, name: impl Into<String>) -> Function {
        Function { object, name: OnceLock::from(name.into()), stays: true }
    }

    pub fn stays(&self) -> bool {
        self.stays
    }

    pub fn object(&self) -> &Py<PyAny> {
        &self.object
    }

    /// The function's own name, asked of Python when it is first needed.
    pub fn name(&self) -> &str {
        if self.name.get().is_none() {
            // Made before it is put in place: nothing is held while the interpreter is entered.
            let name = Python::attach(|py| hook(py, "funcname")?.call1((self.object.bind(py),))?.extract::<String>());
            let _ = self.name.set(name.unwrap_or_else(|_| "call".to_owned()));
        }
        self.name.get().map_or("call", String::as_str)
    }
}

/// What a call runs.
pub enum Callee {
    Function(Arc<Function>),
    /// A computed value, under the name that its call is shown by.
    Value(Arg, &'static str),
    /// The method of this name of the first argument.
    Method(Py<PyString>, String),
    /// Nothing: the only argument is the result.
    Identity(String),
}

/// Who may share the result of a call.
pub enum Identity {
    /// Nobody: two calls are never the same.
    Unique,
    /// Calls of equal functions and arguments have equal keys.
    Pure,
}

pub struct PyCall {
    pub callee: Callee,
    /// Positional arguments, then the values of the keyword arguments.
    pub args: SmallVec<[Arg; 2]>,
    pub keywords: Option<Py<PyTuple>>,
    pub identity: Identity,
    pub origin: Origin,
}

impl PyCall {
    /// An operation that gives a constant, or a container rebuilt around inputs.
    pub fn identity(arg: Arg, name: String, origin: Origin) -> PyCall {
        let mut args = SmallVec::new();
        args.push(arg);
        PyCall { callee: Callee::Identity(name), args, keywords: None, identity: Identity::Unique, origin }
    }

    /// Calls the function, with the interpreter held.
    fn call<'py>(&self, py: Python<'py>, inputs: &[Value]) -> PyResult<Bound<'py, PyAny>> {
        let function = match &self.callee {
            Callee::Function(function) => function.object.bind(py).clone(),
            Callee::Value(value, _) => value.build(py, inputs)?,
            Callee::Method(name, _) => name.bind(py).clone().into_any(),
            Callee::Identity(_) => return self.args[0].build(py, inputs),
        };
        // Slot 0 is scratch space for the callee, as PY_VECTORCALL_ARGUMENTS_OFFSET promises.
        let mut built: SmallVec<[Bound<'py, PyAny>; 6]> = SmallVec::with_capacity(self.args.len());
        for arg in &self.args {
            built.push(arg.build(py, inputs)?);
        }
        let mut pointers: SmallVec<[*mut ffi::PyObject; 8]> = SmallVec::with_capacity(built.len() + 1);
        pointers.push(std::ptr::null_mut());
        pointers.extend(built.iter().map(Bound::as_ptr));
        let named = self.keywords.as_ref().map_or(0, |names| names.bind(py).len());
        let positional = built.len() - named;
        // SAFETY: the pointers are of live objects owned by `built`; there are `positional + named` of them after the
        // scratch slot, and `keywords` is a tuple of `named` strings (or null).
        unsafe {
            let call = match &self.callee {
                Callee::Method(..) => ffi::PyObject_VectorcallMethod,
                _ => ffi::PyObject_Vectorcall,
            };
            let result = call(
                function.as_ptr(),
                pointers.as_ptr().add(1),
                positional | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                self.keywords.as_ref().map_or(std::ptr::null_mut(), Py::as_ptr),
            );
            Bound::from_owned_ptr_or_err(py, result)
        }
    }
}

impl Op for PyCall {
    fn name(&self) -> &str {
        match &self.callee {
            Callee::Function(function) => function.name(),
            Callee::Value(_, name) => name,
            Callee::Method(_, name) | Callee::Identity(name) => name,
        }
    }

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        Python::attach(|py| {
            let result = self.call(py, inputs);
            // Dropped here, where the interpreter is held.
            inputs.clear();
            result.map(PyForeign::value).map_err(|error| from_python(py, error))
        })
    }

    fn kind(&self) -> OpKind {
        OpKind::Interpreted
    }

    fn origin(&self) -> Option<&str> {
        self.origin.text()
    }

    fn cost_class(&self) -> Option<usize> {
        match &self.callee {
            Callee::Function(function) => Some(function.object.as_ptr() as usize),
            _ => None,
        }
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn describe(&self, _index: u32) -> String {
        self.name().to_owned()
    }
}

/// A value that is known already.
pub struct Known {
    name: String,
    value: Value,
}

impl Known {
    pub fn new(name: String, value: Value) -> Known {
        Known { name, value }
    }

    pub fn value(&self) -> &Value {
        &self.value
    }
}

impl Op for Known {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, _context: &TaskContext<'_>, _inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        Ok(self.value.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// An operation that can be made again from a Python object: the whole of an array, from its expression.
pub struct Sourced {
    op: Arc<dyn Op>,
    source: Py<PyAny>,
}

impl Sourced {
    pub fn new(op: Arc<dyn Op>, source: Py<PyAny>) -> Sourced {
        Sourced { op, source }
    }

    pub fn op(&self) -> &Arc<dyn Op> {
        &self.op
    }

    pub fn source(&self) -> &Py<PyAny> {
        &self.source
    }
}

impl Op for Sourced {
    fn name(&self) -> &str {
        self.op.name()
    }

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        self.op.run(context, inputs)
    }

    fn kind(&self) -> OpKind {
        self.op.kind()
    }

    fn estimate(&self, index: u32) -> u64 {
        self.op.estimate(index)
    }

    fn origin(&self) -> Option<&str> {
        self.op.origin()
    }

    fn cost_class(&self) -> Option<usize> {
        self.op.cost_class()
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn key(&self, index: u32) -> Option<String> {
        self.op.key(index)
    }

    fn describe(&self, index: u32) -> String {
        self.op.describe(index)
    }
}
