//! A task of a cluster that is run once more in the process of a client, where it can be looked at while it runs.

use std::sync::atomic::AtomicBool;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use raskr_base::{Op, OpKind, TaskContext, Value};
use raskr_cluster::{Missing, Packed};

use super::client::{ids_of, owned, wait_for};
use super::failure;
use super::frames::FrameBody;
use super::future::ClusterFuture;
use super::native::NativeBody;
use super::task::{self, BodyCode, CallArguments};
use super::values::{input_value, unpack_value};
use crate::enter::enter;
use crate::error::to_python;
use crate::object::to_object;

/// What a task gives, from what the scheduler knows of it and the futures of its inputs, which are fetched.
#[pyfunction]
#[pyo3(signature = (code, index, arguments, inputs))]
pub fn run_here<'py>(
    py: Python<'py>,
    code: &[u8],
    index: u32,
    arguments: Option<&[u8]>,
    inputs: Vec<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let inputs = fetched(py, &inputs)?;
    let cancelled = AtomicBool::new(false);
    let native = || inputs.iter().map(unpack_value).collect::<Result<Vec<Value>, _>>();
    let value = match BodyCode::decoded(code)? {
        BodyCode::Native(bytes) => {
            let body = NativeBody::decode(py, &bytes)?;
            let inputs = native().map_err(|error| to_python(py, error))?;
            if body.kind(index).map_err(|error| to_python(py, error))? == OpKind::Native {
                enter(py, || body.run(index, inputs, arguments, &cancelled))
            } else {
                // On this very thread, so that a debugger works in what it calls.
                body.run(index, inputs, arguments, &cancelled).map_err(|error| to_python(py, error))
            }
        }
        BodyCode::Frame(bytes) => enter(py, || {
            let body = FrameBody::decode(&bytes)?;
            body.run(arguments.unwrap_or_default(), &native()?, &cancelled, None)
        }),
        code => {
            let arguments = arguments.ok_or_else(|| PyValueError::new_err("a task is known without its arguments"))?;
            let call = task::decode(py, code.function(py)?, &CallArguments::decoded(arguments)?)?;
            let mut values = inputs.iter().map(|input| input_value(py, input, true)).collect::<PyResult<Vec<_>>>()?;
            let context = TaskContext { index: 0, cancelled: &cancelled, memory_limit: None };
            call.run(&context, &mut values).map_err(|error| to_python(py, error))
        }
    };
    to_object(py, &value?)
}

/// The values of futures of one client, as they came.
fn fetched(py: Python<'_>, futures: &[Bound<'_, PyAny>]) -> PyResult<Vec<Packed>> {
    let Some(first) = futures.first() else { return Ok(Vec::new()) };
    let handle = first.cast::<ClusterFuture>()?.get().handle();
    let mut gathering = handle.client().gather(ids_of(futures)?, true);
    let gathered = wait_for(py, None, |within| gathering.wait(within))?.unwrap_or_default();
    let failed = |one: &_| matches!(one, Err(missing) if !matches!(missing, Missing::NotAwaited));
    if let Some(place) = gathered.iter().position(failed)
        && let Err(missing) = &gathered[place]
    {
        return Err(failure::of_missing(py, futures[place].cast::<ClusterFuture>()?.get().text(), missing));
    }
    let taken = gathered.into_iter().zip(futures).map(|(one, future)| match one {
        Ok(fetched) => Ok(if fetched.own { fetched.value } else { owned(&fetched.value) }),
        Err(missing) => Err(failure::of_missing(py, future.cast::<ClusterFuture>()?.get().text(), &missing)),
    });
    taken.collect()
}
