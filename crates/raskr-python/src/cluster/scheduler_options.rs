//! What Python says of a scheduler that is to be started: where to listen, who may join, how long to be patient.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use raskr_cluster::{Address, Host, Security, ServerOptions, Token};
use raskr_sched::SchedulerOptions;

use super::options::{Place, address_by, check_names, comm_error, get, pem_files, place, protocol, seconds_of, token};

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

/// A name that no other scheduler of this process has.
fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{}/{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn address(py: Python<'_>, options: &Bound<'_, PyDict>, insecure: bool) -> PyResult<Address> {
    let (protocol, port) = (protocol(options)?, get::<u16>(options, "port")?);
    if protocol.as_deref() == Some("inproc") {
        return Ok(Address::Inproc(unique()));
    }
    let name = match place(py, options)? {
        Place::Address(address) => {
            return Ok(match port {
                Some(port) => address.with_port(port),
                None => address,
            });
        }
        Place::Host(name) => name,
        Place::Untold => "127.0.0.1".to_owned(),
    };
    let otherwise = if insecure { Address::Tcp } else { Address::of_host };
    address_by(protocol.as_deref(), Host::new(name, port.unwrap_or(0)), otherwise)
}

fn security(py: Python<'_>, options: &Bound<'_, PyDict>, insecure: bool) -> PyResult<Security> {
    let failed = |error| comm_error(py, error);
    let token = match token(py, options)? {
        Some(token) => token,
        None => match Token::from_environment().map_err(failed)? {
            Some(token) => token,
            None => Token::random().map_err(failed)?,
        },
    };
    let security = match pem_files(options)? {
        Some(files) => Security::with_pem_files(token, &files).map_err(failed)?,
        None => Security::new(token),
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
        if let Some(value) = seconds_of(name, options)? {
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
    check_names("a scheduler", options, &NAMES)?;
    let insecure = get(options, "insecure")?.unwrap_or(false);
    let mut server = ServerOptions::new(address(py, options, insecure)?, security(py, options, insecure)?);
    server.machine = machine(options)?;
    server.connections.silence_max = Some(server.machine.lost_after);
    server.scheduler_file = get(options, "scheduler_file")?;
    server.publish = get(options, "publish")?.unwrap_or(false);
    server.idle_timeout = seconds_of("idle_timeout", options)?;
    if let Some(within) = seconds_of("resume_within", options)? {
        server.resume_within = within;
    }
    Ok(server)
}
