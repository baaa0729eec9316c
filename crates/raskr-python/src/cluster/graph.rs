//! Graphs that clients submit: lazy values, nodes and raw graphs, walked as the engine walks them, each call a task.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use raskr_base::{Op, TaskContext, Value};
use raskr_graph::Plan;
use raskr_sched::{Annotations, Blob, Input as TaskInput, Key};
use serde_bytes::ByteBuf;

use super::client::ClusterClient;
use super::frames::FrameTasks;
use super::future::{ClusterFuture, Handle, RemoteValue};
use super::native::{NativePlan, Work, encoded_places};
use super::submit::{Body, Calls, Inputs};
use super::task::{self, BodyCode, CONSTANT_BYTES_MIN};
use crate::array::PyExpr;
use crate::call::{Callee, Known, PyCall};
use crate::dictgraph::{different_keys, input_of, name_all};
use crate::enter::enter;
use crate::object::to_object;
use crate::origin::Origin;
use crate::template::Arg;

/// What became of a task of the plan.
enum Place {
    Task(u32),
    /// A future, or data of its own.
    Known(Key, Arc<Handle>),
}

/// Submits what items need, in order: the future of each value, a list of those of its blocks for an array. Who calls may
/// wait for all of them before anything else, and let them go when they have come: `waited_for`.
pub fn submit<'py>(
    owner: &Bound<'py, ClusterClient>,
    items: &[Bound<'py, PyAny>],
    annotations: Option<Annotations>,
    waited_for: bool,
) -> PyResult<Vec<Py<PyAny>>> {
    let py = owner.py();
    let (mut arrays, mut values) = (Vec::new(), Vec::new());
    for item in items {
        match item.cast::<PyExpr>() {
            Ok(expr) => arrays.push(Arc::clone(expr.get().expr())),
            Err(_) => values.push(input_of(item)?),
        }
    }
    name_all(py, &values)?;
    let native = NativePlan::new(py, &arrays, &values, waited_for)?;
    let keys = different_keys(native.plan(), |id| native.key(id));
    let mut calls = Calls::new(owner, annotations);
    calls.quiet();
    let mut bodies = Bodies::default();
    let mut places: Vec<Place> = Vec::with_capacity(native.plan().len());
    let outputs: HashSet<u32> = native.plan().outputs().iter().copied().collect();
    for (id, key) in (0..native.plan().len() as u32).zip(keys) {
        calls.lend(waited_for && !outputs.contains(&id));
        places.push(add(py, &mut calls, &native, &mut bodies, id, key, &places)?);
    }
    // Futures of what is no task here are there already.
    let mut there: Vec<Option<Py<ClusterFuture>>> = Vec::with_capacity(items.len());
    for &output in native.plan().outputs() {
        there.push(match &places[output as usize] {
            Place::Task(task) => {
                calls.want(*task);
                None
            }
            Place::Known(key, handle) => {
                handle.client().share(handle.future());
                let handle = Handle::new(Arc::clone(handle.client()), handle.future());
                Some(Py::new(py, ClusterFuture::new(owner.clone().unbind(), handle, Arc::clone(key)))?)
            }
        });
    }
    let mut submitted = calls.submit()?.into_iter();
    let missing = || PyTypeError::new_err("fewer futures came than were asked for");
    let futures = there.into_iter().map(|future| future.or_else(|| submitted.next()).ok_or_else(missing));
    let futures = futures.collect::<PyResult<Vec<_>>>()?;
    // The plan lists arrays before values.
    let (mut array, mut value) = (0, native.blocks());
    items
        .iter()
        .map(|item| {
            if item.is_instance_of::<PyExpr>() {
                let blocks = native.places_of_array(array);
                array += 1;
                return Ok(PyList::new(py, &futures[blocks])?.into_any().unbind());
            }
            value += 1;
            Ok(futures[value - 1].clone_ref(py).into_any())
        })
        .collect()
}

/// The bodies of a plan's native tasks: of arrays one code, and a class of costs for each layer; of frames one a stage.
#[derive(Default)]
struct Bodies {
    code: Option<Blob>,
    known: HashMap<String, Body>,
    frames: FrameTasks,
    /// Of what tasks of frames have in common, by its address, which is its own as long as `frames` is there.
    stages: HashMap<*const u8, Body>,
}

impl Bodies {
    fn get(&mut self, calls: &mut Calls<'_>, native: &NativePlan, id: u32) -> PyResult<Body> {
        let class = native.plan().layer_name(id);
        if let Some(body) = self.known.get(class) {
            return Ok(*body);
        }
        let code = match &self.code {
            Some(code) => code.clone(),
            None => {
                let bytes = native.body().unwrap_or_default();
                self.code.insert(BodyCode::Native(ByteBuf::from(bytes)).encoded()?).clone()
            }
        };
        let body = calls.body(code, class);
        self.known.insert(class.to_owned(), body);
        Ok(body)
    }
}

fn add<'py>(
    py: Python<'py>,
    calls: &mut Calls<'py>,
    native: &NativePlan,
    bodies: &mut Bodies,
    id: u32,
    key: String,
    places: &[Place],
) -> PyResult<Place> {
    let plan = native.plan();
    let inputs = || {
        Inputs::of(plan.inputs(id).iter().map(|&input| match &places[input as usize] {
            Place::Task(task) => TaskInput::Here(*task),
            Place::Known(key, _) => TaskInput::Known(Arc::clone(key)),
        }))
    };
    match native.work(id) {
        Work::Data { value, named } => {
            let (key, handle) = if named {
                calls.data_of_value(&value, plan.layer_name(id))?
            } else {
                calls.data_of_block(&value, key)?
            };
            return Ok(Place::Known(key, handle));
        }
        Work::Native { index } => {
            let inputs = inputs();
            let each_once = inputs.places.iter().zip(0..).all(|(place, number)| *place == number);
            let arguments = if each_once { None } else { Some(Blob::from(encoded_places(&inputs.places)?)) };
            let annotations = own_annotations(calls, plan, id);
            let body = bodies.get(calls, native, id)?;
            return Ok(Place::Task(calls.task(key.into(), body, index, arguments, inputs.list, annotations)));
        }
        Work::Call => {}
    }
    let op = plan.op(id).as_ref();
    let Some(concrete) = op.as_any() else { return Err(unmovable(op)) };
    if let Some(value) = RemoteValue::of(op) {
        calls.remote(value)?;
        return Ok(Place::Known(Arc::clone(value.key()), Arc::clone(value.handle())));
    }
    if let Some(known) = concrete.downcast_ref::<Known>() {
        let annotations = own_annotations(calls, plan, id);
        return constant(py, calls, known, key, annotations);
    }
    let annotations = own_annotations(calls, plan, id);
    let Some(call) = concrete.downcast_ref::<PyCall>() else {
        let inputs = inputs();
        if let Some(task) = bodies.frames.task(py, op, &inputs.places)? {
            let place = task.body.as_ptr();
            let body = match bodies.stages.get(&place) {
                Some(body) => *body,
                None => *bodies.stages.entry(place).or_insert(calls.body(task.code()?, op.name())),
            };
            return Ok(Place::Task(calls.task(key.into(), body, 0, Some(task.arguments), inputs.list, annotations)));
        }
        return if inputs.list.is_empty() { read_here(py, calls, op) } else { Err(unmovable(op)) };
    };
    add_call(py, calls, call, key, inputs(), annotations)
}

fn add_call<'py>(
    py: Python<'py>,
    calls: &mut Calls<'py>,
    call: &PyCall,
    key: String,
    inputs: Inputs,
    annotations: Option<u32>,
) -> PyResult<Place> {
    let body = match &call.callee {
        Callee::Function(function) if function.stays() => return Err(unmovable(call)),
        Callee::Function(function) => calls.function(function)?,
        Callee::Value(..) | Callee::Method(..) | Callee::Identity(_) => calls.no_function(call.name())?,
    };
    let parts = task::encode(py, call, &inputs.places, inputs.list.len() as u32)?;
    let (arguments, inputs) = calls.encoded(parts, inputs.list)?;
    Ok(Place::Task(calls.task(key.into(), body, 0, Some(arguments), inputs, annotations)))
}

/// A value that is known: a task that gives it, or data of its own when it is large.
fn constant<'py>(
    py: Python<'py>,
    calls: &mut Calls<'py>,
    known: &Known,
    key: String,
    annotations: Option<u32>,
) -> PyResult<Place> {
    let small = matches!(known.value(), Value::Foreign(_)) && known.value().nbytes() < CONSTANT_BYTES_MIN;
    if !small {
        let (key, handle) = calls.data_of_value(known.value(), known.name())?;
        return Ok(Place::Known(key, handle));
    }
    let object = to_object(py, known.value())?.unbind();
    let call = PyCall::identity(Arg::Constant(object), known.name().to_owned(), Origin::unknown());
    add_call(py, calls, &call, key, Inputs::of(std::iter::empty()), annotations)
}

/// What only this process can read is read before anything is sent.
fn read_here(py: Python<'_>, calls: &mut Calls<'_>, op: &dyn Op) -> PyResult<Place> {
    let value = enter(py, || {
        let cancelled = AtomicBool::new(false);
        op.run(&TaskContext { index: 0, cancelled: &cancelled, memory_limit: None }, &mut Vec::new())
    })?;
    let (key, handle) = calls.data_of_value(&value, op.name())?;
    Ok(Place::Known(key, handle))
}

/// A task's own annotations over those of the submission.
fn own_annotations(calls: &mut Calls<'_>, plan: &Plan, id: u32) -> Option<u32> {
    let Some(own) = plan.annotations(id) else { return calls.annotations() };
    let mut all = calls.annotations().and_then(|place| calls.annotations_at(place)).cloned().unwrap_or_default();
    all.priority = own.priority.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
    all.retries = own.retries.min(u32::from(u16::MAX)) as u16;
    if !own.workers.is_empty() {
        all.workers = own.workers.iter().map(|worker| worker.as_str().into()).collect();
        all.allow_other_workers = own.allow_other_workers;
    }
    if !own.resources.is_empty() {
        all.resources = own.resources.iter().map(|(name, amount)| (name.as_str().into(), *amount)).collect();
    }
    Some(calls.annotate(all))
}

fn unmovable(op: &dyn Op) -> PyErr {
    PyTypeError::new_err(format!("{} can't be sent to a cluster", op.name()))
}
