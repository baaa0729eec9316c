//! `Node`: one value to be computed, as Python holds it; and the keys of calls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use raskr_graph::{Annotations, Call, Input};

use crate::call::{Callee, Identity, PyCall};
use crate::hooks::hook;

/// One value to be computed: a call and the nodes that it stands on, or a block of an array.
#[pyclass(frozen, module = "raskr._core", weakref)]
pub struct Node {
    input: Input,
    /// The key of a block; calls know their own.
    key: OnceLock<String>,
}

impl Node {
    pub fn of_call(call: Arc<Call>) -> Node {
        Node { input: Input::Call(call), key: OnceLock::new() }
    }

    pub fn of_input(input: Input) -> Node {
        Node { input, key: OnceLock::new() }
    }

    /// A block of a collection, shown under `key`.
    pub fn of_block(input: Input, key: String) -> Node {
        Node { input, key: OnceLock::from(key) }
    }

    pub fn input(&self) -> &Input {
        &self.input
    }
}

#[pymethods]
impl Node {
    #[getter]
    pub fn key(&self, py: Python<'_>) -> PyResult<String> {
        match (&self.input, self.key.get()) {
            (_, Some(key)) => Ok(key.clone()),
            (Input::Call(call), None) => call_key(py, call),
            (Input::Block(..), None) => Ok(block_key(&self.input)),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Node({:?})", self.key(py)?))
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<(Py<PyAny>, Py<PyAny>)> {
        crate::transfer::reduce_node(slf.py(), slf.get().input())
    }
}

/// A name within this process for a block whose collection has told none.
fn block_key(input: &Input) -> String {
    match input {
        Input::Block(collection, index) => format!("block-{:x}-{index}", Arc::as_ptr(collection).cast::<()>() as usize),
        Input::Call(call) => call.key().unwrap_or_default().to_owned(),
    }
}

/// The key of a call, made when it is first asked for: random, or a token of function and arguments for pure calls.
pub fn call_key(py: Python<'_>, call: &Arc<Call>) -> PyResult<String> {
    // Pure calls stand on others, whose keys are made first; a long chain must not recurse.
    let mut waiting = vec![Arc::clone(call)];
    while let Some(current) = waiting.last().cloned() {
        let before = waiting.len();
        if current.key().is_none() && pure(&current).is_some() {
            waiting.extend(current.inputs().iter().filter_map(|input| match input {
                Input::Call(needed) if needed.key().is_none() => Some(Arc::clone(needed)),
                _ => None,
            }));
        }
        if waiting.len() == before {
            if current.key().is_none() {
                let key = make_key(py, &current)?;
                current.key_or_init(|| key);
            }
            waiting.pop();
        }
    }
    Ok(call.key().unwrap_or_default().to_owned())
}

fn pure(call: &Call) -> Option<&PyCall> {
    let op = call.op().as_any()?.downcast_ref::<PyCall>()?;
    matches!(op.identity, Identity::Pure).then_some(op)
}

fn make_key(py: Python<'_>, call: &Call) -> PyResult<String> {
    let name = call.op().name();
    let Some(op) = pure(call) else {
        // Operations of arrays know what they are made of.
        return Ok(call.op().key(0).unwrap_or_else(|| format!("{name}-{}", unique())));
    };
    let stand_in = |position: u32| {
        let key = match &call.inputs()[position as usize] {
            Input::Call(needed) => needed.key().unwrap_or_default().to_owned(),
            block => block_key(block),
        };
        ("raskr-key", key).into_pyobject(py).map(Bound::into_any)
    };
    let args = op.args.iter().map(|arg| arg.render(py, &stand_in)).collect::<PyResult<Vec<_>>>()?;
    let function = match &op.callee {
        Callee::Function(function) => function.object().bind(py).clone(),
        Callee::Value(value, _) => value.render(py, &stand_in)?,
        Callee::Method(name, _) => ("raskr-method", name).into_pyobject(py)?.into_any(),
        Callee::Identity(_) => py.None().into_bound(py),
    };
    let names = op.keywords.as_ref().map_or_else(|| PyTuple::empty(py), |names| names.bind(py).clone());
    let token: String = hook(py, "tokenize")?.call1((function, PyTuple::new(py, args)?, names))?.extract()?;
    Ok(format!("{name}-{token}"))
}

/// A number that no other call gets.
pub fn unique_number() -> u128 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static SEED: OnceLock<(u32, u128)> = OnceLock::new();
    // A forked child would count on from the same seed.
    let fresh = || {
        use std::hash::{BuildHasher, Hasher, RandomState};
        let word = || RandomState::new().build_hasher().finish();
        (std::process::id(), u128::from(word()) << 64 | u128::from(word()))
    };
    let (process, seed) = *SEED.get_or_init(fresh);
    let count = u128::from(COUNT.fetch_add(1, Ordering::Relaxed)) ^ u128::from(std::process::id() ^ process) << 64;
    // A bijection of the counter, so that names differ in every place and never collide.
    seed.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
}

/// Text that no other call gets, in the shape of a UUID.
pub fn unique() -> String {
    let text = format!("{:032x}", unique_number());
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

/// Calls that declared themselves pure, so that equal ones are one task as long as somebody holds one.
static SHARED: Mutex<Option<HashMap<String, Weak<Call>>>> = Mutex::new(None);
const SHARED_MIN: usize = 1024;

/// The call that was first made under `key`, or this one.
pub fn shared(key: &str, call: Arc<Call>) -> Arc<Call> {
    call.key_or_init(|| key.to_owned());
    let mut guard = SHARED.lock();
    let table = guard.get_or_insert_with(HashMap::new);
    if let Some(first) = table.get(key).and_then(Weak::upgrade) {
        // `call` is dropped by the caller's side of the lock: dropping may run Python.
        drop(guard);
        return first;
    }
    if table.len() >= SHARED_MIN && table.len() == table.capacity() {
        table.retain(|_, weak| weak.strong_count() > 0);
    }
    table.insert(key.to_owned(), Arc::downgrade(&call));
    call
}

/// The annotations of the `with raskr.annotate(...)` blocks around this call.
pub fn current_annotations(py: Python<'_>) -> PyResult<Option<Arc<Annotations>>> {
    if ANNOTATED.load(Ordering::Relaxed) == 0 {
        return Ok(None);
    }
    annotations_of(&hook(py, "engine_annotations")?.call0()?)
}

/// What a dictionary of annotations means to the engine.
pub fn annotations_of(found: &Bound<'_, PyAny>) -> PyResult<Option<Arc<Annotations>>> {
    let Ok(found) = found.cast::<PyDict>() else { return Ok(None) };
    let number =
        |name: &str| -> PyResult<Option<i64>> { found.get_item(name)?.map(|value| value.extract()).transpose() };
    let annotations = Annotations {
        priority: number("priority")?.unwrap_or_default(),
        retries: number("retries")?.unwrap_or_default().clamp(0, i64::from(u32::MAX)) as u32,
        workers: match found.get_item("workers")? {
            Some(workers) => workers.extract()?,
            None => Vec::new(),
        },
        allow_other_workers: match found.get_item("allow_other_workers")? {
            Some(allow) => allow.extract()?,
            None => false,
        },
        resources: match found.get_item("resources")? {
            Some(resources) => crate::cluster::resources(resources.cast::<PyDict>()?)?,
            None => Vec::new(),
        },
    };
    Ok((annotations != Annotations::default()).then(|| Arc::new(annotations)))
}

/// How many `with raskr.annotate(...)` blocks are open in this process: calls only look closer when there are any.
static ANNOTATED: AtomicU64 = AtomicU64::new(0);

/// A block of annotations was entered or left.
#[pyfunction]
pub fn annotation_entered(entered: bool) {
    if entered {
        ANNOTATED.fetch_add(1, Ordering::Relaxed);
    } else {
        ANNOTATED.fetch_sub(1, Ordering::Relaxed);
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Node>()?;
    module.add_function(wrap_pyfunction!(annotation_entered, module)?)
}
