//! Where a dashboard is to listen, as users write it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};

use crate::error::DashboardError;

/// Taken when no port is named; the only one that gives way to another when it is in use.
pub const DEFAULT_PORT: u16 = 8787;

/// A listener, and what is to be said if it is not where it was asked for.
pub(crate) struct Bound {
    pub listener: TcpListener,
    pub address: SocketAddr,
    pub host: String,
    pub moved: Option<String>,
}

/// A host and a port; loopback where no host is named, so that `:8787` opens nothing to others.
fn parse(given: &str) -> Result<(String, u16), DashboardError> {
    let bad = |found: &str| DashboardError::Address { given: given.to_owned(), found: found.to_owned() };
    let text = given.trim();
    let text = match text.split_once("://") {
        Some(("http" | "tcp", rest)) => rest,
        Some((scheme, _)) => return Err(bad(&format!("{scheme:?} is not served, only http"))),
        None => text,
    };
    let text = text.strip_suffix('/').unwrap_or(text);
    let (host, port) = if text.parse::<u16>().is_ok() {
        ("", Some(text))
    } else if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| bad("the bracket is not closed"))?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(bad(&format!("{rest:?} follows the bracket"))),
        }
    } else if text.matches(':').count() > 1 {
        (text, None)
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let port = match port {
        None | Some("") => DEFAULT_PORT,
        Some(port) => port.parse().map_err(|_| bad(&format!("{port:?} is no port (0 to 65535)")))?,
    };
    if host.chars().any(|c| c.is_whitespace() || c == '/' || c == '@') {
        return Err(bad(&format!("{host:?} is no host")));
    }
    let host = if host.is_empty() { Ipv4Addr::LOCALHOST.to_string() } else { host.to_owned() };
    Ok((host, port))
}

/// Listens. A default port that is taken gives way to one that is free; any other is an error that names who has it.
pub(crate) fn listen(given: &str, holder: Option<fn(u16) -> Option<String>>) -> Result<Bound, DashboardError> {
    let (host, port) = parse(given)?;
    let shown = |ip: &str| if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") };
    let failed = |error: &io::Error| DashboardError::Listen { address: shown(&host), reason: error.to_string() };
    let addresses: Vec<SocketAddr> = (host.as_str(), port).to_socket_addrs().map_err(|error| failed(&error))?.collect();
    let bind = |port: u16| {
        let places: Vec<SocketAddr> = addresses.iter().map(|place| SocketAddr::new(place.ip(), port)).collect();
        TcpListener::bind(places.as_slice())
    };
    let in_use = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
    let named = |port| holder.and_then(|holder| holder(port));
    let (listener, moved) = match bind(port) {
        Ok(listener) => (listener, None),
        Err(error) if in_use(&error) && port == DEFAULT_PORT => {
            let listener = bind(0).map_err(|error| failed(&error))?;
            let by = named(port).map(|holder| format!(" by {holder}")).unwrap_or_default();
            (listener, Some(format!("port {port} is in use{by}: the dashboard is on another one")))
        }
        Err(error) if in_use(&error) => {
            return Err(DashboardError::InUse { address: shown(&host), holder: named(port) });
        }
        Err(error) => return Err(failed(&error)),
    };
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    listener.set_nonblocking(true).map_err(|error| failed(&error))?;
    let moved = moved.map(|words| format!("{words}, {}", address.port()));
    Ok(Bound { listener, address, host, moved })
}

/// What a link says for where it listens.
pub(crate) fn shown(ip: IpAddr) -> String {
    match ip {
        // Listening everywhere is reached here, too, and this is where the link is printed.
        ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_users_write_them() {
        let cases = [
            ("", "127.0.0.1", 8787),
            (":0", "127.0.0.1", 0),
            ("8788", "127.0.0.1", 8788),
            (" :8788 ", "127.0.0.1", 8788),
            ("localhost", "localhost", 8787),
            ("0.0.0.0:0", "0.0.0.0", 0),
            ("http://10.0.0.1:80/", "10.0.0.1", 80),
            ("[::1]:8787", "::1", 8787),
            ("[::1]", "::1", 8787),
            ("::1", "::1", 8787),
            ("host:", "host", 8787),
        ];
        for (given, host, port) in cases {
            assert_eq!(parse(given), Ok((host.to_owned(), port)), "{given}");
        }
    }

    #[test]
    fn what_is_no_address_is_shown_with_what_is_wrong() {
        let cases = [
            ("localhost:http", "\"http\" is no port"),
            (":70000", "\"70000\" is no port"),
            ("https://localhost", "\"https\" is not served"),
            ("[::1:80", "not closed"),
            ("[::1]x", "\"x\" follows"),
            ("a b:80", "is no host"),
        ];
        for (given, words) in cases {
            let error = parse(given).expect_err(given).to_string();
            assert!(error.contains(words) && error.contains(&format!("{given:?}")), "{error}");
        }
    }

    #[test]
    fn a_port_that_is_taken_is_named_with_who_has_it() {
        let first = listen(":0", None).expect("a free port");
        let port = first.address.port();
        let error = listen(&format!(":{port}"), Some(|_| Some("pid 7 (editor)".into()))).err().expect("taken");
        assert_eq!(
            error.to_string(),
            format!("dashboard address 127.0.0.1:{port}: the port is in use by pid 7 (editor)")
        );
        let error = listen("192.0.2.1:0", None).err().expect("not an address of this machine").to_string();
        assert!(error.contains("192.0.2.1:0: can't listen there"), "{error}");
    }
}
