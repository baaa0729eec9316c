//! Listens: accepts connections, has them show who they are, and gives out those that belong to the cluster.
//!
//! Handshakes run beside each other and beside accepting. Whoever has not shown yet who it is has little time and may be
//! dropped for a newer one, so that any number of idle strangers keeps nobody out.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

use crate::address::{Address, Host};
use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::error::CommError;
use crate::inproc;
use crate::interface::outward_address;
use crate::process;
use crate::quiet::Quiet;
use crate::stream::{Stream, tune};

pub(crate) type Accepted = Result<Connection, CommError>;

/// How many connections of members may wait to be taken.
const ACCEPTED_MAX: usize = 64;
/// Who takes longer to show who it is may be dropped for another.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to leave it when the system has no file for another connection.
const FILES_PAUSE: Duration = Duration::from_millis(50);
/// The longest path of a Unix socket.
const SOCKET_PATH_MAX: usize = 107;

/// Gives out connections of peers that have shown who they are. Ends listening when dropped.
pub struct Listener {
    address: Address,
    accepted: mpsc::Receiver<Accepted>,
    _guard: Guard,
}

enum Guard {
    Task(JoinHandle<()>, Option<PathBuf>),
    Name { _name: inproc::Registered },
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Guard::Task(task, path) = self {
            task.abort();
            if let Some(path) = path {
                // Somebody else may have removed it already.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(crate) async fn bind(address: &Address, endpoint: &Endpoint) -> Result<Listener, CommError> {
        endpoint.security.check(address)?;
        if address.is_exposed() {
            tracing::warn!(
                "listening on {address} without encryption (insecure): whoever can read the network's traffic can take over \
                 the cluster"
            );
        }
        let (sender, accepted) = mpsc::channel(ACCEPTED_MAX);
        let (address, socket, path) = match address {
            Address::Inproc(name) => {
                let name = inproc::listen(name, endpoint, sender)?;
                return Ok(Listener { address: address.clone(), accepted, _guard: Guard::Name { _name: name } });
            }
            Address::Unix(path) => (address.clone(), Socket::Unix(bind_unix(address, path).await?), Some(path.clone())),
            Address::Tcp(host) | Address::Tls(host) => {
                let socket = bind_tcp(address, host).await?;
                let local = socket.local_addr().map_err(|error| CommError::system(address, "listen", error))?;
                let bound = address.clone().with_port(local.port());
                (bound, Socket::Tcp(socket), None)
            }
        };
        if matches!(address, Address::Tls(_)) {
            // Made now: an error belongs to whoever listens, not to those who connect.
            endpoint.security.tls(&address)?;
        }
        let gate = Gate {
            address: address.clone(),
            endpoint: endpoint.clone(),
            unknown: Arc::default(),
            quiet: Arc::default(),
            accepted: sender,
        };
        let task = tokio::spawn(gate.run(socket));
        Ok(Listener { address, accepted, _guard: Guard::Task(task, path) })
    }

    /// The address with the port that the system chose.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The address that others are to connect to: one of this machine's where all of them are listened on.
    pub fn contact(&self) -> Address {
        match self.address.host() {
            Some(host) if host.is_unspecified() => {
                let v6 = host.ip().is_some_and(|ip| ip.is_ipv6());
                self.address.clone().with_host(outward_address(v6).to_string())
            }
            _ => self.address.clone(),
        }
    }

    /// The next connection of a member of the cluster. Dropped while it waits, it has lost none. Strangers and failed
    /// handshakes are logged and never seen here; an error means that nothing is listened on any more.
    pub async fn accept(&mut self) -> Result<Connection, CommError> {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            None => Err(CommError::Closed { peer: self.address.clone() }),
        }
    }
}

async fn bind_tcp(address: &Address, host: &Host) -> Result<TcpListener, CommError> {
    let found = tokio::net::lookup_host((host.name.as_str(), host.port)).await;
    let found: Vec<_> =
        found.map_err(|source| CommError::Resolve { address: address.clone(), source: Arc::new(source) })?.collect();
    // A name may stand for something else than what it says.
    if matches!(address, Address::Tcp(host) if host.is_loopback())
        && let Some(other) = found.iter().find(|place| !place.ip().is_loopback())
    {
        return Err(CommError::Insecure { address: address.clone().with_host(other.ip().to_string()) });
    }
    TcpListener::bind(&found[..]).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => CommError::InUse { address: address.clone(), by: process::listens_on(host.port) },
        _ => CommError::system(address, "listen there", error),
    })
}

/// A socket in the file system for this user only. One that a process left behind is replaced.
async fn bind_unix(address: &Address, path: &Path) -> Result<UnixListener, CommError> {
    use std::os::unix::fs::PermissionsExt;
    let system = |error| CommError::system(address, "listen there", error);
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        let message = format!("the path has {} bytes; at most {SOCKET_PATH_MAX} are possible", path.as_os_str().len());
        return Err(system(io::Error::new(io::ErrorKind::InvalidInput, message)));
    }
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let abandoned = matches!(
                tokio::net::UnixStream::connect(path).await,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused
            );
            if !abandoned {
                return Err(CommError::InUse { address: address.clone(), by: None });
            }
            std::fs::remove_file(path).map_err(system)?;
            UnixListener::bind(path).map_err(system)?
        }
        bound => bound.map_err(system)?,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(system)?;
    Ok(listener)
}

/// Peers that have not shown yet who they are.
#[derive(Default)]
struct Unknown {
    /// Oldest first.
    waiting: Mutex<VecDeque<Handshake>>,
    /// One of them is done.
    freed: Notify,
}

struct Handshake {
    id: u64,
    begun: Instant,
    task: AbortHandle,
}

impl Unknown {
    fn remove(&self, id: u64) {
        self.waiting.lock().retain(|handshake| handshake.id != id);
        self.freed.notify_one();
    }

    /// Waits until there is room for another: members are through in no time, strangers that say nothing are dropped when
    /// others wait. Many who come at once, as workers of a large cluster do, are not driven out by each other.
    async fn room(&self, max: usize) {
        loop {
            let begun = {
                let mut waiting = self.waiting.lock();
                let Some(oldest) = waiting.front().filter(|_| waiting.len() >= max.max(1)) else { return };
                let begun = oldest.begun;
                if begun.elapsed() >= PATIENCE
                    && let Some(oldest) = waiting.pop_front()
                {
                    oldest.task.abort();
                    return;
                }
                begun
            };
            tokio::select! {
                () = self.freed.notified() => {}
                () = tokio::time::sleep_until(begun + PATIENCE) => {}
            }
        }
    }
}

struct Gate {
    address: Address,
    endpoint: Endpoint,
    unknown: Arc<Unknown>,
    quiet: Arc<Mutex<Quiet>>,
    accepted: mpsc::Sender<Accepted>,
}

/// Ends what is under way when listening ends.
struct Handshakes(Arc<Unknown>);

impl Drop for Handshakes {
    fn drop(&mut self) {
        self.0.waiting.lock().drain(..).for_each(|handshake| handshake.task.abort());
    }
}

impl Gate {
    async fn run(self, socket: Socket) {
        let _handshakes = Handshakes(Arc::clone(&self.unknown));
        for id in 0.. {
            self.unknown.room(self.endpoint.options.unknown_max).await;
            let accepted = match &socket {
                Socket::Tcp(socket) => socket.accept().await.map(|(stream, from)| {
                    let host = Host::new(from.ip().to_string(), from.port());
                    let tls = matches!(self.address, Address::Tls(_));
                    (Stream::Tcp(stream), if tls { Address::Tls(host) } else { Address::Tcp(host) })
                }),
                Socket::Unix(socket) => {
                    socket.accept().await.map(|(stream, _)| (Stream::Unix(stream), self.address.clone()))
                }
            };
            match accepted {
                Ok((stream, from)) => self.greet(id, stream, from),
                Err(error) => self.pause(error).await,
            }
        }
    }

    /// Has a peer show who it is, on a task of its own.
    fn greet(&self, id: u64, stream: Stream, from: Address) {
        if let Stream::Tcp(socket) = &stream
            && let Err(error) = tune(socket)
        {
            return log(&self.quiet, &self.address, &from, &CommError::system(&from, "set up the socket", error));
        }
        let (endpoint, address) = (self.endpoint.clone(), self.address.clone());
        let (unknown, quiet, accepted) = (Arc::clone(&self.unknown), Arc::clone(&self.quiet), self.accepted.clone());
        // Held until the task is in the list, so that it can't be done before.
        let mut waiting = self.unknown.waiting.lock();
        let task = tokio::spawn(async move {
            let tls = matches!(address, Address::Tls(_));
            let within = endpoint.options.connect_timeout;
            let admitted = tokio::time::timeout(within, endpoint.admit(stream, &from, tls)).await;
            unknown.remove(id);
            match admitted {
                Ok(Ok((stream, peer))) => match Connection::over(stream, peer, endpoint.options) {
                    // Nobody listens any more if this fails.
                    Ok(connection) => drop(accepted.send(Ok(connection)).await),
                    Err(error) => log(&quiet, &address, &from, &error),
                },
                Ok(Err(error)) => log(&quiet, &address, &from, &error),
                Err(_) => log(&quiet, &address, &from, &CommError::Mute { address: from.clone(), after: within }),
            }
        });
        waiting.push_back(Handshake { id, begun: Instant::now(), task: task.abort_handle() });
    }

    /// Errors of `accept` pass, or concern one connection; without free files strangers have to go first.
    async fn pause(&self, error: io::Error) {
        let error = CommError::system(&self.address, "accept a connection", error);
        if matches!(error, CommError::Files { .. }) {
            let strangers = std::mem::take(&mut *self.unknown.waiting.lock());
            strangers.into_iter().for_each(|handshake| handshake.task.abort());
        }
        log(&self.quiet, &self.address, &self.address, &error);
        tokio::time::sleep(FILES_PAUSE).await;
    }
}

/// Says that a peer was not let in, not too often.
fn log(quiet: &Mutex<Quiet>, address: &Address, from: &Address, error: &CommError) {
    let peer = from.host().and_then(Host::ip);
    if let Some(left_out) = quiet.lock().ask(peer, Instant::now()) {
        tracing::warn!(left_out, "{}: a connection was not accepted: {error}", address.place());
    }
}
