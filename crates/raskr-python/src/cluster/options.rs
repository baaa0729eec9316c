//! Options that Python gives as dictionaries: what those of clients, schedulers and workers have in common, and those of
//! clients and of tasks.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use raskr_cluster::{Address, ClientOptions, CommError, Host, PemFiles, Token, interface_address};
use raskr_sched::Annotations;

use crate::error::to_python;

/// Resources are counted in millionths.
pub const RESOURCE_UNIT: f64 = 1e6;

/// TypeError for options that are not known; `who` is who has them.
pub fn check_names(who: &str, options: &Bound<'_, PyDict>, known: &[&str]) -> PyResult<()> {
    for name in options.keys() {
        let name: String = name.extract()?;
        if !known.contains(&name.as_str()) {
            let known = known.join(", ");
            return Err(PyTypeError::new_err(format!("{who} has no option {name:?}; there are {known}")));
        }
    }
    Ok(())
}

/// An option that may be absent or None.
pub fn get<'py, T>(options: &Bound<'py, PyDict>, name: &str) -> PyResult<Option<T>>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    let Some(value) = options.get_item(name)?.filter(|value| !value.is_none()) else { return Ok(None) };
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

/// An option of seconds; too many are none.
pub fn seconds_of(name: &str, options: &Bound<'_, PyDict>) -> PyResult<Option<Duration>> {
    match get::<f64>(options, name)? {
        Some(value) if value.is_nan() || value < 0.0 => {
            Err(PyValueError::new_err(format!("{name}={value}: expected seconds, 0 or more")))
        }
        value => Ok(seconds(value)),
    }
}

/// The cluster's token, where it is given.
pub fn token(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<Option<Token>> {
    let given = get::<String>(options, "token")?.map(|text| Token::parse(&text, "token"));
    given.transpose().map_err(|error| comm_error(py, error))
}

/// Certificates of one's own, where they are given.
pub fn pem_files(options: &Bound<'_, PyDict>) -> PyResult<Option<PemFiles>> {
    let authority: Option<PathBuf> = get(options, "tls_ca_file")?;
    let certificate: Option<PathBuf> = get(options, "tls_cert")?;
    let key: Option<PathBuf> = get(options, "tls_key")?;
    match (authority, certificate) {
        (Some(authority), Some(certificate)) => {
            let key = key.unwrap_or_else(|| certificate.clone());
            Ok(Some(PemFiles { authority, certificate, key }))
        }
        (None, None) if key.is_none() => Ok(None),
        _ => Err(PyValueError::new_err(
            "certificates of one's own take tls_ca_file and tls_cert, and tls_key unless the key is in the same file",
        )),
    }
}

/// Where to listen, as far as it is told.
pub enum Place {
    Address(Address),
    Host(String),
    Untold,
}

/// What `host` and `interface` say.
pub fn place(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<Place> {
    let (host, interface): (Option<String>, Option<String>) = (get(options, "host")?, get(options, "interface")?);
    Ok(match (host.filter(|host| !host.is_empty()), interface) {
        (Some(host), _) if host.contains("://") => Place::Address(host.parse().map_err(|error| comm_error(py, error))?),
        (Some(_), Some(_)) => return Err(PyValueError::new_err("host= and interface= are both given: choose one")),
        (Some(host), None) if host == "*" => Place::Host("0.0.0.0".to_owned()),
        (Some(host), None) => Place::Host(host.trim_matches(['[', ']']).to_owned()),
        (None, Some(interface)) => {
            Place::Host(interface_address(&interface).map_err(|error| comm_error(py, error))?.to_string())
        }
        (None, None) => Place::Untold,
    })
}

/// The protocol's name, where it is given.
pub fn protocol(options: &Bound<'_, PyDict>) -> PyResult<Option<String>> {
    Ok(get::<String>(options, "protocol")?.map(|protocol| protocol.trim_end_matches("://").to_owned()))
}

/// A host's address by a protocol of sockets; by `otherwise` where none is told.
pub fn address_by(protocol: Option<&str>, host: Host, otherwise: impl FnOnce(Host) -> Address) -> PyResult<Address> {
    match protocol {
        None => Ok(otherwise(host)),
        Some("tcp") => Ok(Address::Tcp(host)),
        Some("tls") => Ok(Address::Tls(host)),
        Some(other) => Err(PyValueError::new_err(format!("protocol={other:?}: expected 'tcp', 'tls' or 'inproc'"))),
    }
}

/// What [`super::client::connect`] is told.
pub fn client_options(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<ClientOptions> {
    let address: Option<String> = get(options, "address")?;
    let name: Option<String> = get(options, "name")?;
    let otherwise = ClientOptions::default();
    Ok(ClientOptions {
        address: address.map(|text| text.parse()).transpose().map_err(|error| comm_error(py, error))?,
        scheduler_file: get(options, "scheduler_file")?,
        token: token(py, options)?,
        pem_files: pem_files(options)?,
        insecure: get(options, "insecure")?.unwrap_or(false),
        name: name.ok_or_else(|| PyValueError::new_err("a client needs a name"))?,
        about: get(options, "about")?.unwrap_or_else(|| "{}".to_owned()),
        timeout: seconds(get(options, "timeout")?),
        kept_bytes_max: get(options, "kept_bytes")?.unwrap_or(otherwise.kept_bytes_max),
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
            return Err(PyValueError::new_err(format!("resources: {amount} of {name:?} can't be had")));
        }
        found.push((name, millionths.round() as u64));
    }
    found.sort();
    Ok(found)
}
