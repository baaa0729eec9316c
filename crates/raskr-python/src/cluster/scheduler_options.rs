//! What Python says of a scheduler that is to be started: where to listen, who may join, how long to be patient.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use raskr_base::TaskError;
use raskr_cluster::{Address, CommError, Host, PemFiles, Security, ServerOptions, Token, interface_address};
use raskr_sched::SchedulerOptions;

use crate::error::to_python;

/// All options that are known.
const NAMES: [&str; 26] = [
    "host",
    "port",
    "interface",
    "protocol",
    "dashboard_address",
    "dashboard_prefix",
    "scheduler_file",
    "insecure",
    "tls_ca_file",
    "tls_cert",
    "tls_key",
    "token",
    "idle_timeout",
    "publish",
    "suspect_after",
    "lost_after",
    "resume_within",
    "drain",
    "kills_max",
    "losses_max",
    "bandwidth",
    "latency",
    "unknown_duration",
    "admission",
    "admission_spilling",
    "story_len",
];

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

pub fn comm_error(py: Python<'_>, error: CommError) -> PyErr {
    to_python(py, TaskError::from(error))
}

/// Seconds; too many are none.
pub fn seconds(name: &str, value: Option<f64>) -> PyResult<Option<Duration>> {
    match value {
        Some(value) if value.is_nan() || value < 0.0 => {
            Err(PyValueError::new_err(format!("{name}={value}: expected seconds, 0 or more")))
        }
        value => Ok(value.and_then(|value| Duration::try_from_secs_f64(value).ok())),
    }
}

/// A name that no other scheduler of this process has.
fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{}/{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn address(py: Python<'_>, options: &Bound<'_, PyDict>, insecure: bool) -> PyResult<Address> {
    let protocol: Option<String> = get(options, "protocol")?;
    let port: Option<u16> = get(options, "port")?;
    let host: Option<String> = get(options, "host")?;
    let interface: Option<String> = get(options, "interface")?;
    let protocol = protocol.map(|protocol| protocol.trim_end_matches("://").to_owned());
    if protocol.as_deref() == Some("inproc") {
        return Ok(Address::Inproc(unique()));
    }
    let name = match (host, interface) {
        (Some(host), _) if host.contains("://") => {
            let address: Address = host.parse().map_err(|error| comm_error(py, error))?;
            return Ok(match port {
                Some(port) => address.with_port(port),
                None => address,
            });
        }
        (Some(_), Some(_)) => return Err(PyValueError::new_err("host= and interface= are both given: choose one")),
        (Some(host), None) if host == "*" => "0.0.0.0".to_owned(),
        (Some(host), None) if host.is_empty() => "127.0.0.1".to_owned(),
        (Some(host), None) => host.trim_matches(['[', ']']).to_owned(),
        (None, Some(interface)) => interface_address(&interface).map_err(|error| comm_error(py, error))?.to_string(),
        (None, None) => "127.0.0.1".to_owned(),
    };
    let host = Host::new(name, port.unwrap_or(0));
    match protocol.as_deref() {
        None if insecure => Ok(Address::Tcp(host)),
        None => Ok(Address::of_host(host)),
        Some("tcp") => Ok(Address::Tcp(host)),
        Some("tls") => Ok(Address::Tls(host)),
        Some(other) => Err(PyValueError::new_err(format!("protocol={other:?}: expected 'tcp', 'tls' or 'inproc'"))),
    }
}

fn security(py: Python<'_>, options: &Bound<'_, PyDict>, insecure: bool) -> PyResult<Security> {
    let token = match get::<String>(options, "token")? {
        Some(text) => Token::parse(&text, "token"),
        None => Token::from_environment().and_then(|token| token.map_or_else(Token::random, Ok)),
    };
    let token = token.map_err(|error| comm_error(py, error))?;
    let authority: Option<PathBuf> = get(options, "tls_ca_file")?;
    let certificate: Option<PathBuf> = get(options, "tls_cert")?;
    let key: Option<PathBuf> = get(options, "tls_key")?;
    let security = match (authority, certificate) {
        (Some(authority), Some(certificate)) => {
            let key = key.unwrap_or_else(|| certificate.clone());
            let files = PemFiles { authority, certificate, key };
            Security::with_pem_files(token, &files).map_err(|error| comm_error(py, error))?
        }
        (None, None) if key.is_none() => Security::new(token),
        _ => {
            return Err(PyValueError::new_err(
                "certificates of one's own take tls_ca_file and tls_cert, and tls_key unless the key is in the same file",
            ));
        }
    };
    Ok(if insecure { security.insecure() } else { security })
}

fn machine(options: &Bound<'_, PyDict>) -> PyResult<SchedulerOptions> {
    let mut machine = SchedulerOptions::default();
    for (name, place) in [
        ("suspect_after", &mut machine.suspect_after),
        ("lost_after", &mut machine.lost_after),
        ("drain", &mut machine.drain),
        ("latency", &mut machine.latency),
        ("unknown_duration", &mut machine.unknown_duration),
    ] {
        if let Some(value) = seconds(name, get(options, name)?)? {
            *place = value;
        }
    }
    let set = |name, place: &mut u8| get(options, name).map(|value| *place = value.unwrap_or(*place));
    set("kills_max", &mut machine.kills_max)?;
    set("losses_max", &mut machine.losses_max)?;
    machine.bandwidth = get(options, "bandwidth")?.unwrap_or(machine.bandwidth);
    machine.admission = get(options, "admission")?.unwrap_or(machine.admission);
    machine.admission_spilling = get(options, "admission_spilling")?.unwrap_or(machine.admission_spilling);
    machine.story_len = get(options, "story_len")?.unwrap_or(machine.story_len);
    Ok(machine)
}

/// Where the page is to be, if there is to be one, and what stands in front of its paths.
pub fn page_options(options: &Bound<'_, PyDict>) -> PyResult<Option<(String, String)>> {
    let prefix: Option<String> = get(options, "dashboard_prefix")?;
    let address: Option<String> = get(options, "dashboard_address")?;
    Ok(address.map(|address| (address, prefix.unwrap_or_default())))
}

pub fn server_options(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<ServerOptions> {
    for name in options.keys() {
        let name: String = name.extract()?;
        if !NAMES.contains(&name.as_str()) {
            return Err(PyTypeError::new_err(format!(
                "a scheduler has no option {name:?}; there are {}",
                NAMES.join(", ")
            )));
        }
    }
    let insecure = get(options, "insecure")?.unwrap_or(false);
    let mut server = ServerOptions::new(address(py, options, insecure)?, security(py, options, insecure)?);
    server.machine = machine(options)?;
    server.connections.silence_max = Some(server.machine.lost_after);
    server.scheduler_file = get(options, "scheduler_file")?;
    server.publish = get(options, "publish")?.unwrap_or(false);
    server.idle_timeout = seconds("idle_timeout", get(options, "idle_timeout")?)?;
    if let Some(within) = seconds("resume_within", get(options, "resume_within")?)? {
        server.resume_within = within;
    }
    Ok(server)
}
