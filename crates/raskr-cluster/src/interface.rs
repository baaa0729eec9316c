//! Network interfaces and their addresses: for `--interface`, and for what to tell others when listening on all of them.
// `unsafe` is allowed here: the system's list of interfaces is a linked list of C structures.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use crate::error::CommError;

/// Interfaces that are up, with their addresses, in the system's order.
fn interfaces() -> io::Result<Vec<(String, IpAddr)>> {
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `first` is a place to write to; what it then points to is freed below.
    if unsafe { libc::getifaddrs(&mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = first;
    // SAFETY: every entry is null or valid until freeifaddrs.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        // SAFETY: the name is a C string that lives as long as the list; the address is null or a socket address.
        let (name, address) = unsafe { (CStr::from_ptr(entry.ifa_name), entry.ifa_addr.as_ref()) };
        let Some(address) = address else { continue };
        if entry.ifa_flags & libc::IFF_UP as libc::c_uint == 0 {
            continue;
        }
        let ip = match i32::from(address.sa_family) {
            libc::AF_INET => {
                // SAFETY: the family says which structure it is.
                let raw = unsafe { std::ptr::read_unaligned(entry.ifa_addr.cast::<libc::sockaddr_in>()) };
                IpAddr::V4(Ipv4Addr::from(u32::from_be(raw.sin_addr.s_addr)))
            }
            libc::AF_INET6 => {
                // SAFETY: the family says which structure it is.
                let raw = unsafe { std::ptr::read_unaligned(entry.ifa_addr.cast::<libc::sockaddr_in6>()) };
                IpAddr::V6(Ipv6Addr::from(raw.sin6_addr.s6_addr))
            }
            _ => continue,
        };
        found.push((name.to_string_lossy().into_owned(), ip));
    }
    // SAFETY: the list came from getifaddrs, and nothing of it is used any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

/// The address of an interface such as `eth0` or `ib0`, IPv4 where it has one.
pub fn interface_address(name: &str) -> Result<IpAddr, CommError> {
    let found = interfaces().unwrap_or_default();
    let mut of_name: Vec<IpAddr> = found.iter().filter(|(known, _)| known == name).map(|&(_, ip)| ip).collect();
    of_name.sort_by_key(|ip| (ip.is_ipv6(), is_link_local(*ip)));
    of_name.first().copied().ok_or_else(|| {
        let mut known: Vec<String> = Vec::new();
        for (name, _) in found {
            if !known.contains(&name) {
                known.push(name);
            }
        }
        CommError::Interface { name: name.to_owned(), known }
    })
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// The address of this machine that others most likely reach: that of the default route, else of the first interface
/// beyond loopback, else loopback. Sends nothing.
pub fn outward_address(v6: bool) -> IpAddr {
    let routed = || {
        let (any, far) = if v6 { ("[::]:0", "[2001:db8::1]:9") } else { ("0.0.0.0:0", "192.0.2.1:9") };
        let socket = UdpSocket::bind(any)?;
        socket.connect(far)?;
        Ok::<_, io::Error>(socket.local_addr()?.ip())
    };
    let usable = |ip: &IpAddr| ip.is_ipv6() == v6 && !ip.is_loopback() && !ip.is_unspecified() && !is_link_local(*ip);
    routed()
        .ok()
        .filter(usable)
        .or_else(|| interfaces().ok()?.into_iter().map(|(_, ip)| ip).find(usable))
        .unwrap_or(if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_has_its_address_and_an_unknown_one_is_told_the_others() {
        let (name, ip) = interfaces().expect("listed").into_iter().find(|(_, ip)| ip.is_loopback()).expect("loopback");
        let found = interface_address(&name).expect("an address");
        assert!(found.is_loopback() && (found == ip || found.is_ipv4()));
        let error = interface_address("nosuch0").expect_err("unknown").to_string();
        assert!(error.contains("'nosuch0'") && error.contains(&name), "{error}");
    }

    #[test]
    fn others_are_told_an_address_and_not_all_of_them() {
        for v6 in [false, true] {
            let ip = outward_address(v6);
            assert!(ip.is_ipv6() == v6 && !ip.is_unspecified());
        }
    }
}
