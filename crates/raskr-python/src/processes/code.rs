//! Calls without their objects: the shape of the arguments, which travels beside what is pickled.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::call::{Callee, Function, Identity, PyCall};
use crate::origin::Origin;
use crate::template::{Arg, Build};

/// One argument.
#[derive(Serialize, Deserialize)]
enum Code {
    Input(u32),
    /// The object at this place in the list that the batch shares.
    Constant(u32),
    /// What the child was told under this id.
    Known(u64),
    List(Vec<Code>),
    Tuple(Vec<Code>),
    Set(Vec<Code>),
    Dict(Vec<(Code, Code)>),
    Slice(Vec<Code>),
    Call(Box<Code>, Vec<Code>, Vec<(String, Code)>),
}

#[derive(Serialize, Deserialize)]
enum CalleeCode {
    Function(u64),
    Value(Code),
    Method(String),
    Identity(String),
}

#[derive(Serialize, Deserialize)]
struct CallCode {
    callee: CalleeCode,
    args: Vec<Code>,
    /// Names of the last arguments.
    keywords: Vec<String>,
}

/// Where the objects of calls go while they are encoded.
pub trait Sink<'py> {
    /// An id for a function.
    fn function(&mut self, function: &Bound<'py, PyAny>) -> PyResult<u64>;
    /// An id for an object, when it is so large that it should travel once; else it becomes a constant of the batch.
    fn large(&mut self, object: &Bound<'py, PyAny>) -> PyResult<Option<u64>>;
    /// The place of an object in the list that the batch shares.
    fn constant(&mut self, object: &Bound<'py, PyAny>) -> PyResult<u32>;

    /// The number of an input where the call goes to.
    fn input(&mut self, place: u32) -> u32 {
        place
    }

    /// The input that an object becomes, when it should be one.
    fn as_input(&mut self, _object: &Bound<'py, PyAny>) -> PyResult<Option<u32>> {
        Ok(None)
    }
}

/// Encodes a call; its objects go to `sink`.
pub fn encode<'py>(py: Python<'py>, call: &PyCall, sink: &mut dyn Sink<'py>) -> PyResult<Vec<u8>> {
    let callee = match &call.callee {
        Callee::Function(function) => CalleeCode::Function(sink.function(function.object().bind(py))?),
        Callee::Value(value, _) => CalleeCode::Value(code_of(py, value, sink)?),
        Callee::Method(_, name) => CalleeCode::Method(name.clone()),
        Callee::Identity(name) => CalleeCode::Identity(name.clone()),
    };
    let args = all(py, &call.args, sink)?;
    let keywords = match &call.keywords {
        Some(names) => names.extract::<Vec<String>>(py)?,
        None => Vec::new(),
    };
    postcard::to_stdvec(&CallCode { callee, args, keywords })
        .map_err(|error| PyValueError::new_err(format!("a call can't be encoded: {error}")))
}

fn all<'py>(py: Python<'py>, args: &[Arg], sink: &mut dyn Sink<'py>) -> PyResult<Vec<Code>> {
    args.iter().map(|arg| code_of(py, arg, sink)).collect()
}

fn code_of<'py>(py: Python<'py>, arg: &Arg, sink: &mut dyn Sink<'py>) -> PyResult<Code> {
    let build = match arg {
        Arg::Input(place) => return Ok(Code::Input(sink.input(*place))),
        Arg::Constant(object) => {
            let object = object.bind(py);
            if let Some(place) = sink.as_input(object)? {
                return Ok(Code::Input(place));
            }
            return Ok(match sink.large(object)? {
                Some(id) => Code::Known(id),
                None => Code::Constant(sink.constant(object)?),
            });
        }
        Arg::Build(build) => build.as_ref(),
    };
    Ok(match build {
        Build::List(items) => Code::List(all(py, items, sink)?),
        Build::Tuple(items) => Code::Tuple(all(py, items, sink)?),
        Build::Set(items) => Code::Set(all(py, items, sink)?),
        Build::Slice(items) => Code::Slice(all(py, items, sink)?),
        Build::Dict(items) => {
            let mut codes = Vec::with_capacity(items.len());
            for (key, value) in items {
                codes.push((code_of(py, key, sink)?, code_of(py, value, sink)?));
            }
            Code::Dict(codes)
        }
        Build::Call { function, args, keywords } => {
            let mut named = Vec::with_capacity(keywords.len());
            for (name, value) in keywords {
                named.push((name.bind(py).to_cow()?.into_owned(), code_of(py, value, sink)?));
            }
            Code::Call(Box::new(code_of(py, function, sink)?), all(py, args, sink)?, named)
        }
    })
}

/// The constants of a call, each with the place where it stands, in words.
pub fn constants<'py>(py: Python<'py>, call: &PyCall) -> Vec<(String, Bound<'py, PyAny>)> {
    let names: Vec<String> = call.keywords.as_ref().and_then(|names| names.extract(py).ok()).unwrap_or_default();
    let positional = call.args.len() - names.len();
    let mut found = Vec::new();
    if let Callee::Value(function, _) = &call.callee {
        collect_constants(py, function, "its function".to_owned(), &mut found);
    }
    for (place, arg) in call.args.iter().enumerate() {
        let label = match place.checked_sub(positional) {
            Some(place) => format!("argument {:?}", names[place]),
            None => format!("argument {place}"),
        };
        collect_constants(py, arg, label, &mut found);
    }
    found
}

fn collect_constants<'py>(py: Python<'py>, arg: &Arg, label: String, found: &mut Vec<(String, Bound<'py, PyAny>)>) {
    let build = match arg {
        Arg::Input(_) => return,
        Arg::Constant(object) => return found.push((label, object.bind(py).clone())),
        Arg::Build(build) => build.as_ref(),
    };
    let items: &[Arg] = match build {
        Build::List(items) | Build::Tuple(items) | Build::Set(items) => items,
        Build::Slice(parts) => parts,
        Build::Call { args, .. } => args,
        Build::Dict(_) => &[],
    };
    for (place, item) in items.iter().enumerate() {
        collect_constants(py, item, format!("{label}[{place}]"), found);
    }
    match build {
        Build::Dict(items) => {
            for (key, value) in items {
                let name = match key {
                    Arg::Constant(key) => key.bind(py).repr().map_or_else(|_| "?".to_owned(), |name| name.to_string()),
                    _ => "?".to_owned(),
                };
                collect_constants(py, key, format!("{label}, a key"), found);
                collect_constants(py, value, format!("{label}[{name}]"), found);
            }
        }
        Build::Call { function, keywords, .. } => {
            collect_constants(py, function, format!("{label}, a function"), found);
            for (name, value) in keywords {
                collect_constants(py, value, format!("{label}.{}", name.bind(py)), found);
            }
        }
        Build::List(_) | Build::Tuple(_) | Build::Set(_) | Build::Slice(_) => {}
    }
}

/// Where a child finds the objects of calls.
pub trait Source {
    fn known<'py>(&self, py: Python<'py>, id: u64) -> PyResult<Bound<'py, PyAny>>;
    fn function(&self, py: Python<'_>, id: u64) -> PyResult<Arc<Function>>;
}

/// The call that [`encode`] encoded.
pub fn decode(py: Python<'_>, bytes: &[u8], constants: &Bound<'_, PyList>, source: &dyn Source) -> PyResult<PyCall> {
    let code: CallCode = postcard::from_bytes(bytes)
        .map_err(|error| PyValueError::new_err(format!("a call can't be decoded: {error}")))?;
    let callee = match code.callee {
        CalleeCode::Function(id) => Callee::Function(source.function(py, id)?),
        CalleeCode::Value(value) => Callee::Value(arg_of(py, value, constants, source)?, "apply"),
        CalleeCode::Method(name) => Callee::Method(PyString::intern(py, &name).unbind(), name),
        CalleeCode::Identity(name) => Callee::Identity(name),
    };
    let mut args = SmallVec::with_capacity(code.args.len());
    for arg in code.args {
        args.push(arg_of(py, arg, constants, source)?);
    }
    let keywords = if code.keywords.is_empty() {
        None
    } else {
        let names: Vec<_> = code.keywords.iter().map(|name| PyString::intern(py, name)).collect();
        Some(PyTuple::new(py, names)?.unbind())
    };
    Ok(PyCall { callee, args, keywords, identity: Identity::Unique, origin: Origin::unknown() })
}

fn arg_of(py: Python<'_>, code: Code, constants: &Bound<'_, PyList>, source: &dyn Source) -> PyResult<Arg> {
    let all = |codes: Vec<Code>| {
        codes.into_iter().map(|code| arg_of(py, code, constants, source)).collect::<PyResult<Vec<Arg>>>()
    };
    let build = match code {
        Code::Input(place) => return Ok(Arg::Input(place)),
        Code::Constant(place) => return Ok(Arg::Constant(constants.get_item(place as usize)?.unbind())),
        Code::Known(id) => return Ok(Arg::Constant(source.known(py, id)?.unbind())),
        Code::List(items) => Build::List(all(items)?),
        Code::Tuple(items) => Build::Tuple(all(items)?),
        Code::Set(items) => Build::Set(all(items)?),
        Code::Slice(items) => {
            let parts = all(items)?.try_into();
            Build::Slice(parts.map_err(|_| PyValueError::new_err("a slice has three parts"))?)
        }
        Code::Dict(items) => {
            let mut args = Vec::with_capacity(items.len());
            for (key, value) in items {
                args.push((arg_of(py, key, constants, source)?, arg_of(py, value, constants, source)?));
            }
            Build::Dict(args)
        }
        Code::Call(function, args, keywords) => {
            let function = arg_of(py, *function, constants, source)?;
            let mut positional = Vec::with_capacity(args.len());
            for arg in args {
                positional.push(arg_of(py, arg, constants, source)?);
            }
            let mut named = Vec::with_capacity(keywords.len());
            for (name, value) in keywords {
                named.push((PyString::intern(py, &name).unbind(), arg_of(py, value, constants, source)?));
            }
            Build::Call { function, args: positional, keywords: named }
        }
    };
    Ok(Arg::Build(Box::new(build)))
}
