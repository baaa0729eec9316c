//! What Python says of a worker that is to be started: which scheduler, where to listen, how much it may take.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use raskr_cluster::{
    Address, ClusterFile, CommError, Contact, Host, PemFiles, Security, Token, WorkerSettings, find, interface_address,
    outward_address,
};
use serde_json::{Map, json};

use super::runner::RunnerOptions;
use crate::error::to_python;
use crate::interpreter::Lock;
use crate::run::Children;

/// All options that are known.
const NAMES: [&str; 20] = [
    "scheduler_address",
    "scheduler_file",
    "token",
    "name",
    "nthreads",
    "memory_limit",
    "resources",
    "local_directory",
    "spill_limit",
    "target",
    "host",
    "port",
    "interface",
    "protocol",
    "insecure",
    "death_timeout",
    "children",
    "tls_ca_file",
    "tls_cert",
    "tls_key",
];

/// Resources are counted in millionths.
const RESOURCE_UNIT: f64 = 1e6;

/// An option that may be absent or None.
fn get<'py, T>(options: &Bound<'py, PyDict>, name: &str) -> PyResult<Option<T>>
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

fn comm_error(py: Python<'_>, error: CommError) -> PyErr {
    to_python(py, error.into())
}

pub fn worker_options(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<(WorkerSettings, RunnerOptions)> {
    for name in options.keys() {
        let name: String = name.extract()?;
        if !NAMES.contains(&name.as_str()) {
            return Err(PyTypeError::new_err(format!(
                "a worker has no option {name:?}; there are {}",
                NAMES.join(", ")
            )));
        }
    }
    let scheduler = contact(py, options)?;
    let name: String = get(options, "name")?.unwrap_or_default();
    let mut settings = WorkerSettings::new(name.as_str(), scheduler);
    settings.threads = get::<u32>(options, "nthreads")?.unwrap_or(1).max(1);
    settings.memory_limit = get(options, "memory_limit")?.unwrap_or(0);
    settings.spill_limit = get(options, "spill_limit")?;
    settings.target = get(options, "target")?.unwrap_or(settings.target);
    settings.resources = resources(options)?;
    if let Some(folder) = get::<PathBuf>(options, "local_directory")? {
        settings.local_directory = folder;
    }
    settings.listen = listen(py, options, &settings.scheduler)?;
    settings.death_timeout = match get::<f64>(options, "death_timeout")? {
        Some(seconds) if seconds.is_nan() || seconds < 0.0 => {
            return Err(PyValueError::new_err(format!("death_timeout={seconds}: expected seconds, 0 or more")));
        }
        seconds => seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    };
    let place = get::<String>(options, "scheduler_address")?
        .or_else(|| (settings.scheduler)().ok().map(|(address, _)| address.to_string()))
        .unwrap_or_default();
    let resources: Map<_, _> = settings
        .resources
        .iter()
        .map(|(name, amount)| (name.to_string(), json!(*amount as f64 / RESOURCE_UNIT)))
        .collect();
    let mut about = Map::new();
    about.insert("name".into(), json!(name));
    about.insert("local_directory".into(), json!(settings.local_directory.display().to_string()));
    about.insert("nthreads".into(), json!(settings.threads));
    about.insert("memory_limit".into(), json!(settings.memory_limit));
    about.insert("resources".into(), resources.into());
    about.insert("scheduler_address".into(), json!(place));
    settings.about = about.clone();
    settings.about.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
    settings.about.insert("python".into(), json!(Python::version_str()));
    let children = match options.get_item("children")?.filter(|children| !children.is_none()) {
        Some(children) => {
            let (mut start, setup) = children.extract::<Children>()?.start();
            start.variables.push(("RASKR_SCHEDULER_ADDRESS".into(), place.into()));
            if let Ok((_, security)) = (settings.scheduler)() {
                start.variables.push((raskr_cluster::TOKEN_VARIABLE.into(), security.token().reveal().into()));
            }
            Some((start, setup))
        }
        None => None,
    };
    let memory_limit = settings.memory_limit;
    Ok((settings, RunnerOptions { children, memory_limit, interpreter: Lock::new(py)?, about }))
}

fn resources(options: &Bound<'_, PyDict>) -> PyResult<Vec<(Arc<str>, u64)>> {
    let mut found = Vec::new();
    if let Some(resources) = get::<Bound<'_, PyDict>>(options, "resources")? {
        for (name, amount) in resources.iter() {
            let (name, amount): (String, f64) = (name.extract()?, amount.extract()?);
            let millionths = amount * RESOURCE_UNIT;
            if !(0.0..=1e18).contains(&millionths) {
                return Err(PyValueError::new_err(format!("resources: {amount} of {name:?} can't be had")));
            }
            found.push((name.into(), millionths.round() as u64));
        }
        found.sort();
    }
    Ok(found)
}

fn pem_files(options: &Bound<'_, PyDict>) -> PyResult<Option<PemFiles>> {
    let authority: Option<PathBuf> = get(options, "tls_ca_file")?;
    let certificate: Option<PathBuf> = get(options, "tls_cert")?;
    let key: Option<PathBuf> = get(options, "tls_key")?;
    match (authority, certificate) {
        (Some(authority), Some(certificate)) => {
            let key = key.unwrap_or_else(|| certificate.clone());
            Ok(Some(PemFiles { authority, certificate, key }))
        }
        (None, None) => Ok(None),
        _ => Err(PyValueError::new_err("TLS with certificates of one's own takes both tls_ca_file and tls_cert")),
    }
}

/// Says where the scheduler is, each time that it is to be reached.
fn contact(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<Contact> {
    let token = get::<String>(options, "token")?.map(|text| Token::parse(&text, "token")).transpose();
    let token = token.map_err(|error| comm_error(py, error))?;
    let pem_files = pem_files(options)?;
    let insecure = get(options, "insecure")?.unwrap_or(false);
    let secured = move |security: Security| -> Result<Security, CommError> {
        let security = match &pem_files {
            Some(files) => Security::with_pem_files(security.token().clone(), files)?,
            None => security,
        };
        Ok(if insecure { security.insecure() } else { security })
    };
    if let Some(path) = get::<PathBuf>(options, "scheduler_file")? {
        return Ok(Arc::new(move || {
            let file = ClusterFile::read(&path)?;
            Ok((file.address, secured(file.security)?))
        }));
    }
    let Some(text) = get::<String>(options, "scheduler_address")? else {
        return Err(PyValueError::new_err("a worker needs the address of a scheduler, or its scheduler file"));
    };
    let address: Address = text.parse().map_err(|error| comm_error(py, error))?;
    Ok(Arc::new(move || match &token {
        Some(token) => Ok((address.clone(), secured(Security::new(token.clone()))?)),
        None => {
            let (address, security) = find(&address)?;
            Ok((address, secured(security)?))
        }
    }))
}

/// Where others are to reach the worker: as near to the scheduler as can be, where nothing else is said.
fn listen(py: Python<'_>, options: &Bound<'_, PyDict>, scheduler: &Contact) -> PyResult<Address> {
    let protocol: Option<String> = get(options, "protocol")?;
    let protocol = protocol.map(|protocol| protocol.trim_end_matches("://").to_owned());
    let port: u16 = get(options, "port")?.unwrap_or(0);
    let host: Option<String> = get(options, "host")?;
    let interface: Option<String> = get(options, "interface")?;
    // A scheduler that is not known yet will be on another machine, if anybody has to tell of it by a file.
    let scheduler = scheduler().ok().map(|(address, _)| address);
    if protocol.as_deref() == Some("inproc")
        || protocol.is_none() && host.is_none() && matches!(scheduler, Some(Address::Inproc(_)))
    {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        return Ok(Address::Inproc(format!("{}/worker-{number}", std::process::id())));
    }
    let name = match (host, interface) {
        (Some(host), _) if host.contains("://") => {
            let address: Address = host.parse().map_err(|error| comm_error(py, error))?;
            return Ok(if port == 0 { address } else { address.with_port(port) });
        }
        (Some(_), Some(_)) => return Err(PyValueError::new_err("host= and interface= are both given: choose one")),
        (Some(host), None) if host == "*" => "0.0.0.0".to_owned(),
        (Some(host), None) => host.trim_matches(['[', ']']).to_owned(),
        (None, Some(interface)) => interface_address(&interface).map_err(|error| comm_error(py, error))?.to_string(),
        (None, None) => match &scheduler {
            Some(address) if address.is_local() => "127.0.0.1".to_owned(),
            other => {
                let v6 = other.as_ref().and_then(|address| address.host()?.ip()).is_some_and(|ip| ip.is_ipv6());
                outward_address(v6).to_string()
            }
        },
    };
    let host = Host::new(name, port);
    match (protocol.as_deref(), &scheduler) {
        (Some("tcp"), _) | (None, Some(Address::Tcp(_))) => Ok(Address::Tcp(host)),
        (Some("tls"), _) | (None, Some(Address::Tls(_))) => Ok(Address::Tls(host)),
        (None, _) => Ok(Address::of_host(host)),
        (Some(other), _) => {
            Err(PyValueError::new_err(format!("protocol={other:?}: expected 'tcp', 'tls' or 'inproc'")))
        }
    }
}
