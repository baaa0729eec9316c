//! Options that Python gives as dictionaries: of connections, and of tasks.

use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use raskr_cluster::{ClientOptions, CommError, PemFiles, Token};
use raskr_sched::Annotations;

use crate::error::to_python;

/// Resources are counted in millionths.
const RESOURCE_UNIT: f64 = 1e6;

fn get<'py, T>(options: &Bound<'py, PyDict>, name: &str) -> PyResult<Option<T>>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    let Some(value) = options.get_item(name)? else { return Ok(None) };
    if value.is_none() {
        return Ok(None);
    }
    let shown = value.repr().map_or_else(|_| String::new(), |text| text.to_string());
    match value.extract::<T>() {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(PyTypeError::new_err(format!("{name}={shown} is not what was expected there"))),
    }
}

pub fn comm_error(py: Python<'_>, error: CommError) -> PyErr {
    to_python(py, error.into())
}

/// A wait in seconds; too long a one is none.
pub fn seconds(timeout: Option<f64>) -> Option<Duration> {
    timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok())
}

/// What [`super::client::connect`] is told.
pub fn client_options(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<ClientOptions> {
    let address: Option<String> = get(options, "address")?;
    let token: Option<String> = get(options, "token")?;
    let authority: Option<std::path::PathBuf> = get(options, "tls_ca_file")?;
    let certificate: Option<std::path::PathBuf> = get(options, "tls_cert")?;
    let key: Option<std::path::PathBuf> = get(options, "tls_key")?;
    let pem_files = match (authority, certificate) {
        (Some(authority), Some(certificate)) => {
            let key = key.unwrap_or_else(|| certificate.clone());
            Some(PemFiles { authority, certificate, key })
        }
        _ => None,
    };
    let name: Option<String> = get(options, "name")?;
    Ok(ClientOptions {
        address: address.map(|text| text.parse()).transpose().map_err(|error| comm_error(py, error))?,
        scheduler_file: get(options, "scheduler_file")?,
        token: token.map(|text| Token::parse(&text, "token")).transpose().map_err(|error| comm_error(py, error))?,
        pem_files,
        insecure: get(options, "insecure")?.unwrap_or(false),
        name: name.ok_or_else(|| PyValueError::new_err("a client needs a name"))?,
        about: get(options, "about")?.unwrap_or_else(|| "{}".to_owned()),
        timeout: seconds(get(options, "timeout")?),
    })
}

/// What is asked for beside the value of a task; nothing when that is nothing.
pub fn annotations(options: Option<&Bound<'_, PyDict>>) -> PyResult<Option<Annotations>> {
    let Some(options) = options else { return Ok(None) };
    let mut found = Annotations::default();
    if let Some(priority) = get::<i64>(options, "priority")? {
        found.priority = priority.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
    }
    if let Some(retries) = get::<i64>(options, "retries")? {
        let negative = || PyValueError::new_err(format!("retries={retries}: expected 0 or more"));
        found.retries = u64::try_from(retries).map_err(|_| negative())?.min(u64::from(u16::MAX)) as u16;
    }
    if let Some(workers) = get::<Vec<String>>(options, "workers")? {
        found.workers = workers.into_iter().map(Into::into).collect();
    }
    found.allow_other_workers = get(options, "allow_other_workers")?.unwrap_or(false);
    if let Some(named) = get::<Bound<'_, PyDict>>(options, "resources")? {
        found.resources = resources(&named)?.into_iter().map(|(name, amount)| (name.into(), amount)).collect();
    }
    Ok((found != Annotations::default()).then_some(found))
}

/// Amounts of resources in millionths, by their names.
pub fn resources(named: &Bound<'_, PyDict>) -> PyResult<Vec<(String, u64)>> {
    let mut found = Vec::with_capacity(named.len());
    for (name, amount) in named.iter() {
        let name: String = name.extract()?;
        let amount: f64 = amount.extract()?;
        let millionths = amount * RESOURCE_UNIT;
        if !(0.0..=1e18).contains(&millionths) {
            return Err(PyOverflowError::new_err(format!("resources: {amount} of {name:?} can't be had")));
        }
        found.push((name, millionths.round() as u64));
    }
    found.sort();
    Ok(found)
}
