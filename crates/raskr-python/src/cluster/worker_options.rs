//! What Python says of a worker that is to be started: which scheduler, where to listen, how much it may take.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use raskr_cluster::{Address, ClusterFile, CommError, Contact, Host, Security, WorkerSettings, find, outward_address};
use serde_json::{Map, json};

use super::options::{
    Place, RESOURCE_UNIT, address_by, check_names, comm_error, get, pem_files, place, protocol, resources, seconds_of,
    token,
};
use super::runner::RunnerOptions;
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

pub fn worker_options(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<(WorkerSettings, RunnerOptions)> {
    check_names("a worker", options, &NAMES)?;
    let scheduler = contact(py, options)?;
    let name: String = get(options, "name")?.unwrap_or_default();
    let mut settings = WorkerSettings::new(name.as_str(), scheduler);
    settings.threads = get::<u32>(options, "nthreads")?.unwrap_or(1).max(1);
    settings.memory_limit = get(options, "memory_limit")?.unwrap_or(0);
    settings.spill_limit = get(options, "spill_limit")?;
    settings.target = get(options, "target")?.unwrap_or(settings.target);
    if let Some(named) = get::<Bound<'_, PyDict>>(options, "resources")? {
        settings.resources = resources(&named)?.into_iter().map(|(name, amount)| (name.into(), amount)).collect();
    }
    if let Some(folder) = get::<PathBuf>(options, "local_directory")? {
        settings.local_directory = folder;
    }
    settings.listen = listen(py, options, &settings.scheduler)?;
    settings.death_timeout = seconds_of("death_timeout", options)?;
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

/// Says where the scheduler is, each time that it is to be reached.
fn contact(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<Contact> {
    let token = token(py, options)?;
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
    let (protocol, place) = (protocol(options)?, place(py, options)?);
    let port: u16 = get(options, "port")?.unwrap_or(0);
    // A scheduler that is not known yet will be on another machine, if anybody has to tell of it by a file.
    let scheduler = scheduler().ok().map(|(address, _)| address);
    let has_host = !get::<String>(options, "host")?.unwrap_or_default().is_empty();
    if protocol.as_deref() == Some("inproc")
        || protocol.is_none() && !has_host && matches!(scheduler, Some(Address::Inproc(_)))
    {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        return Ok(Address::Inproc(format!("{}/worker-{number}", std::process::id())));
    }
    let name = match (place, &scheduler) {
        (Place::Address(address), _) => return Ok(if port == 0 { address } else { address.with_port(port) }),
        (Place::Host(name), _) => name,
        (Place::Untold, Some(address)) if address.is_local() => "127.0.0.1".to_owned(),
        (Place::Untold, other) => {
            let v6 = other.as_ref().and_then(|address| address.host()?.ip()).is_some_and(|ip| ip.is_ipv6());
            outward_address(v6).to_string()
        }
    };
    address_by(protocol.as_deref(), Host::new(name, port), |host| match &scheduler {
        Some(Address::Tcp(_)) => Address::Tcp(host),
        Some(Address::Tls(_)) => Address::Tls(host),
        _ => Address::of_host(host),
    })
}
