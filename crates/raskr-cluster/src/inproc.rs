//! Connections within one process: buffers are handed over as they are, headers are encoded as on a socket.
//!
//! Both sides share the process, so that there is nothing to prove; roles are told all the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::address::Address;
use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::error::CommError;
use crate::handshake::{PROTOCOL_VERSIONS, Peer, Role};
use crate::listener::Accepted;
use crate::options::Options;

struct Place {
    id: u64,
    role: Role,
    options: Options,
    accepted: mpsc::Sender<Accepted>,
}

static PLACES: Mutex<Option<HashMap<String, Place>>> = Mutex::new(None);
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Keeps a name taken.
pub(crate) struct Registered {
    name: String,
    id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut places = PLACES.lock();
        if let Some(places) = places.as_mut()
            && places.get(&self.name).is_some_and(|place| place.id == self.id)
        {
            places.remove(&self.name);
        }
    }
}

pub(crate) fn listen(
    name: &str,
    endpoint: &Endpoint,
    accepted: mpsc::Sender<Accepted>,
) -> Result<Registered, CommError> {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut places = PLACES.lock();
    let places = places.get_or_insert_default();
    if places.contains_key(name) {
        let by = Some("another listener of this process".to_owned());
        return Err(CommError::InUse { address: Address::Inproc(name.to_owned()), by });
    }
    let place = Place { id, role: endpoint.role, options: endpoint.options, accepted };
    places.insert(name.to_owned(), place);
    Ok(Registered { name: name.to_owned(), id })
}

fn peer(address: Address, role: Role) -> Peer {
    Peer {
        address,
        role,
        raskr: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: PROTOCOL_VERSIONS.1,
        pid: std::process::id(),
        machine: crate::process::machine_id(),
    }
}

pub(crate) async fn connect(name: &str, endpoint: &Endpoint) -> Result<Connection, CommError> {
    let address = Address::Inproc(name.to_owned());
    let refused = || CommError::Refused { address: address.clone() };
    let (role, options, accepted) = {
        let places = PLACES.lock();
        let place = places.as_ref().and_then(|places| places.get(name)).ok_or_else(refused)?;
        (place.role, place.options, place.accepted.clone())
    };
    let from = Address::Inproc(format!("{name}/{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    let (ours, theirs) =
        Connection::pair((peer(address.clone(), role), endpoint.options), (peer(from, endpoint.role), options));
    accepted.send(Ok(theirs)).await.map_err(|_| refused())?;
    Ok(ours)
}
