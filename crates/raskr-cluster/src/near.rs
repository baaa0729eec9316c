//! Sockets in the file system beside ports: processes of one user on one machine meet there, at half of what TCP takes.
//!
//! A port's socket is found by the port alone, so that nobody has to be told of it. Whoever finds none takes the port. Those
//! who meet show who they are all the same.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

use crate::address::Address;

/// The socket beside a port; nothing where the folder for it is not this user's alone, since whoever owns it could stand in
/// between. What is loopback differs by network namespace, and folders may be shared between these.
pub(crate) fn beside(address: &Address) -> Option<PathBuf> {
    let plain = |name: &str| name.chars().all(|one| one.is_ascii_alphanumeric() || ".:-_%".contains(one));
    let host = address.host().filter(|host| !host.is_unspecified() && plain(&host.name))?;
    let network = std::fs::metadata("/proc/self/ns/net").map_or(0, |found| found.ino());
    let user = rustix::process::getuid().as_raw();
    let folder = std::env::temp_dir().join(format!("raskr-{user}"));
    let mut builder = std::fs::DirBuilder::new();
    builder.mode(0o700);
    // Mostly it is there already.
    let _ = builder.create(&folder);
    let found = std::fs::symlink_metadata(&folder).ok()?;
    let own = found.is_dir() && found.uid() == user && found.mode() & 0o077 == 0;
    own.then(|| folder.join(format!("{network}-{}-{}", host.name, host.port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Host;

    #[test]
    fn each_port_of_each_number_has_a_socket_of_its_own() {
        let at = |name: &str, port| beside(&Address::Tcp(Host::new(name, port)));
        let all = [at("127.0.0.1", 1), at("127.0.0.1", 2), at("127.0.0.2", 1), at("::1", 1)];
        for (number, one) in all.iter().enumerate() {
            assert!(one.is_some() && !all[..number].contains(one), "{all:?}");
        }
        assert_eq!([at("0.0.0.0", 1), at("../x", 1), beside(&Address::Inproc("x".into()))], [None, None, None]);
    }
}
