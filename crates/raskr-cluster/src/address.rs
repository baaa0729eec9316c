//! Addresses of schedulers and workers: what users type, what is listened on, and what others are told.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::CommError;

/// The port of a scheduler where none is named.
pub const DEFAULT_PORT: u16 = 8786;

/// A host's name or number, without brackets, and a port; port 0 has the system choose one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Host {
    pub name: String,
    pub port: u16,
}

impl Host {
    pub fn new(name: impl Into<String>, port: u16) -> Host {
        Host { name: name.into(), port }
    }

    /// The number, where the name is one.
    pub fn ip(&self) -> Option<IpAddr> {
        // A zone (`fe80::1%eth0`) is the resolver's business.
        self.name.parse().ok()
    }

    /// Is it this machine only? Names but `localhost` are not, whatever they resolve to.
    pub fn is_loopback(&self) -> bool {
        match self.ip() {
            Some(IpAddr::V6(ip)) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
            Some(IpAddr::V4(ip)) => ip.is_loopback(),
            None => self.name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Does it stand for all addresses of the machine?
    pub fn is_unspecified(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// Where a process listens. Shown and parsed as a URL.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Address {
    /// Not encrypted: for loopback, and for networks that are trusted explicitly.
    Tcp(Host),
    /// TLS 1.3 with certificates on both sides.
    Tls(Host),
    /// A socket in the file system, for processes of one machine.
    Unix(PathBuf),
    /// Within this process.
    Inproc(String),
}

impl Address {
    /// Loopback, a port of the system's choice.
    pub fn loopback() -> Address {
        Address::Tcp(Host::new("127.0.0.1", 0))
    }

    /// Plain for loopback, TLS for all else.
    pub fn of_host(host: Host) -> Address {
        if host.is_loopback() { Address::Tcp(host) } else { Address::Tls(host) }
    }

    pub fn host(&self) -> Option<&Host> {
        match self {
            Address::Tcp(host) | Address::Tls(host) => Some(host),
            Address::Unix(_) | Address::Inproc(_) => None,
        }
    }

    /// The same with another port; other kinds have none.
    pub fn with_port(mut self, new: u16) -> Address {
        if let Address::Tcp(host) | Address::Tls(host) = &mut self {
            host.port = new;
        }
        self
    }

    /// The same on another host; other kinds have none.
    pub fn with_host(mut self, name: impl Into<String>) -> Address {
        if let Address::Tcp(host) | Address::Tls(host) = &mut self {
            host.name = name.into();
        }
        self
    }

    /// Can nobody but processes of this machine reach it?
    pub fn is_local(&self) -> bool {
        self.host().is_none_or(Host::is_loopback)
    }

    /// May others read along? Loopback and sockets of one machine count as encrypted: nothing leaves the machine.
    pub(crate) fn is_exposed(&self) -> bool {
        matches!(self, Address::Tcp(host) if !host.is_loopback())
    }

    /// The address without its scheme, as messages about ports name it.
    pub fn place(&self) -> String {
        match self {
            Address::Tcp(host) | Address::Tls(host) => host.to_string(),
            Address::Unix(path) => path.display().to_string(),
            Address::Inproc(name) => format!("inproc://{name}"),
        }
    }

    /// Do both lead to the same listener, as far as can be told without asking the network?
    pub(crate) fn same_place(&self, other: &Address) -> bool {
        match (self.host(), other.host()) {
            (Some(one), Some(two)) => {
                one.port == two.port
                    && (one.name.eq_ignore_ascii_case(&two.name) || one.is_loopback() && two.is_loopback())
            }
            (None, None) => self == other,
            _ => false,
        }
    }

    fn parse(text: &str) -> Result<Address, String> {
        let typed = text.trim();
        if typed.is_empty() {
            return Err("it is empty".into());
        }
        let Some((scheme, rest)) = typed.split_once("://") else {
            if looks_like_file(typed) {
                return Err(
                    "it looks like a file; give a scheduler file with scheduler_file= (--scheduler-file)".into()
                );
            }
            return Ok(Address::of_host(parse_host(typed)?));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Address::Tcp(parse_host(rest)?)),
            "tls" => Ok(Address::Tls(parse_host(rest)?)),
            "unix" => parse_path(rest),
            "inproc" if rest.is_empty() => Err("a name is missing".into()),
            "inproc" => Ok(Address::Inproc(rest.to_owned())),
            "http" | "https" => Err("it is the address of a web page, such as the dashboard".into()),
            "ucx" | "ws" | "wss" => Err(format!("raskr has no {scheme}://")),
            _ => Err(format!("unknown scheme '{scheme}'")),
        }
    }
}

fn looks_like_file(text: &str) -> bool {
    text.starts_with(['/', '~', '.']) || text.contains('/') || text.ends_with(".json")
}

fn parse_path(rest: &str) -> Result<Address, String> {
    if !rest.starts_with('/') {
        return Err("a socket needs its whole path, with three slashes: unix:///path".into());
    }
    Ok(Address::Unix(Path::new(rest).to_owned()))
}

fn parse_host(text: &str) -> Result<Host, String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.contains('/') {
        return Err("nothing may follow the port".into());
    }
    if text.contains('@') {
        return Err("a user's name has no meaning here".into());
    }
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let (name, port) = rest.split_once(']').ok_or("the bracket is not closed")?;
        let number = name.split('%').next().unwrap_or_default();
        number.parse::<Ipv6Addr>().map_err(|_| format!("'{name}' in brackets is no IPv6 address"))?;
        match port {
            "" => (name, None),
            port => (name, Some(port.strip_prefix(':').ok_or("a colon and a port must follow the bracket")?)),
        }
    } else if text.matches(':').count() > 1 {
        return Err(match text.parse::<Ipv6Addr>() {
            Ok(_) => format!("an IPv6 address needs brackets: [{text}]:{DEFAULT_PORT}"),
            Err(_) => "there are several colons".into(),
        });
    } else {
        match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        }
    };
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            port.parse().map_err(|_| format!("port {port} is not within 0 to 65535"))?
        }
        Some(port) => return Err(format!("port '{port}' is no number")),
    };
    if name.is_empty() {
        return Ok(Host::new("127.0.0.1", port));
    }
    if name == "*" {
        return Ok(Host::new(Ipv4Addr::UNSPECIFIED.to_string(), port));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') || byte >= 128;
    if !name.contains(':') && !name.bytes().all(plain) {
        return Err(format!("'{name}' is no name of a host"));
    }
    if name.bytes().all(|b| b.is_ascii_digit() || b == b'.') && name.parse::<Ipv4Addr>().is_err() {
        return Err(match name.parse::<u32>() {
            Ok(_) => format!("'{name}' is no host; for a port of this machine say 127.0.0.1:{name}"),
            Err(_) => format!("'{name}' is no IPv4 address"),
        });
    }
    Ok(Host::new(name, port))
}

impl FromStr for Address {
    type Err = CommError;

    /// What users type: `tcp://10.0.0.1:8786`, `localhost`, `[::1]:0`, `unix:///run/raskr`. Without a scheme it is `tcp://`
    /// for loopback and `tls://` beyond it; without a port 8786; without a host (`:8786`) 127.0.0.1.
    fn from_str(text: &str) -> Result<Address, CommError> {
        Address::parse(text).map_err(|reason| CommError::Address { text: text.to_owned(), reason })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host) => write!(f, "tcp://{host}"),
            Address::Tls(host) => write!(f, "tls://{host}"),
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
            Address::Inproc(name) => write!(f, "inproc://{name}"),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_users_type_is_understood() {
        for (typed, meant) in [
            ("127.0.0.1:8786", "tcp://127.0.0.1:8786"),
            ("localhost", "tcp://localhost:8786"),
            (" tcp://localhost:0 ", "tcp://localhost:0"),
            (":9000", "tcp://127.0.0.1:9000"),
            ("node-7.cluster_a:81", "tls://node-7.cluster_a:81"),
            ("10.1.2.3", "tls://10.1.2.3:8786"),
            ("tcp://10.1.2.3:1", "tcp://10.1.2.3:1"),
            ("TLS://0.0.0.0", "tls://0.0.0.0:8786"),
            ("tls://*:0", "tls://0.0.0.0:0"),
            ("[::1]:7", "tcp://[::1]:7"),
            ("[fe80::1%eth0]:7", "tls://[fe80::1%eth0]:7"),
            ("tcp://[2001:db8::2]", "tcp://[2001:db8::2]:8786"),
            ("tcp://h:1/", "tcp://h:1"),
            ("unix:///run/raskr/s", "unix:///run/raskr/s"),
            ("inproc://a/b", "inproc://a/b"),
        ] {
            let address: Address = typed.parse().expect(typed);
            assert_eq!(address.to_string(), meant);
            assert_eq!(meant.parse::<Address>().expect(meant), address);
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_what_was_expected() {
        for (typed, reason) in [
            ("", "it is empty"),
            ("/home/me/scheduler.json", "scheduler_file="),
            ("scheduler.json", "scheduler_file="),
            ("~/s", "scheduler_file="),
            ("http://localhost:8787/status", "the dashboard"),
            ("ucx://a:1", "raskr has no ucx://"),
            ("foo://a:1", "unknown scheme 'foo'"),
            ("a:b", "port 'b' is no number"),
            ("a:", "port '' is no number"),
            ("a:+1", "port '+1' is no number"),
            ("a:65536", "not within 0 to 65535"),
            ("8786", "say 127.0.0.1:8786"),
            ("1.2.3", "no IPv4 address"),
            ("::1", "[::1]:8786"),
            ("a:1:2", "several colons"),
            ("[::1", "not closed"),
            ("[::1]7", "must follow the bracket"),
            ("[x]:7", "no IPv6 address"),
            ("tcp://a b:1", "no name of a host"),
            ("tcp://me@a:1", "user's name"),
            ("tcp://a:1/x", "nothing may follow"),
            ("unix://run/x", "three slashes"),
            ("inproc://", "a name is missing"),
        ] {
            let error = typed.parse::<Address>().expect_err(typed);
            let text = error.to_string();
            assert!(text.contains(reason), "{typed}: {text}");
            assert!(text.contains("expected tcp://host:port"), "{text}");
            assert_eq!(error.class(), raskr_base::ErrorClass::Value);
        }
    }

    #[test]
    fn loopback_is_told_from_the_network() {
        let exposed = |text: &str| text.parse::<Address>().expect(text).is_exposed();
        for address in
            ["tcp://127.3.4.5", "tcp://[::1]", "tcp://localhost", "tcp://[::ffff:127.0.0.1]", "tls://10.0.0.1"]
        {
            assert!(!exposed(address), "{address}");
        }
        for address in ["tcp://0.0.0.0", "tcp://[::]", "tcp://10.0.0.1", "tcp://localhost.example", "tcp://node"] {
            assert!(exposed(address), "{address}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_that_reads_the_same_again_or_an_error(text in "\\PC{0,24}|(tcp|tls|unix|inproc)://\\PC{0,16}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>().expect("again"), address);
            }
        }
    }
}
